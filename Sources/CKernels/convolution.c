#include "kernels_convolution_gradients.h"

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

#include "convolution_geometry.h"

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
