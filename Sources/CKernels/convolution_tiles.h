// Winograd's method. Part of convolution_kernels.h.

// Results 2 or 4 of a kernel of 3 from 4 or 6 values: each step works on vectors `from` apart and writes them `to` apart.
MT_INLINE void MT_FOR(spread)(const mt_vector *d, size_t s, mt_vector *o, const size_t tile) {
  if (tile == 2) {
    o[0] = d[0] - d[2 * s];
    o[s] = d[s] + d[2 * s];
    o[2 * s] = d[2 * s] - d[s];
    o[3 * s] = d[s] - d[3 * s];
  } else {
    const float p = mt_inner_point, q = mt_outer_point;
    mt_vector even = d[4 * s] - 2 * d[2 * s], odd = d[3 * s] - 2 * d[s];
    mt_vector even2 = d[4 * s] - 0.5f * d[2 * s], odd2 = d[3 * s] - 0.5f * d[s];
    mt_vector first = d[4 * s] - 2.5f * d[2 * s] + d[0], last = d[5 * s] - 2.5f * d[3 * s] + d[s];
    o[0] = first;
    o[s] = even + p * odd;
    o[2 * s] = even - p * odd;
    o[3 * s] = even2 + q * odd2;
    o[4 * s] = even2 - q * odd2;
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
    const float p = mt_inner_point, q = mt_outer_point;
    o[to] = p * difference + q * difference2;
    o[2 * to] = 0.5f * sum + 2 * sum2;
    o[3 * to] = 0.5f * p * difference + (2 * q * difference2 + m[5 * from]);
  }
}

// The points of a tile in padded rows, `columns` wide.
MT_INLINE void MT_FOR(points_of)(const float *from, size_t columns, mt_vector *a, const size_t tile) {
  const size_t n = tile + 2;
  mt_vector b[36];
  MT_UNROLL for (size_t i = 0; i < n; i++) {
    MT_UNROLL for (size_t j = 0; j < n; j++) a[i * n + j] = LOAD(from + (i * columns + j) * mt_lanes);
  }
  MT_UNROLL for (size_t j = 0; j < n; j++) MT_FOR(spread)(a + j, n, b + j, tile);
  MT_UNROLL for (size_t i = 0; i < n; i++) MT_FOR(spread)(b + i * n, 1, a + i * n, tile);
}

// Tiles of padded rows, `columns` wide, to points `stride` apart.
MT_INLINE void MT_FOR(spread_tiles)(
    const float *rows, size_t columns, size_t tile_rows, size_t tile_columns, MT_FOR(point) *points, size_t stride,
    const size_t tile) {
  const size_t n = tile + 2;
  for (size_t row = 0; row < tile_rows; row++) {
    for (size_t column = 0; column < tile_columns; column++, points += mt_lanes) {
      mt_vector a[36];
      MT_FOR(points_of)(rows + (row * tile * columns + column * tile) * mt_lanes, columns, a, tile);
      MT_UNROLL for (size_t i = 0; i < n * n; i++) MT_FOR(store_points)(points + i * stride, a[i]);
    }
  }
}

