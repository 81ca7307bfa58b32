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

// Where the left side of a product lies: rows of 16 values (1 in an image), of which a sum takes `lanes[i]` from place i, and
// after all places the same from the next slice.
typedef struct MT_FOR(places) {
  size_t slices, slice_stride;
  size_t count, stride;
  const uint8_t *lanes;
} MT_FOR(places);

// output[block][row] = the sum over places and lanes of left[place][row][lane] * weights[block][place, lane], for `rows` rows
// and `blocks` blocks, all of which stay in registers.
MT_INLINE void MT_FOR(multiply)(
    const float *left, const MT_FOR(places) * places, const float *weights, size_t weight_stride, const float *bias,
    float *output, size_t output_stride, const size_t rows, const size_t blocks, const size_t row_stride) {
  mt_vector sums[2][MT_WIDE];
  MT_UNROLL for (size_t b = 0; b < blocks; b++) {
    mt_vector first = bias == NULL ? (mt_vector){0} : LOAD(bias + b * mt_lanes);
    MT_UNROLL for (size_t r = 0; r < rows; r++) sums[b][r] = first;
  }
  for (size_t slice = 0; slice < places->slices; slice++) {
    for (size_t place = 0; place < places->count; place++) {
      const float *from = left + slice * places->slice_stride + place * places->stride;
      for (size_t lane = 0; lane < places->lanes[place]; lane++, from++, weights += mt_lanes) {
        mt_vector first = LOAD(weights), second = first;
        if (blocks > 1) second = LOAD(weights + weight_stride);
        MT_UNROLL for (size_t r = 0; r < rows; r++) {
          sums[0][r] += first * from[r * row_stride];
          if (blocks > 1) sums[1][r] += second * from[r * row_stride];
        }
      }
    }
  }
  MT_UNROLL for (size_t b = 0; b < blocks; b++) {
    MT_UNROLL for (size_t r = 0; r < rows; r++) STORE(output + b * output_stride + r * mt_lanes, sums[b][r]);
  }
}

#define MT_PRODUCT(name, rows, blocks, row_stride)                                                              \
  static __attribute__((noinline)) void MT_FOR(name)(                                                           \
      const float *left, const MT_FOR(places) * places, const float *weights, size_t weight_stride,             \
      const float *bias, float *output, size_t output_stride) {                                                 \
    MT_FOR(multiply)                                                                                            \
    (left, places, weights, weight_stride, bias, output, output_stride, rows, blocks, row_stride);              \
  }
MT_PRODUCT(product_one, MT_WIDE, 1, mt_lanes)
MT_PRODUCT(product_two, MT_NARROW, 2, mt_lanes)
MT_PRODUCT(image_product_one, MT_WIDE, 1, 1)
MT_PRODUCT(image_product_two, MT_NARROW, 2, 1)
MT_PRODUCT(product_short, 4, 1, mt_lanes)

// As `multiply`, for any number of rows and one block or two. Up to MT_WIDE - 1 rows more of the left side are read; more of
// the output is written only if `has_slack`.
static void MT_FOR(product)(
    const float *left, const MT_FOR(places) * places, const float *weights, size_t weight_stride, const float *bias,
    float *output, size_t output_stride, size_t rows, size_t blocks, int is_image, int has_slack) {
  size_t step = blocks > 1 ? MT_NARROW : MT_WIDE;
  size_t row_stride = is_image ? 1 : mt_lanes;
  for (size_t row = 0; row < rows; row += step) {
    const float *from = left + row * row_stride;
    float *to = output + row * mt_lanes;
    size_t left_over = rows - row;
    float spare[2 * MT_WIDE * mt_lanes] __attribute__((aligned(64)));
    int is_whole = left_over >= step || has_slack;
    float *target = is_whole ? to : spare;
    size_t target_stride = is_whole ? output_stride : MT_WIDE * mt_lanes;
    if (blocks > 1) {
      (is_image ? MT_FOR(image_product_two) : MT_FOR(product_two))(
          from, places, weights, weight_stride, bias, target, target_stride);
    } else if (!is_image && left_over <= 4) {
      MT_FOR(product_short)(from, places, weights, weight_stride, bias, target, target_stride);
    } else {
      (is_image ? MT_FOR(image_product_one) : MT_FOR(product_one))(
          from, places, weights, weight_stride, bias, target, target_stride);
    }
    if (is_whole) continue;
    for (size_t b = 0; b < blocks; b++) {
      memcpy(to + b * output_stride, spare + b * MT_WIDE * mt_lanes, left_over * mt_lanes * sizeof(float));
    }
  }
}

