// The kernels of kernels_convolution.h for one instruction set. Included once for each of them, with
//   MT_FOR(name)  the name of a function for this instruction set
//   MT_WIDE       rows of a product that fit into registers for one block of 16 columns
//   MT_NARROW     the same for two blocks
//   MT_BLOCKS     whether two blocks at once are worth while: 2 or 1

#define MT_INLINE static inline __attribute__((always_inline))
#define MT_UNROLL _Pragma("clang loop unroll(full)")

MT_INLINE mt_vector MT_FOR(load)(const float *from) { return *(const mt_vector *)from; }
MT_INLINE void MT_FOR(store)(float *to, mt_vector value) { *(mt_vector *)to = value; }
#define LOAD MT_FOR(load)
#define STORE MT_FOR(store)

// What a reader sees of one block: features are seen through these where they are loaded.
typedef struct MT_FOR(view) {
  mt_vector scale, shift;
  float slope;
  int is_plain;
} MT_FOR(view);

MT_INLINE MT_FOR(view) MT_FOR(view_of)(const mt_features *features, size_t block) {
  MT_FOR(view) view = {.slope = features->slope, .is_plain = features->scale == NULL};
  if (features->scale != NULL) {
    view.scale = LOAD(features->scale + block * mt_lanes);
    view.shift = LOAD(features->shift + block * mt_lanes);
  }
  return view;
}

MT_INLINE mt_vector MT_FOR(seen)(mt_vector value, const MT_FOR(view) * view) {
  mt_vector moved = value * view->scale + view->shift;
  return __builtin_elementwise_max(moved, moved * view->slope);
}

// `count` voxels as they are seen.
MT_INLINE void MT_FOR(copy)(const float *from, size_t count, const MT_FOR(view) * view, float *to) {
  if (view->is_plain) {
    for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, LOAD(from + i * mt_lanes));
  } else {
    for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, MT_FOR(seen)(LOAD(from + i * mt_lanes), view));
  }
}

MT_INLINE void MT_FOR(clear)(size_t count, float *to) {
  for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, (mt_vector){0});
}

// MARK: Products

// Where the left side of a product lies: a sum takes `lanes[i]` values from each row `offsets[i]` behind the first one.
typedef struct MT_FOR(places) {
  size_t count;
  uint32_t offsets[mt_most_places];
  uint8_t lanes[mt_most_places];
} MT_FOR(places);

// output[block][row] += the sum over places `from` to `to` and their lanes of left[place][row][lane] *
// weights[block][place, lane], for `rows` rows and `blocks` blocks, all of which stay in registers. The first places begin
// with the bias.
MT_INLINE void MT_FOR(multiply)(
    const float *left, const MT_FOR(places) * places, size_t from, size_t to, const float *weights, size_t weight_stride,
    const float *bias, float *output, size_t output_stride, const size_t rows, const size_t blocks,
    const size_t row_stride) {
  mt_vector sums[2][MT_WIDE];
  MT_UNROLL for (size_t b = 0; b < blocks; b++) {
    mt_vector first = bias == NULL ? (mt_vector){0} : LOAD(bias + b * mt_lanes);
    MT_UNROLL for (size_t r = 0; r < rows; r++) {
      sums[b][r] = from == 0 ? first : LOAD(output + b * output_stride + r * mt_lanes);
    }
  }
  for (size_t place = from; place < to; place++) {
    const float *values = left + places->offsets[place];
    for (size_t lane = 0; lane < places->lanes[place]; lane++, values++, weights += mt_lanes) {
      mt_vector first = LOAD(weights), second = first;
      if (blocks > 1) second = LOAD(weights + weight_stride);
      MT_UNROLL for (size_t r = 0; r < rows; r++) {
        sums[0][r] += first * values[r * row_stride];
        if (blocks > 1) sums[1][r] += second * values[r * row_stride];
      }
    }
  }
  MT_UNROLL for (size_t b = 0; b < blocks; b++) {
    MT_UNROLL for (size_t r = 0; r < rows; r++) STORE(output + b * output_stride + r * mt_lanes, sums[b][r]);
  }
}

