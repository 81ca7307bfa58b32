#include "kernels_convolution_gradients.h"

#include <math.h>
#include <string.h>

#include "dispatch.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Functions that take or return vectors are all inlined, so that how they would be passed does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float mt_vector __attribute__((vector_size(64)));
typedef uint32_t mt_words __attribute__((vector_size(64)));
typedef uint16_t mt_halves __attribute__((vector_size(32)));

// How many input blocks, or channels of an image, may meet places of a kernel.
enum { mt_most_places = MT_MOST_PLACES };
// Weights of one row, in units of 4 bytes, that a product takes before it goes on to the next row.
enum { mt_values_at_once = 288 };
// More rows than any product takes at once.
enum { mt_slack = 32 };

// Where the left side of a product lies: a sum takes `lanes[i]` values from each row `offsets[i]` behind the first one.
typedef struct mt_places {
  size_t count;
  uint32_t offsets[mt_most_places];
  uint8_t lanes[mt_most_places];
} mt_places;

// Where the tiles of one item lie.
typedef struct mt_region {
  size_t z, slices, y, tile_rows, tile_columns;
  int goes_to_memory;
} mt_region;

// How many values of a sum are multiplied at once.
static size_t mt_step_of(const mt_convolution *c) { return c->is_bf16 ? 2 : 1; }

static size_t mt_blocks_of(const mt_convolution *c) {
  size_t blocks = 0;
  for (size_t i = 0; i < c->input_count; i++) blocks += (c->inputs[i].channels + mt_lanes - 1) / mt_lanes;
  return blocks;
}

// Whether a result is more than a core's cache keeps until it is read. It is then written past the caches, which would
// otherwise read each line before it is overwritten.
static int mt_goes_to_memory(const mt_convolution *c) {
  return c->output_blocks * c->output_size[0] * c->output_size[1] * c->output_size[2] * mt_lanes * sizeof(float) > 1 << 20;
}