// How many values each block of the inputs has; returns the number of blocks.
static size_t MT_FOR(lanes_of)(const mt_convolution *c, uint8_t *lanes) {
  size_t count = 0;
  for (size_t i = 0; i < c->input_count; i++) {
    for (size_t done = 0; done < c->inputs[i].channels; done += mt_lanes) {
      size_t rest = c->inputs[i].channels - done;
      lanes[count++] = (uint8_t)(rest < mt_lanes ? rest : mt_lanes);
    }
  }
  return count;
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
  uint8_t lanes[mt_most_blocks];
  const size_t blocks = MT_FOR(lanes_of)(c, lanes);
  const size_t in_slice = region.tile_rows * region.tile_columns, rows = region.slices * in_slice;
  float *padded = scratch, *spread = padded + tiling.padded, *products = spread + points * tiling.point_stride;
  size_t place = 0, channels = 0;
  for (size_t i = 0; i < c->input_count; i++) {
    channels += c->inputs[i].channels;
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
  const MT_FOR(places) places = {
      .slices = c->kernel[0], .slice_stride = in_slice * mt_lanes, .count = blocks, .stride = tiling.block_stride,
      .lanes = lanes};
  const size_t block_weights = c->kernel[0] * channels * mt_lanes;
  for (size_t block = 0; block < c->output_blocks; block += MT_BLOCKS) {
    size_t pair = c->output_blocks - block < MT_BLOCKS ? 1 : MT_BLOCKS;
    for (size_t point = 0; point < points; point++) {
      MT_FOR(product)
      (spread + point * tiling.point_stride, &places, c->weights + (point * c->output_blocks + block) * block_weights,
       block_weights, NULL, products + point * tiling.product_stride, tiling.product_stride / 2, rows, pair, 0, 1);
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

// The voxels that the results `start` to `end` take in, kernel place by kernel place: (places, blocks, rows, 16).
static void MT_FOR(gather)(const mt_convolution *c, size_t start, size_t end, size_t blocks, size_t stride, float *to) {
  const size_t height = c->output_size[1], width = c->output_size[2];
  for (size_t kz = 0; kz < c->kernel[0]; kz++) {
    for (size_t ky = 0; ky < c->kernel[1]; ky++) {
      for (size_t kx = 0; kx < c->kernel[2]; kx++) {
        for (size_t i = 0; i < c->input_count; i++) {
          for (size_t block = 0; block * mt_lanes < c->inputs[i].channels; block++, to += stride) {
            MT_FOR(view) view = MT_FOR(view_of)(&c->inputs[i], block);
            float *target = to;
            for (size_t row = start; row < end;) {
              size_t x = row % width, y = row / width % height, z = row / width / height;
              size_t run = width - x < end - row ? width - x : end - row;
              ptrdiff_t from_z = (ptrdiff_t)(z * c->stride[0] + kz) - (ptrdiff_t)c->padding[0];
              ptrdiff_t from_y = (ptrdiff_t)(y * c->stride[1] + ky) - (ptrdiff_t)c->padding[1];
              row += run;
              if (from_z < 0 || from_z >= (ptrdiff_t)c->input_size[0] || from_y < 0
                  || from_y >= (ptrdiff_t)c->input_size[1]) {
                MT_FOR(clear)(run, target);
                target += run * mt_lanes;
                continue;
              }
              const float *line = c->inputs[i].values
                                  + ((block * c->input_size[0] + (size_t)from_z) * c->input_size[1] + (size_t)from_y)
                                        * c->input_size[2] * mt_lanes;
              for (; run > 0; run--, x++, target += mt_lanes) {
                ptrdiff_t from_x = (ptrdiff_t)(x * c->stride[2] + kx) - (ptrdiff_t)c->padding[2];
                if (from_x < 0 || from_x >= (ptrdiff_t)c->input_size[2]) {
                  STORE(target, (mt_vector){0});
                } else {
                  mt_vector value = LOAD(line + from_x * mt_lanes);
                  STORE(target, view.is_plain ? value : MT_FOR(seen)(value, &view));
                }
              }
            }
          }
        }
      }
    }
  }
}

// As `gather`, from an image: (channels, places, rows).
static void MT_FOR(gather_image)(const mt_convolution *c, size_t start, size_t end, size_t stride, float *to) {
  const size_t height = c->output_size[1], width = c->output_size[2];
  for (size_t channel = 0; channel < c->image_channels; channel++) {
    for (size_t kz = 0; kz < c->kernel[0]; kz++) {
      for (size_t ky = 0; ky < c->kernel[1]; ky++) {
        for (size_t kx = 0; kx < c->kernel[2]; kx++, to += stride) {
          float *target = to;
          for (size_t row = start; row < end;) {
            size_t x = row % width, y = row / width % height, z = row / width / height;
            size_t run = width - x < end - row ? width - x : end - row;
            ptrdiff_t from_z = (ptrdiff_t)(z * c->stride[0] + kz) - (ptrdiff_t)c->padding[0];
            ptrdiff_t from_y = (ptrdiff_t)(y * c->stride[1] + ky) - (ptrdiff_t)c->padding[1];
            row += run;
            int is_inside = from_z >= 0 && from_z < (ptrdiff_t)c->input_size[0] && from_y >= 0
                            && from_y < (ptrdiff_t)c->input_size[1];
            const float *line =
                is_inside ? c->image
                                + ((channel * c->input_size[0] + (size_t)from_z) * c->input_size[1] + (size_t)from_y)
                                      * c->input_size[2]
                          : NULL;
            for (; run > 0; run--, x++) {
              ptrdiff_t from_x = (ptrdiff_t)(x * c->stride[2] + kx) - (ptrdiff_t)c->padding[2];
              *target++ = is_inside && from_x >= 0 && from_x < (ptrdiff_t)c->input_size[2] ? line[from_x] : 0;
            }
          }
        }
      }
    }
  }
}

static void MT_FOR(run_rows)(const mt_convolution *c, size_t item, float *scratch) {
  const size_t voxels = c->output_size[0] * c->output_size[1] * c->output_size[2];
  const size_t start = item * c->item_rows, end = voxels - start < c->item_rows ? voxels : start + c->item_rows;
  const size_t kernel = c->kernel[0] * c->kernel[1] * c->kernel[2], row_slots = mt_row_slots(c);
  const int is_image = c->image != NULL;
  uint8_t lanes[mt_most_blocks];
  MT_FOR(places) places = {.slices = kernel, .lanes = lanes};
  size_t channels = 0;
  if (is_image) {
    places.slices = c->image_channels;
    places.count = kernel;
    places.stride = row_slots;
    places.slice_stride = kernel * row_slots;
    memset(lanes, 1, kernel);
    channels = c->image_channels;
    MT_FOR(gather_image)(c, start, end, row_slots, scratch);
  } else {
    places.count = MT_FOR(lanes_of)(c, lanes);
    places.stride = row_slots * mt_lanes;
    places.slice_stride = places.count * places.stride;
    for (size_t i = 0; i < c->input_count; i++) channels += c->inputs[i].channels;
    MT_FOR(gather)(c, start, end, places.count, places.stride, scratch);
  }
  const size_t block_weights = kernel * channels * mt_lanes;
  for (size_t block = 0; block < c->output_blocks; block += MT_BLOCKS) {
    size_t pair = c->output_blocks - block < MT_BLOCKS ? 1 : MT_BLOCKS;
    MT_FOR(product)
    (scratch, &places, c->weights + block * block_weights, block_weights,
     c->bias == NULL ? NULL : c->bias + block * mt_lanes, c->output + (block * voxels + start) * mt_lanes,
     voxels * mt_lanes, end - start, pair, is_image, 0);
    if (c->statistics == NULL) continue;
    for (size_t i = 0; i < pair; i++) {
      MT_FOR(moments) moments = {0};
      MT_FOR(gather_moments)(c->output + ((block + i) * voxels + start) * mt_lanes, end - start, &moments);
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
  uint8_t lanes[mt_most_blocks];
  MT_FOR(places) places = {
      .slices = 1, .count = MT_FOR(lanes_of)(c, lanes), .stride = row_slots * mt_lanes, .lanes = lanes};
  float *to = scratch, *products = scratch + places.count * places.stride;
  size_t channels = 0;
  for (size_t i = 0; i < c->input_count; i++) {
    channels += c->inputs[i].channels;
    for (size_t block = 0; block * mt_lanes < c->inputs[i].channels; block++, to += places.stride) {
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
           c->bias == NULL ? NULL : c->bias + block * mt_lanes, products, row_slots * mt_lanes, width, pair, 0, 1);
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