#define MT_PRODUCT(name, rows, blocks, row_stride)                                                                \
  static __attribute__((noinline)) void MT_FOR(name)(                                                             \
      const float *left, const MT_FOR(places) * places, size_t from, size_t to, const float *weights,             \
      size_t weight_stride, const float *bias, float *output, size_t output_stride) {                             \
    MT_FOR(multiply)                                                                                              \
    (left, places, from, to, weights, weight_stride, bias, output, output_stride, rows, blocks, row_stride);      \
  }
MT_PRODUCT(product_one, MT_WIDE, 1, mt_lanes)
MT_PRODUCT(product_two, MT_NARROW, 2, mt_lanes)
MT_PRODUCT(image_product_one, MT_WIDE, 1, 1)
MT_PRODUCT(image_product_two, MT_NARROW, 2, 1)
MT_PRODUCT(product_short, 4, 1, mt_lanes)

// As `multiply`, for any number of rows and one block or two, over all places. Up to MT_WIDE - 1 rows more are read and
// written.
static void MT_FOR(product)(
    const float *left, const MT_FOR(places) * places, const float *weights, size_t weight_stride, const float *bias,
    float *output, size_t output_stride, size_t rows, size_t blocks, int is_image) {
  const size_t step = blocks > 1 ? MT_NARROW : MT_WIDE;
  for (size_t from = 0, to; from < places->count; from = to) {
    // As many weights as fit into the smallest cache beside the rows: every row meets all of them.
    size_t values = 0;
    for (to = from; to < places->count && values < mt_values_at_once; to++) values += places->lanes[to];
    for (size_t row = 0; row < rows; row += step) {
      const float *first = left + row * (is_image ? 1 : mt_lanes);
      float *result = output + row * mt_lanes;
      if (blocks > 1) {
        (is_image ? MT_FOR(image_product_two) : MT_FOR(product_two))(
            first, places, from, to, weights, weight_stride, bias, result, output_stride);
      } else if (!is_image && rows - row <= 4) {
        MT_FOR(product_short)(first, places, from, to, weights, weight_stride, bias, result, output_stride);
      } else {
        (is_image ? MT_FOR(image_product_one) : MT_FOR(product_one))(
            first, places, from, to, weights, weight_stride, bias, result, output_stride);
      }
    }
    weights += values * mt_lanes;
  }
}

// Adds a place for each block of the inputs, `stride` apart; returns the number of channels.
static size_t MT_FOR(add_places)(const mt_convolution *c, size_t offset, size_t stride, MT_FOR(places) * places) {
  size_t channels = 0;
  for (size_t i = 0; i < c->input_count; i++) {
    channels += c->inputs[i].channels;
    for (size_t done = 0; done < c->inputs[i].channels; done += mt_lanes, offset += stride) {
      size_t rest = c->inputs[i].channels - done;
      places->lanes[places->count] = (uint8_t)(rest < mt_lanes ? rest : mt_lanes);
      places->offsets[places->count++] = (uint32_t)offset;
    }
  }
  return channels;
}

// MARK: Statistics

typedef struct MT_FOR(moments) {
  mt_vector center, sum, squares;
  size_t count;
} MT_FOR(moments);

MT_INLINE void MT_FOR(write_moments)(const MT_FOR(moments) * moments, float *statistics) {
  STORE(statistics, (mt_vector){0} + (float)moments->count);
  STORE(statistics + mt_lanes, moments->center);
  STORE(statistics + 2 * mt_lanes, moments->sum);
  STORE(statistics + 3 * mt_lanes, moments->squares);
}

// Over `count` voxels from `values` on. Sums of 16 are added up, so that rounding stays small.
MT_INLINE void MT_FOR(gather_moments)(const float *values, size_t count, MT_FOR(moments) * moments) {
  if (count == 0) return;
  if (moments->count == 0) moments->center = LOAD(values);
  moments->count += count;
  for (size_t start = 0; start < count; start += 16) {
    size_t end = start + 16 < count ? start + 16 : count;
    mt_vector sum = {0}, squares = {0};
    for (size_t i = start; i < end; i++) {
      mt_vector off = LOAD(values + i * mt_lanes) - moments->center;
      sum += off;
      squares += off * off;
    }
    moments->sum += sum;
    moments->squares += squares;
  }
}