// What was written past the caches comes before whatever tells others that it is there.
static void mt_order_memory(void) {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// Rows of 16 floats for `rows` rows and what a product reads beyond, not a multiple of 4096 bytes: many rows that share one
// place in the cache would drive each other out.
static size_t mt_row_slots_for(size_t rows) {
  size_t slots = rows + mt_slack;
  return slots + (64 + 5 - slots % 64) % 64;
}

// The points of Winograd's method for 4 results, besides 0 and infinity: one over the square root of 2 and the square root
// of 2, and their negatives. With 1 and 2, as usual, rounding is twice as large.
static const float mt_inner_point = 0.70710678118654752440, mt_outer_point = 1.41421356237309504880;

// How Winograd's method cuts a convolution into items, and where things lie in its scratch memory, in values.
typedef struct mt_tiling {
  // Items side by side along Y.
  size_t strips;
  size_t tile_columns;
  size_t padded_columns, padded;
  size_t block_stride, point_stride, product_stride;
} mt_tiling;

static mt_tiling mt_tiling_of(const mt_convolution *c) {
  mt_tiling tiling;
  size_t tile_rows = (c->output_size[1] + c->tile - 1) / c->tile;
  tiling.strips = (tile_rows + c->item_rows - 1) / c->item_rows;
  tiling.tile_columns = (c->output_size[2] + c->tile - 1) / c->tile;
  tiling.padded_columns = tiling.tile_columns * c->tile + 2;
  tiling.padded = (c->item_rows * c->tile + 2) * tiling.padded_columns * mt_lanes;
  size_t in_slice = c->item_rows * tiling.tile_columns;
  size_t rows = (c->item_slices + c->kernel[0] - 1) * in_slice + mt_slack;
  tiling.block_stride = rows * mt_lanes;
  tiling.point_stride = mt_row_slots_for(mt_blocks_of(c) * rows) * mt_lanes;
  tiling.product_stride = 2 * mt_row_slots_for(c->item_slices * in_slice) * mt_lanes;
  return tiling;
}

// Where things lie in the scratch memory of an item of a weight gradient, in values; see `mt_tiling`.
typedef struct mt_gradient_tiling {
  mt_tiling forward;
  size_t input_blocks, input_rows, input_stride;
  size_t gradient_rows, gradient_stride;
} mt_gradient_tiling;

static mt_gradient_tiling mt_gradient_tiling_of(const mt_convolution *c) {
  mt_gradient_tiling tiling = {.forward = mt_tiling_of(c), .input_blocks = mt_blocks_of(c)};
  // Room for whole steps of two.
  size_t in_slice = c->item_rows * tiling.forward.tile_columns + 1;
  tiling.input_rows = (c->item_slices + c->kernel[0] - 1) * in_slice;
  tiling.gradient_rows = c->item_slices * in_slice;
  tiling.input_rows += tiling.input_rows % 2;
  tiling.gradient_rows += tiling.gradient_rows % 2;
  // An even number of slots, which are odd: steps of two bfloat16 are loaded as whole vectors.
  tiling.input_stride = (mt_row_slots_for(tiling.input_blocks * tiling.input_rows) + 1) * mt_lanes;
  tiling.gradient_stride = (mt_row_slots_for(c->output_blocks * tiling.gradient_rows) + 1) * mt_lanes;
  return tiling;
}

// How what an item takes in is sorted when it multiplies one by one; see `sort`.
typedef struct mt_phases {
  // Phases along each axis, and what each of them holds.
  size_t count[3], size[3];
  size_t blocks;
  // Of all phases, and what the products of one block take.
  size_t values, product_stride;
} mt_phases;

static mt_phases mt_phases_of(const mt_convolution *c) {
  mt_phases phases;
  size_t results[3] = {c->item_slices, c->item_rows, c->output_size[2]};
  for (int axis = 0; axis < 3; axis++) {
    phases.count[axis] = c->kernel[axis] < c->stride[axis] ? c->kernel[axis] : c->stride[axis];
    phases.size[axis] = results[axis] + (c->kernel[axis] - 1) / c->stride[axis];
  }
  phases.blocks = c->image_channels > 0 ? c->image_channels : mt_blocks_of(c);
  size_t rows = phases.size[0] * phases.size[1] * phases.size[2];
  size_t all = phases.count[0] * phases.count[1] * phases.count[2] * phases.blocks * rows + mt_slack;
  phases.values = c->image_channels > 0 ? (all + mt_lanes - 1) / mt_lanes * mt_lanes : all * mt_lanes;
  phases.product_stride = mt_row_slots_for(rows) * mt_lanes;
  return phases;
}

// Where what a place of the kernel meets lies in the sorted values of an item, in rows.
static size_t mt_place_offset(const mt_convolution *c, const mt_phases *phases, size_t kz, size_t ky, size_t kx) {
  size_t phase = (kz % c->stride[0] * phases->count[1] + ky % c->stride[1]) * phases->count[2] + kx % c->stride[2];
  size_t row = (kz / c->stride[0] * phases->size[1] + ky / c->stride[1]) * phases->size[2] + kx / c->stride[2];
  return phase * phases->blocks * phases->size[0] * phases->size[1] * phases->size[2] + row;
}

// What an item that multiplies one by one makes.
typedef struct mt_row_region {
  size_t z, slices, y, lines;
  // Those between the lines and slices of the result are computed too, and left out.
  size_t rows;
} mt_row_region;

static mt_row_region mt_row_region_of(const mt_convolution *c, const mt_phases *phases, size_t item) {
  const size_t strips = (c->output_size[1] + c->item_rows - 1) / c->item_rows;
  mt_row_region region = {.z = item / strips * c->item_slices, .y = item % strips * c->item_rows};
  region.slices = c->output_size[0] - region.z < c->item_slices ? c->output_size[0] - region.z : c->item_slices;
  region.lines = c->output_size[1] - region.y < c->item_rows ? c->output_size[1] - region.y : c->item_rows;
  region.rows = ((region.slices - 1) * phases->size[1] + region.lines - 1) * phases->size[2] + c->output_size[2];
  return region;
}

size_t mt_convolution_items(const mt_convolution *c) {
  size_t strips = c->tile > 0 ? mt_tiling_of(c).strips : (c->output_size[1] + c->item_rows - 1) / c->item_rows;
  return strips * ((c->output_size[0] + c->item_slices - 1) / c->item_slices);
}

size_t mt_convolution_scratch(const mt_convolution *c) {
  if (c->tile > 0) {
    mt_tiling tiling = mt_tiling_of(c);
    size_t points = (c->tile + 2) * (c->tile + 2);
    return tiling.padded + points * (tiling.product_stride + tiling.point_stride / mt_step_of(c));
  }
  mt_phases phases = mt_phases_of(c);
  return 2 * phases.product_stride + phases.values / mt_step_of(c);
}

size_t mt_weight_gradient_scratch(const mt_convolution *c) {
  if (c->tile == 0) {
    mt_phases phases = mt_phases_of(c);
    return phases.values + c->output_blocks * phases.product_stride;
  }
  mt_gradient_tiling tiling = mt_gradient_tiling_of(c);
  return tiling.forward.padded + 36 * (tiling.input_stride + tiling.gradient_stride) / mt_step_of(c);
}

// G for 2 results with the points 0, 1, -1 and infinity, and for 4 with those of above.
static const double mt_two_results[4][3] = {{1, 0, 0}, {1. / 2, 1. / 2, 1. / 2}, {1. / 2, -1. / 2, 1. / 2}, {0, 0, 1}};
static const double mt_four_results[6][3] = {
    {1, 0, 0},
    {-2. / 3, -M_SQRT2 / 3, -1. / 3},
    {-2. / 3, M_SQRT2 / 3, -1. / 3},
    {1. / 6, M_SQRT2 / 6, 1. / 3},
    {1. / 6, -M_SQRT2 / 6, 1. / 3},
    {0, 0, 1}};

MT_MULTIVERSION
void mt_tile_weights(
    const float *weights, mt_weight_strides strides, size_t outputs, size_t inputs, size_t depth, size_t tile,
    size_t block, float *result) {
  const double(*matrix)[3] = tile == 2 ? mt_two_results : mt_four_results;
  const size_t edge = tile + 2, blocks = (outputs + mt_lanes - 1) / mt_lanes;
  const size_t lanes = outputs - block * mt_lanes < mt_lanes ? outputs - block * mt_lanes : mt_lanes;
  for (size_t input = 0; input < inputs; input++) {
    for (size_t z = 0; z < depth; z++) {
      // Kernels of 16 outputs side by side; then with their rows, then with their columns multiplied.
      double kernel[9][mt_lanes] = {{0}}, half[6][3][mt_lanes];
      for (size_t lane = 0; lane < lanes; lane++) {
        const float *from = weights + (ptrdiff_t)(block * mt_lanes + lane) * strides.output
                            + (ptrdiff_t)input * strides.input + (ptrdiff_t)z * strides.z;
        for (ptrdiff_t i = 0; i < 9; i++) kernel[i][lane] = from[i / 3 * strides.y + i % 3 * strides.x];
      }
      for (size_t p = 0; p < edge; p++) {
        const double *g = matrix[p];
        for (size_t x = 0; x < 3; x++) {
          for (size_t lane = 0; lane < mt_lanes; lane++) {
            half[p][x][lane] = g[0] * kernel[x][lane] + g[1] * kernel[3 + x][lane] + g[2] * kernel[6 + x][lane];
          }
        }
      }
      for (size_t p = 0; p < edge * edge; p++) {
        const double *g = matrix[p % edge];
        double(*row)[mt_lanes] = half[p / edge];
        float *to = result + (((p * blocks + block) * depth + z) * inputs + input) * mt_lanes;
        for (size_t lane = 0; lane < mt_lanes; lane++) {
          to[lane] = (float)(g[0] * row[0][lane] + g[1] * row[1][lane] + g[2] * row[2][lane]);
        }
      }
    }
  }
}

void mt_row_weights(
    const float *weights, mt_weight_strides strides, size_t outputs, size_t inputs, const size_t kernel[3], size_t block,
    float *result) {
  const size_t lanes = outputs - block * mt_lanes < mt_lanes ? outputs - block * mt_lanes : mt_lanes;
  const size_t places = kernel[0] * kernel[1] * kernel[2];
  float *to = result + block * places * inputs * mt_lanes;
  for (size_t place = 0; place < places; place++) {
    const float *from = weights + (ptrdiff_t)(block * mt_lanes) * strides.output
                        + (ptrdiff_t)(place / (kernel[1] * kernel[2])) * strides.z
                        + (ptrdiff_t)(place / kernel[2] % kernel[1]) * strides.y + (ptrdiff_t)(place % kernel[2]) * strides.x;
    for (size_t input = 0; input < inputs; input++, from += strides.input, to += mt_lanes) {
      for (size_t lane = 0; lane < mt_lanes; lane++) to[lane] = lane < lanes ? from[(ptrdiff_t)lane * strides.output] : 0;
    }
  }
}

MT_MULTIVERSION
void mt_pair_rows(const float *rows, size_t count, uint16_t *pairs) {
  for (; count >= 2; count -= 2, rows += 2 * mt_lanes, pairs += 2 * mt_lanes) {
    uint32_t bits[2 * mt_lanes];
    memcpy(bits, rows, sizeof(bits));
    for (size_t lane = 0; lane < mt_lanes; lane++) {
      // To the nearest, and to the even one of two.
      uint32_t first = bits[lane], second = bits[mt_lanes + lane];
      pairs[2 * lane] = (uint16_t)((first + 0x7fff + (first >> 16 & 1)) >> 16);
      pairs[2 * lane + 1] = (uint16_t)((second + 0x7fff + (second >> 16 & 1)) >> 16);
    }
  }
}

size_t mt_enlargement_items(const mt_convolution *c) { return c->input_size[0] * c->input_size[1]; }

size_t mt_enlargement_scratch(const mt_convolution *c) {
  size_t row = mt_row_slots_for(c->input_size[2]) * mt_lanes;
  return 2 * row + mt_blocks_of(c) * row / mt_step_of(c);
}

#if defined(__x86_64__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx512cd,fma,avx2,bmi,bmi2"), min_vector_width(512))), \
    apply_to = function)
