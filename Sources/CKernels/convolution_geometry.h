// Where things lie: how convolutions are cut into items, and what their scratch memory holds. Part of convolution.c.

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