// MARK: Winograd's method

// Results 2 or 4 of a kernel of 3 from 4 or 6 values: each step works on vectors `from` apart and writes them `to` apart.
MT_INLINE void MT_FOR(spread)(const mt_vector *d, size_t s, mt_vector *o, const size_t tile) {
  if (tile == 2) {
    o[0] = d[0] - d[2 * s];
    o[s] = d[s] + d[2 * s];
    o[2 * s] = d[2 * s] - d[s];
    o[3 * s] = d[s] - d[3 * s];
  } else {
    mt_vector even = d[4 * s] - 4 * d[2 * s], odd = d[3 * s] - 4 * d[s];
    mt_vector even2 = d[4 * s] - d[2 * s], odd2 = 2 * (d[3 * s] - d[s]);
    mt_vector first = 4 * d[0] - 5 * d[2 * s] + d[4 * s], last = 4 * d[s] - 5 * d[3 * s] + d[5 * s];
    o[0] = first;
    o[s] = even + odd;
    o[2 * s] = even - odd;
    o[3 * s] = even2 + odd2;
    o[4 * s] = even2 - odd2;
    o[5 * s] = last;
  }
}

MT_INLINE void MT_FOR(collect)(const mt_vector *m, size_t from, mt_vector *o, size_t to, const size_t tile) {
  if (tile == 2) {
    o[0] = m[0] + m[from] + m[2 * from];
    o[to] = m[from] - m[2 * from] - m[3 * from];
  } else {
    mt_vector sum = m[from] + m[2 * from], difference = m[from] - m[2 * from];
    mt_vector sum2 = m[3 * from] + m[4 * from], difference2 = m[3 * from] - m[4 * from];
    o[0] = m[0] + sum + sum2;
    o[to] = difference + 2 * difference2;
    o[2 * to] = sum + 4 * sum2;
    o[3 * to] = difference + 8 * difference2 + m[5 * from];
  }
}

// Tiles of padded rows, `columns` wide, to points `stride` floats apart.
MT_INLINE void MT_FOR(spread_tiles)(
    const float *rows, size_t columns, size_t tile_rows, size_t tile_columns, float *points, size_t stride,
    const size_t tile) {
  const size_t n = tile + 2;
  for (size_t row = 0; row < tile_rows; row++) {
    for (size_t column = 0; column < tile_columns; column++, points += mt_lanes) {
      const float *from = rows + (row * tile * columns + column * tile) * mt_lanes;
      mt_vector a[36], b[36];
      MT_UNROLL for (size_t i = 0; i < n; i++) {
        MT_UNROLL for (size_t j = 0; j < n; j++) a[i * n + j] = LOAD(from + (i * columns + j) * mt_lanes);
      }
      MT_UNROLL for (size_t j = 0; j < n; j++) MT_FOR(spread)(a + j, n, b + j, tile);
      MT_UNROLL for (size_t i = 0; i < n; i++) MT_FOR(spread)(b + i * n, 1, a + i * n, tile);
      MT_UNROLL for (size_t i = 0; i < n * n; i++) STORE(points + i * stride, a[i]);
    }
  }
}

// Where one item lies.
typedef struct MT_FOR(region) {
  size_t z, slices, y, tile_rows, tile_columns;
} MT_FOR(region);