#define MT_FOR(name) mt_avx512_##name
#define MT_WIDE 28
#define MT_NARROW 14
#define MT_BLOCKS 2
#define MT_OUTER 16
#define MT_STEP 1
#include "convolution_kernels.h"
#pragma clang attribute pop

#pragma clang attribute push( \
    __attribute__((target("avx512bf16,avx512f,avx512dq,avx512vl,avx512bw,avx512cd,fma,avx2,bmi,bmi2"), min_vector_width(512))), \
    apply_to = function)
#define MT_FOR(name) mt_bf16_##name
#define MT_WIDE 28
#define MT_NARROW 14
#define MT_BLOCKS 2
#define MT_OUTER 16
#define MT_STEP 2
#define MT_BF16_UNIT 1
#include "convolution_kernels.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2"))), apply_to = function)
#define MT_FOR(name) mt_avx2_##name
#define MT_WIDE 6
#define MT_NARROW 3
#define MT_BLOCKS 1
#define MT_OUTER 4
#define MT_STEP 1
#include "convolution_kernels.h"
#pragma clang attribute pop
#endif

// Sixteen lanes are four registers of ARM's.
#define MT_FOR(name) mt_plain_##name
#define MT_WIDE 6
#define MT_NARROW 3
#define MT_BLOCKS 1
#define MT_OUTER 4
#define MT_STEP 1
#include "convolution_kernels.h"