// The results of one block from its points, with their statistics.
MT_INLINE void MT_FOR(collect_tiles)(
    const mt_convolution *c, const mt_region *region, const float *points, size_t stride, size_t block,
    MT_FOR(moments) * moments, const size_t tile) {
  const size_t n = tile + 2, height = c->output_size[1], width = c->output_size[2];
  const mt_vector bias = c->bias == NULL ? (mt_vector){0} : LOAD(c->bias + block * mt_lanes);
  const mt_strides strides = c->output_strides;
  float *output = c->output + block * strides.block;
  for (size_t slice = 0; slice < region->slices; slice++) {
    for (size_t row = 0; row < region->tile_rows; row++) {
      for (size_t column = 0; column < region->tile_columns; column++, points += mt_lanes) {
        mt_vector a[36], b[24];
        MT_UNROLL for (size_t i = 0; i < n * n; i++) a[i] = LOAD(points + i * stride);
        MT_UNROLL for (size_t j = 0; j < n; j++) MT_FOR(collect)(a + j, n, b + j, n, tile);
        MT_UNROLL for (size_t i = 0; i < tile; i++) MT_FOR(collect)(b + i * n, 1, a + i * tile, 1, tile);
        size_t y = region->y + row * tile, x = column * tile;
        size_t rows = height - y < tile ? height - y : tile, columns = width - x < tile ? width - x : tile;
        float *to = output + (region->z + slice) * strides.z + y * strides.y + x * strides.x;
        if (moments->count == 0) moments->center = a[0] + bias;
        moments->count += rows * columns;
        mt_vector sum = {0}, squares = {0};
        if (rows == tile && columns == tile && region->goes_to_memory) {
          MT_UNROLL for (size_t i = 0; i < tile; i++) {
            MT_UNROLL for (size_t j = 0; j < tile; j++) {
              mt_vector value = a[i * tile + j] + bias;
              __builtin_nontemporal_store(value, (mt_vector *)(to + i * strides.y + j * strides.x));
              MT_FOR(count_in)(value, moments, &sum, &squares);
            }
          }
        } else {
          for (size_t i = 0; i < rows; i++) {
            for (size_t j = 0; j < columns; j++) {
              mt_vector value = a[i * tile + j] + bias;
              STORE(to + i * strides.y + j * strides.x, value);
              MT_FOR(count_in)(value, moments, &sum, &squares);
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
      const float *rows, size_t columns, size_t tile_rows, size_t tile_columns, MT_FOR(point) *points,              \
      size_t stride) {                                                                                              \
    MT_FOR(spread_tiles)(rows, columns, tile_rows, tile_columns, points, stride, tile);                             \
  }                                                                                                                 \
  static __attribute__((noinline)) void MT_FOR(collect_tiles_##tile)(                                               \
      const mt_convolution *c, const mt_region *region, const float *points, size_t stride, size_t block,           \
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
  const mt_strides strides = features->strides;
  MT_FOR(view) view = MT_FOR(view_of)(features, block);
  size_t seen = width < columns - 1 ? width : columns - 1;
  for (size_t row = 0; row < rows; row++, y++, to += columns * mt_lanes) {
    if (z < 0 || z >= (ptrdiff_t)c->input_size[0] || y < 0 || y >= (ptrdiff_t)height) {
      MT_FOR(clear)(columns, to);
      continue;
    }
    MT_FOR(clear)(1, to);
    const float *from = features->values + block * strides.block + (size_t)z * strides.z + (size_t)y * strides.y;
    MT_FOR(copy)(from, strides.x, seen, &view, to + mt_lanes);
    MT_FOR(clear)(columns - 1 - seen, to + (1 + seen) * mt_lanes);
  }
}

static void MT_FOR(run_tiles)(const mt_convolution *c, size_t item, float *scratch) {
  const mt_tiling tiling = mt_tiling_of(c);
  const size_t tile = c->tile, points = (tile + 2) * (tile + 2);
  mt_region region = {
      .z = item / tiling.strips * c->item_slices,
      .y = item % tiling.strips * c->item_rows * tile,
      .tile_columns = tiling.tile_columns,
      .goes_to_memory = mt_goes_to_memory(c)};
  region.slices = c->output_size[0] - region.z < c->item_slices ? c->output_size[0] - region.z : c->item_slices;
  size_t tile_rows_left = (c->output_size[1] - region.y + tile - 1) / tile;
  region.tile_rows = tile_rows_left < c->item_rows ? tile_rows_left : c->item_rows;
  const size_t in_slice = region.tile_rows * region.tile_columns, rows = region.slices * in_slice;
  float *padded = scratch, *products = padded + tiling.padded;
  MT_FOR(point) *spread = (MT_FOR(point) *)(products + points * tiling.product_stride);
  size_t place = 0;
  for (size_t i = 0; i < c->input_count; i++) {
    for (size_t block = 0; block * mt_lanes < c->inputs[i].channels; block++, place++) {
      for (size_t slice = 0; slice < region.slices + c->kernel[0] - 1; slice++) {
        MT_FOR(pad_rows)
        (c, &c->inputs[i], block, (ptrdiff_t)(region.z + slice) - c->padding[0], (ptrdiff_t)region.y - 1,
         region.tile_rows * tile + 2, tiling.padded_columns, padded);
        MT_FOR(point) *to = spread + place * tiling.block_stride + slice * in_slice * mt_lanes;
        (tile == 2 ? MT_FOR(spread_tiles_2) : MT_FOR(spread_tiles_4))(
            padded, tiling.padded_columns, region.tile_rows, region.tile_columns, to, tiling.point_stride);
      }
    }
  }
  mt_places places;
  places.count = 0;
  size_t values = 0;
  for (size_t slice = 0; slice < c->kernel[0]; slice++) {
    values = MT_FOR(add_places)(c, slice * in_slice * mt_lanes, tiling.block_stride, &places);
  }
  const size_t block_weights = c->kernel[0] * values * mt_lanes;
  const MT_FOR(point) *weights = c->weights;
  for (size_t block = 0; block < c->output_blocks; block += MT_BLOCKS) {
    size_t pair = c->output_blocks - block < MT_BLOCKS ? 1 : MT_BLOCKS;
    for (size_t point = 0; point < points; point++) {
      MT_FOR(product)
      (spread + point * tiling.point_stride, &places, weights + (point * c->output_blocks + block) * block_weights,
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
  if (region.goes_to_memory) mt_order_memory();
}