// The results of one block from its points, with their statistics.
MT_INLINE void MT_FOR(collect_tiles)(
    const mt_convolution *c, const MT_FOR(region) * region, const float *points, size_t stride, size_t block,
    MT_FOR(moments) * moments, const size_t tile) {
  const size_t n = tile + 2, height = c->output_size[1], width = c->output_size[2];
  const mt_vector bias = c->bias == NULL ? (mt_vector){0} : LOAD(c->bias + block * mt_lanes);
  for (size_t slice = 0; slice < region->slices; slice++) {
    for (size_t row = 0; row < region->tile_rows; row++) {
      for (size_t column = 0; column < region->tile_columns; column++, points += mt_lanes) {
        mt_vector a[36], b[24];
        MT_UNROLL for (size_t i = 0; i < n * n; i++) a[i] = LOAD(points + i * stride);
        MT_UNROLL for (size_t j = 0; j < n; j++) MT_FOR(collect)(a + j, n, b + j, n, tile);
        MT_UNROLL for (size_t i = 0; i < tile; i++) MT_FOR(collect)(b + i * n, 1, a + i * tile, 1, tile);
        size_t y = region->y + row * tile, x = column * tile;
        size_t rows = height - y < tile ? height - y : tile, columns = width - x < tile ? width - x : tile;
        float *to = c->output
                    + (((block * c->output_size[0] + region->z + slice) * height + y) * width + x) * mt_lanes;
        if (moments->count == 0) moments->center = a[0] + bias;
        moments->count += rows * columns;
        mt_vector sum = {0}, squares = {0};
        if (rows == tile && columns == tile) {
          MT_UNROLL for (size_t i = 0; i < tile; i++) {
            MT_UNROLL for (size_t j = 0; j < tile; j++) {
              mt_vector value = a[i * tile + j] + bias, off = value - moments->center;
              STORE(to + (i * width + j) * mt_lanes, value);
              sum += off;
              squares += off * off;
            }
          }
        } else {
          for (size_t i = 0; i < rows; i++) {
            for (size_t j = 0; j < columns; j++) {
              mt_vector value = a[i * tile + j] + bias, off = value - moments->center;
              STORE(to + (i * width + j) * mt_lanes, value);
              sum += off;
              squares += off * off;
            }
          }
        }
        moments->sum += sum;
        moments->squares += squares;
      }
    }
  }
}

#define MT_TILES(tile)                                                                                              \
  static __attribute__((noinline)) void MT_FOR(spread_tiles_##tile)(                                                \
      const float *rows, size_t columns, size_t tile_rows, size_t tile_columns, float *points, size_t stride) {     \
    MT_FOR(spread_tiles)(rows, columns, tile_rows, tile_columns, points, stride, tile);                             \
  }                                                                                                                 \
  static __attribute__((noinline)) void MT_FOR(collect_tiles_##tile)(                                               \
      const mt_convolution *c, const MT_FOR(region) * region, const float *points, size_t stride, size_t block,     \
      MT_FOR(moments) * moments) {                                                                                  \
    MT_FOR(collect_tiles)(c, region, points, stride, block, moments, tile);                                         \
  }
MT_TILES(2)
MT_TILES(4)

// Rows `y` to `y + rows` of a slice with one column of zeros on the left and as many as are left on the right; zeros too
// where there is no input.
static void MT_FOR(pad_rows)(
    const mt_convolution *c, const mt_features *features, size_t block, ptrdiff_t z, ptrdiff_t y, size_t rows,
    size_t columns, float *to) {
  const size_t height = c->input_size[1], width = c->input_size[2];
  MT_FOR(view) view = MT_FOR(view_of)(features, block);
  size_t seen = width < columns - 1 ? width : columns - 1;
  for (size_t row = 0; row < rows; row++, y++, to += columns * mt_lanes) {
    if (z < 0 || z >= (ptrdiff_t)c->input_size[0] || y < 0 || y >= (ptrdiff_t)height) {
      MT_FOR(clear)(columns, to);
      continue;
    }
    const float *from =
        features->values + ((block * c->input_size[0] + (size_t)z) * height + (size_t)y) * width * mt_lanes;
    MT_FOR(clear)(1, to);
    MT_FOR(copy)(from, seen, &view, to + mt_lanes);
    MT_FOR(clear)(columns - 1 - seen, to + (1 + seen) * mt_lanes);
  }
}