// bfloat16 for processors that do not multiply it, so that what it answers can be tried out everywhere.
#define MT_FOR(name) mt_plain_bf16_##name
#define MT_WIDE 6
#define MT_NARROW 3
#define MT_BLOCKS 1
#define MT_OUTER 4
#define MT_STEP 2
#define MT_BF16_UNIT 0
#include "convolution_kernels.h"

mt_level mt_level_of_processor(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
      && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd"))
    return mt_level_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return mt_level_avx2;
#endif
  return mt_level_plain;
}

static _Atomic mt_level mt_most = mt_level_avx512;

void mt_convolution_limit(mt_level level) { mt_most = level; }

static mt_level mt_level_in_use(void) {
  mt_level level = mt_level_of_processor(), most = mt_most;
  return level < most ? level : most;
}

int mt_convolution_is_fast(void) {
#if defined(__aarch64__)
  return 1;
#else
  return mt_level_of_processor() != mt_level_plain;
#endif
}

int mt_convolution_has_bf16(void) {
#if defined(__x86_64__)
  return mt_level_of_processor() == mt_level_avx512 && __builtin_cpu_supports("avx512bf16");
#else
  return 0;
#endif
}

#if defined(__x86_64__)
#define MT_DISPATCH(name, ...)                                                  \
  switch (mt_level_in_use()) {                                                  \
    case mt_level_avx512: mt_avx512_##name(__VA_ARGS__); return;                \
    case mt_level_avx2: mt_avx2_##name(__VA_ARGS__); return;                    \
    case mt_level_plain: mt_plain_##name(__VA_ARGS__); return;                  \
  }