static void MT_FOR(run_tiles)(const mt_convolution *c, size_t item, float *scratch) {
  const mt_tiling tiling = mt_tiling_of(c);
  const size_t tile = c->tile, points = (tile + 2) * (tile + 2);
  MT_FOR(region) region = {
      .z = item / tiling.strips * c->item_slices,
      .y = item % tiling.strips * c->item_rows * tile,
      .tile_columns = tiling.tile_columns};
  region.slices = c->output_size[0] - region.z < c->item_slices ? c->output_size[0] - region.z : c->item_slices;
  size_t tile_rows_left = (c->output_size[1] - region.y + tile - 1) / tile;
  region.tile_rows = tile_rows_left < c->item_rows ? tile_rows_left : c->item_rows;
  const size_t in_slice = region.tile_rows * region.tile_columns, rows = region.slices * in_slice;
  float *padded = scratch, *spread = padded + tiling.padded, *products = spread + points * tiling.point_stride;
  size_t place = 0;
  for (size_t i = 0; i < c->input_count; i++) {
    for (size_t block = 0; block * mt_lanes < c->inputs[i].channels; block++, place++) {
      for (size_t slice = 0; slice < region.slices + c->kernel[0] - 1; slice++) {
        MT_FOR(pad_rows)
        (c, &c->inputs[i], block, (ptrdiff_t)(region.z + slice) - (ptrdiff_t)c->padding[0], (ptrdiff_t)region.y - 1,
         region.tile_rows * tile + 2, tiling.padded_columns, padded);
        float *to = spread + place * tiling.block_stride + slice * in_slice * mt_lanes;
        (tile == 2 ? MT_FOR(spread_tiles_2) : MT_FOR(spread_tiles_4))(
            padded, tiling.padded_columns, region.tile_rows, region.tile_columns, to, tiling.point_stride);
      }
    }
  }
  MT_FOR(places) places;
  places.count = 0;
  size_t channels = 0;
  for (size_t slice = 0; slice < c->kernel[0]; slice++) {
    channels = MT_FOR(add_places)(c, slice * in_slice * mt_lanes, tiling.block_stride, &places);
  }
  const size_t block_weights = c->kernel[0] * channels * mt_lanes;
  for (size_t block = 0; block < c->output_blocks; block += MT_BLOCKS) {
    size_t pair = c->output_blocks - block < MT_BLOCKS ? 1 : MT_BLOCKS;
    for (size_t point = 0; point < points; point++) {
      MT_FOR(product)
      (spread + point * tiling.point_stride, &places, c->weights + (point * c->output_blocks + block) * block_weights,
       block_weights, NULL, products + point * tiling.product_stride, tiling.product_stride / 2, rows, pair, 0);
    }
    for (size_t i = 0; i < pair; i++) {
      MT_FOR(moments) moments = {0};
      (tile == 2 ? MT_FOR(collect_tiles_2) : MT_FOR(collect_tiles_4))(
          c, &region, products + i * (tiling.product_stride / 2), tiling.product_stride, block + i, &moments);
      if (c->statistics == NULL) continue;
      MT_FOR(write_moments)(&moments, c->statistics + (item * c->output_blocks + block + i) * 4 * mt_lanes);
    }
  }
}

// MARK: One by one

// One line of a phase: every `stride`-th voxel from `x` on, `count` of them, zero where there is no input.
static void MT_FOR(pick)(
    const float *line, ptrdiff_t width, ptrdiff_t x, size_t stride, size_t count, const MT_FOR(view) * view, float *to) {
  size_t i = 0;
  for (; i < count && x < 0; i++, x += (ptrdiff_t)stride) STORE(to + i * mt_lanes, (mt_vector){0});
  size_t seen = x < width ? ((size_t)(width - x) + stride - 1) / stride : 0;
  size_t end = count - i < seen ? count : i + seen;
  const float *from = line + x * mt_lanes;
  if (view->is_plain) {
    for (; i < end; i++, from += stride * mt_lanes) STORE(to + i * mt_lanes, LOAD(from));
  } else {
    for (; i < end; i++, from += stride * mt_lanes) STORE(to + i * mt_lanes, MT_FOR(seen)(LOAD(from), view));
  }
  MT_FOR(clear)(count - i, to + i * mt_lanes);
}

// As `pick`, from a line of an image.
static void MT_FOR(pick_image)(const float *line, ptrdiff_t width, ptrdiff_t x, size_t stride, size_t count, float *to) {
  for (size_t i = 0; i < count; i++, x += (ptrdiff_t)stride) to[i] = x >= 0 && x < width ? line[x] : 0;
}

// What an item takes in, padded with zeros and sorted by phase: voxels that lie a whole number of strides apart along every
// axis, so that what one place of the kernel meets lies in a row. (phases, blocks or channels, Z, Y, X)
static void MT_FOR(sort)(const mt_convolution *c, const mt_phases *phases, size_t z, size_t y, float *to) {
  const int is_image = c->image_channels > 0;
  const size_t row = phases->size[2] * (is_image ? 1 : mt_lanes);
  const size_t pitch = c->input_size[2] * (is_image ? 1 : mt_lanes), sources = is_image ? 1 : c->input_count;
  for (size_t pz = 0; pz < phases->count[0]; pz++) {
    for (size_t py = 0; py < phases->count[1]; py++) {
      for (size_t px = 0; px < phases->count[2]; px++) {
        for (size_t i = 0; i < sources; i++) {
          const float *values = is_image ? c->image : c->inputs[i].values;
          size_t blocks = is_image ? c->image_channels : (c->inputs[i].channels + mt_lanes - 1) / mt_lanes;
          for (size_t block = 0; block < blocks; block++) {
            MT_FOR(view) view = {.is_plain = 1};
            if (!is_image) view = MT_FOR(view_of)(&c->inputs[i], block);
            for (size_t iz = 0; iz < phases->size[0]; iz++) {
              ptrdiff_t from_z = (ptrdiff_t)((z + iz) * c->stride[0] + pz) - (ptrdiff_t)c->padding[0];
              for (size_t iy = 0; iy < phases->size[1]; iy++, to += row) {
                ptrdiff_t from_y = (ptrdiff_t)((y + iy) * c->stride[1] + py) - (ptrdiff_t)c->padding[1];
                if (from_z < 0 || from_z >= (ptrdiff_t)c->input_size[0] || from_y < 0
                    || from_y >= (ptrdiff_t)c->input_size[1]) {
                  memset(to, 0, row * sizeof(float));
                  continue;
                }
                const float *line =
                    values + ((block * c->input_size[0] + (size_t)from_z) * c->input_size[1] + (size_t)from_y) * pitch;
                ptrdiff_t width = (ptrdiff_t)c->input_size[2], x = (ptrdiff_t)px - (ptrdiff_t)c->padding[2];
                if (is_image) {
                  MT_FOR(pick_image)(line, width, x, c->stride[2], phases->size[2], to);
                } else {
                  MT_FOR(pick)(line, width, x, c->stride[2], phases->size[2], &view, to);
                }
              }
            }
          }
        }
      }
    }
  }
}