#define MT_DISPATCH_BF16(name, ...)                                            \
  if (mt_convolution_has_bf16() && mt_most == mt_level_avx512) {                \
    mt_bf16_##name(__VA_ARGS__);                                                \
  } else {                                                                      \
    mt_plain_bf16_##name(__VA_ARGS__);                                          \
  }
#else
#define MT_DISPATCH(name, ...) mt_plain_##name(__VA_ARGS__)
#define MT_DISPATCH_BF16(name, ...) mt_plain_bf16_##name(__VA_ARGS__)
#endif

void mt_convolution_run(const mt_convolution *c, size_t item, float *scratch) {
  if (c->is_bf16) {
    MT_DISPATCH_BF16(convolution_run, c, item, scratch);
    return;
  }
  MT_DISPATCH(convolution_run, c, item, scratch);
}

void mt_weight_gradient_run(
    const mt_convolution *c, const mt_features *gradient, size_t item, float *scratch, float *sums) {
  if (c->tile == 0) {
    MT_DISPATCH(row_gradient_run, c, gradient, item, scratch, sums);
    return;
  }
  if (c->is_bf16) {
    MT_DISPATCH_BF16(tile_gradient_run, c, gradient, item, scratch, sums);
    return;
  }
  MT_DISPATCH(tile_gradient_run, c, gradient, item, scratch, sums);
}

void mt_enlargement_run(const mt_convolution *c, size_t item, float *scratch) {
  if (c->is_bf16) {
    MT_DISPATCH_BF16(enlargement_run, c, item, scratch);
    return;
  }
  MT_DISPATCH(enlargement_run, c, item, scratch);
}

void mt_features_sum(
    const mt_features *inputs, size_t input_count, size_t voxels, size_t start, size_t end, float *output) {
  MT_DISPATCH(features_sum, inputs, input_count, voxels, start, end, output);
}

void mt_features_pool(
    const mt_features *input, size_t block, const size_t input_size[3], const size_t output_size[3],
    const size_t window[3], size_t z, float *output) {
  MT_DISPATCH(features_pool, input, block, input_size, output_size, window, z, output);
}

void mt_features_statistics(
    const mt_features *input, size_t block, size_t voxels, size_t start, size_t end, float *statistics) {
  MT_DISPATCH(features_statistics, input, block, voxels, start, end, statistics);
}

void mt_features_unblock(
    const mt_features *input, size_t voxels, size_t start, size_t end, size_t first, size_t channels, int channels_last,
    float *output) {
  MT_DISPATCH(features_unblock, input, voxels, start, end, first, channels, channels_last, output);
}