static void MT_FOR(run_rows)(const mt_convolution *c, size_t item, float *scratch) {
  const mt_phases phases = mt_phases_of(c);
  const size_t strips = (c->output_size[1] + c->item_rows - 1) / c->item_rows;
  const size_t z = item / strips * c->item_slices, y = item % strips * c->item_rows;
  const size_t slices = c->output_size[0] - z < c->item_slices ? c->output_size[0] - z : c->item_slices;
  const size_t lines = c->output_size[1] - y < c->item_rows ? c->output_size[1] - y : c->item_rows;
  const size_t width = c->output_size[2], voxels = c->output_size[0] * c->output_size[1] * width;
  const int is_image = c->image_channels > 0;
  float *products = scratch + phases.values;
  MT_FOR(sort)(c, &phases, z, y, scratch);
  MT_FOR(places) places;
  places.count = 0;
  const size_t in_block = phases.size[0] * phases.size[1] * phases.size[2] * (is_image ? 1 : mt_lanes);
  size_t channels = c->image_channels;
  for (size_t kz = 0; kz < c->kernel[0]; kz++) {
    for (size_t ky = 0; ky < c->kernel[1]; ky++) {
      for (size_t kx = 0; kx < c->kernel[2]; kx++) {
        size_t phase = (kz % c->stride[0] * phases.count[1] + ky % c->stride[1]) * phases.count[2] + kx % c->stride[2];
        size_t row = (kz / c->stride[0] * phases.size[1] + ky / c->stride[1]) * phases.size[2] + kx / c->stride[2];
        size_t offset = phase * phases.blocks * in_block + row * (is_image ? 1 : mt_lanes);
        if (is_image) {
          for (size_t i = 0; i < channels; i++) {
            places.lanes[places.count] = 1;
            places.offsets[places.count++] = (uint32_t)(offset + i * in_block);
          }
        } else {
          channels = MT_FOR(add_places)(c, offset, in_block, &places);
        }
      }
    }
  }
  // Rows between the lines and slices of the result are computed too, and left out.
  const size_t rows = ((slices - 1) * phases.size[1] + lines - 1) * phases.size[2] + width;
  const size_t block_weights = c->kernel[0] * c->kernel[1] * c->kernel[2] * channels * mt_lanes;
  for (size_t block = 0; block < c->output_blocks; block += MT_BLOCKS) {
    size_t pair = c->output_blocks - block < MT_BLOCKS ? 1 : MT_BLOCKS;
    MT_FOR(product)
    (scratch, &places, c->weights + block * block_weights, block_weights,
     c->bias == NULL ? NULL : c->bias + block * mt_lanes, products, phases.product_stride, rows, pair, is_image);
    for (size_t i = 0; i < pair; i++) {
      MT_FOR(moments) moments = {0};
      for (size_t slice = 0; slice < slices; slice++) {
        for (size_t line = 0; line < lines; line++) {
          const float *from =
              products + i * phases.product_stride + (slice * phases.size[1] + line) * phases.size[2] * mt_lanes;
          size_t place = ((z + slice) * c->output_size[1] + y + line) * width;
          memcpy(c->output + ((block + i) * voxels + place) * mt_lanes, from, width * mt_lanes * sizeof(float));
          if (c->statistics != NULL) MT_FOR(gather_moments)(from, width, &moments);
        }
      }
      if (c->statistics == NULL) continue;
      MT_FOR(write_moments)(&moments, c->statistics + (item * c->output_blocks + block + i) * 4 * mt_lanes);
    }
  }
}

static void MT_FOR(convolution_run)(const mt_convolution *c, size_t item, float *scratch) {
  (c->tile > 0 ? MT_FOR(run_tiles) : MT_FOR(run_rows))(c, item, scratch);
}

static void MT_FOR(enlargement_run)(const mt_convolution *c, size_t item, float *scratch) {
  const size_t width = c->input_size[2], z = item / c->input_size[1], y = item % c->input_size[1];
  const size_t row_slots = mt_row_slots_for(width);
  MT_FOR(places) places;
  places.count = 0;
  const size_t channels = MT_FOR(add_places)(c, 0, row_slots * mt_lanes, &places);
  float *to = scratch, *products = scratch + places.count * row_slots * mt_lanes;
  for (size_t i = 0; i < c->input_count; i++) {
    for (size_t block = 0; block * mt_lanes < c->inputs[i].channels; block++, to += row_slots * mt_lanes) {
      MT_FOR(view) view = MT_FOR(view_of)(&c->inputs[i], block);
      MT_FOR(copy)
      (c->inputs[i].values + ((block * c->input_size[0] + z) * c->input_size[1] + y) * width * mt_lanes, width, &view,
       to);
    }
  }
  const size_t block_weights = channels * mt_lanes;
  const float *weights = c->weights;
  for (size_t kz = 0; kz < c->kernel[0]; kz++) {
    for (size_t ky = 0; ky < c->kernel[1]; ky++) {
      for (size_t kx = 0; kx < c->kernel[2]; kx++, weights += c->output_blocks * block_weights) {
        for (size_t block = 0; block < c->output_blocks; block += MT_BLOCKS) {
          size_t pair = c->output_blocks - block < MT_BLOCKS ? 1 : MT_BLOCKS;
          MT_FOR(product)
          (scratch, &places, weights + block * block_weights, block_weights,
           c->bias == NULL ? NULL : c->bias + block * mt_lanes, products, row_slots * mt_lanes, width, pair, 0);
          for (size_t i = 0; i < pair; i++) {
            const float *from = products + i * row_slots * mt_lanes;
            size_t line = ((block + i) * c->output_size[0] + z * c->stride[0] + kz) * c->output_size[1]
                          + y * c->stride[1] + ky;
            float *target = c->output + (line * c->output_size[2] + kx) * mt_lanes;
            for (size_t x = 0; x < width; x++) STORE(target + x * c->stride[2] * mt_lanes, LOAD(from + x * mt_lanes));
          }
        }
      }
    }
  }
}

// MARK: Element by element

static void MT_FOR(features_sum)(
    const mt_features *inputs, size_t input_count, size_t voxels, size_t start, size_t end, float *output) {
  for (size_t block = 0; block * mt_lanes < inputs[0].channels; block++) {
    float *to = output + block * voxels * mt_lanes;
    for (size_t i = 0; i < input_count; i++) {
      MT_FOR(view) view = MT_FOR(view_of)(&inputs[i], block);
      const float *from = inputs[i].values + block * voxels * mt_lanes;
      for (size_t v = start; v < end; v++) {
        mt_vector value = LOAD(from + v * mt_lanes);
        if (!view.is_plain) value = MT_FOR(seen)(value, &view);
        STORE(to + v * mt_lanes, i == 0 ? value : LOAD(to + v * mt_lanes) + value);
      }
    }
  }
}

static void MT_FOR(features_pool)(
    const mt_features *input, size_t block, const size_t input_size[3], const size_t output_size[3],
    const size_t window[3], size_t z, float *output) {
  MT_FOR(view) view = MT_FOR(view_of)(input, block);
  const float share = 1 / (float)(window[0] * window[1] * window[2]);
  float *to = output + (block * output_size[0] + z) * output_size[1] * output_size[2] * mt_lanes;
  for (size_t y = 0; y < output_size[1]; y++) {
    for (size_t x = 0; x < output_size[2]; x++, to += mt_lanes) {
      mt_vector sum = {0};
      for (size_t i = 0; i < window[0]; i++) {
        for (size_t j = 0; j < window[1]; j++) {
          const float *from = input->values
                              + (((block * input_size[0] + z * window[0] + i) * input_size[1] + y * window[1] + j)
                                     * input_size[2]
                                 + x * window[2])
                                    * mt_lanes;
          for (size_t k = 0; k < window[2]; k++) {
            mt_vector value = LOAD(from + k * mt_lanes);
            sum += view.is_plain ? value : MT_FOR(seen)(value, &view);
          }
        }
      }
      STORE(to, sum * share);
    }
  }
}

static void MT_FOR(features_statistics)(
    const mt_features *input, size_t block, size_t voxels, size_t start, size_t end, float *statistics) {
  MT_FOR(moments) moments = {0};
  MT_FOR(gather_moments)(input->values + (block * voxels + start) * mt_lanes, end - start, &moments);
  MT_FOR(write_moments)(&moments, statistics);
}

static void MT_FOR(features_unblock)(
    const mt_features *input, size_t voxels, size_t start, size_t end, size_t first, size_t channels, int channels_last,
    float *output) {
  for (size_t block = 0; block * mt_lanes < input->channels; block++) {
    size_t rest = input->channels - block * mt_lanes, lanes = rest < mt_lanes ? rest : mt_lanes;
    size_t channel = first + block * mt_lanes;
    MT_FOR(view) view = MT_FOR(view_of)(input, block);
    for (size_t v = start; v < end; v += mt_lanes) {
      size_t count = end - v < mt_lanes ? end - v : mt_lanes;
      float square[mt_lanes * mt_lanes] __attribute__((aligned(64)));
      MT_FOR(copy)(input->values + (block * voxels + v) * mt_lanes, count, &view, square);
      if (channels_last) {
        for (size_t i = 0; i < count; i++) {
          memcpy(output + (v + i) * channels + channel, square + i * mt_lanes, lanes * sizeof(float));
        }
      } else {
        for (size_t lane = 0; lane < lanes; lane++) {
          float *to = output + (channel + lane) * voxels + v;
          for (size_t i = 0; i < count; i++) to[i] = square[i * mt_lanes + lane];
        }
      }
    }
  }
}

#undef LOAD
#undef STORE
#undef MT_PRODUCT
#undef MT_TILES
#undef MT_INLINE
#undef MT_UNROLL
#undef MT_FOR
#undef MT_WIDE
#undef MT_NARROW
#undef MT_BLOCKS
