// The gradient of weights, as a sum of outer products. Part of convolution_kernels.h.

// A of 4 results: what the points of a tile are multiplied by, so that a gradient of results becomes one of products.
MT_INLINE void MT_FOR(widen)(const mt_vector *d, size_t from, mt_vector *o, size_t to) {
  const float p = mt_inner_point, q = mt_outer_point;
  mt_vector even = d[0] + 0.5f * d[2 * from], odd = d[from] + 0.5f * d[3 * from];
  mt_vector even2 = d[0] + 2 * d[2 * from], odd2 = d[from] + 2 * d[3 * from];
  o[0] = d[0];
  o[to] = even + p * odd;
  o[2 * to] = even - p * odd;
  o[3 * to] = even2 + q * odd2;
  o[4 * to] = even2 - q * odd2;
  o[5 * to] = d[3 * from];
}

// The points of a tile of a result's gradient in padded rows, `columns` wide.
MT_INLINE void MT_FOR(gradient_points_of)(const float *from, size_t columns, mt_vector *a) {
  mt_vector d[16], b[24];
  MT_UNROLL for (size_t i = 0; i < 4; i++) {
    MT_UNROLL for (size_t j = 0; j < 4; j++) d[i * 4 + j] = LOAD(from + (i * columns + j) * mt_lanes);
  }
  MT_UNROLL for (size_t j = 0; j < 4; j++) MT_FOR(widen)(d + j, 4, b + j, 4);
  MT_UNROLL for (size_t i = 0; i < 6; i++) MT_FOR(widen)(b + i * 4, 1, a + i * 6, 1);
}

// MT_STEP vectors side by side, value by value: the sum of products runs over them.
MT_INLINE void MT_FOR(store_step)(MT_FOR(point) *to, mt_vector first, mt_vector second) {
#if MT_STEP == 1
  STORE(to, first);
#elif MT_BF16_UNIT
  const __m512i order = _mm512_set_epi16(
      31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16,
      0);
  __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
  *(__m512i *)to = _mm512_permutexvar_epi16(order, both);
#else
  mt_words low = (mt_words)first, high = (mt_words)second;
  low += 0x7fff + (low >> 16 & 1);
  high += 0x7fff + (high >> 16 & 1);
  *(mt_words *)to = low >> 16 | (high & 0xffff0000);
#endif
}

// The tiles of a slice to points `stride` apart, MT_STEP tiles side by side; zeros after the last one.
#define MT_SPREAD_STEPS(name, points_of, step)                                                                        \
  static __attribute__((noinline)) void MT_FOR(name)(                                                                 \
      const float *rows, size_t columns, size_t tile_rows, size_t tile_columns, MT_FOR(point) *points,                \
      size_t stride) {                                                                                                \
    mt_vector a[2][36];                                                                                               \
    size_t filled = 0;                                                                                                \
    for (size_t row = 0; row < tile_rows; row++) {                                                                    \
      for (size_t column = 0; column < tile_columns; column++) {                                                      \
        points_of(rows + (row * 4 * columns + column * 4) * mt_lanes, columns, a[filled]);                            \
        if (++filled < MT_STEP) continue;                                                                             \
        MT_UNROLL for (size_t i = 0; i < 36; i++) MT_FOR(store_step)(points + i * stride, a[0][i], a[MT_STEP - 1][i]); \
        points += MT_STEP * mt_lanes;                                                                                 \
        filled = 0;                                                                                                   \
      }                                                                                                               \
    }                                                                                                                 \
    if (filled == 0) return;                                                                                          \
    MT_UNROLL for (size_t i = 0; i < 36; i++) MT_FOR(store_step)(points + i * stride, a[0][i], (mt_vector){0});       \
  }
#define MT_INPUT_POINTS(from, columns, a) MT_FOR(points_of)(from, columns, a, 4)
MT_SPREAD_STEPS(spread_input_steps, MT_INPUT_POINTS, MT_STEP)
MT_SPREAD_STEPS(spread_gradient_steps, MT_FOR(gradient_points_of), MT_STEP)

// sums[channel][16] += the sum over rows of left[row][channel] * right[row][16], for MT_OUTER channels.
static __attribute__((noinline)) void MT_FOR(outer_product)(
    const MT_FOR(point) *left, const MT_FOR(point) *right, size_t rows, float *sums) {
  mt_vector all[MT_OUTER];
  MT_UNROLL for (size_t i = 0; i < MT_OUTER; i++) all[i] = LOAD(sums + i * mt_lanes);
  for (size_t row = 0; row < rows; row += MT_STEP) {
    mt_vector values = *(const mt_vector *)(right + row * mt_lanes);
    MT_UNROLL for (size_t i = 0; i < MT_OUTER; i++) {
      all[i] = MT_FOR(multiply_add)(all[i], values, left + row * mt_lanes + i * MT_STEP);
    }
  }
  MT_UNROLL for (size_t i = 0; i < MT_OUTER; i++) STORE(sums + i * mt_lanes, all[i]);
}

static void MT_FOR(tile_gradient_run)(
    const mt_convolution *c, const mt_features *gradient, size_t item, float *scratch, float *sums) {
  const mt_gradient_tiling tiling = mt_gradient_tiling_of(c);
  const size_t z = item / tiling.forward.strips * c->item_slices;
  const size_t y = item % tiling.forward.strips * c->item_rows * 4;
  const size_t slices = c->output_size[0] - z < c->item_slices ? c->output_size[0] - z : c->item_slices;
  const size_t tile_rows_left = (c->output_size[1] - y + 3) / 4;
  const size_t tile_rows = tile_rows_left < c->item_rows ? tile_rows_left : c->item_rows;
  const size_t tile_columns = tiling.forward.tile_columns, depth = c->kernel[0];
  // Whole steps, so that a shift by slices is one by steps.
  const size_t in_slice = (tile_rows * tile_columns + MT_STEP - 1) / MT_STEP * MT_STEP;
  float *padded = scratch;
  MT_FOR(point) *inputs = (MT_FOR(point) *)(scratch + tiling.forward.padded);
  MT_FOR(point) *gradients = inputs + 36 * tiling.input_stride;
  for (size_t block = 0; block < tiling.input_blocks; block++) {
    for (size_t slice = 0; slice < slices + depth - 1; slice++) {
      MT_FOR(pad_rows)
      (c, c->inputs, block, (ptrdiff_t)(z + slice) - c->padding[0], (ptrdiff_t)y - 1, tile_rows * 4 + 2,
       tiling.forward.padded_columns, padded);
      MT_FOR(spread_input_steps)
      (padded, tiling.forward.padded_columns, tile_rows, tile_columns,
       inputs + (block * tiling.input_rows + slice * in_slice) * mt_lanes, tiling.input_stride);
    }
  }
  for (size_t block = 0; block < c->output_blocks; block++) {
    for (size_t slice = 0; slice < slices; slice++) {
      // Padded as an input is; tiles without the border begin one row and one column further.
      MT_FOR(pad_rows)
      (c, gradient, block, (ptrdiff_t)(z + slice), (ptrdiff_t)y - 1, tile_rows * 4 + 2, tiling.forward.padded_columns,
       padded);
      MT_FOR(spread_gradient_steps)
      (padded + (tiling.forward.padded_columns + 1) * mt_lanes, tiling.forward.padded_columns, tile_rows, tile_columns,
       gradients + (block * tiling.gradient_rows + slice * in_slice) * mt_lanes, tiling.gradient_stride);
    }
  }
  for (size_t in = 0; in < tiling.input_blocks; in++) {
    for (size_t point = 0; point < 36; point++) {
      const MT_FOR(point) *left = inputs + point * tiling.input_stride + in * tiling.input_rows * mt_lanes;
      const MT_FOR(point) *right = gradients + point * tiling.gradient_stride;
      for (size_t out = 0; out < c->output_blocks; out++, right += tiling.gradient_rows * mt_lanes) {
        for (size_t kz = 0; kz < depth; kz++) {
          for (size_t lane = 0; lane < mt_lanes; lane += MT_OUTER, sums += MT_OUTER * mt_lanes) {
            MT_FOR(outer_product)
            (left + kz * in_slice * mt_lanes + lane * MT_STEP, right, slices * in_slice, sums);
          }
        }
      }
    }
  }
}

#if MT_STEP == 1
// sums[place][16] += the sum over rows of left[offset of the place + row] * right[row][16], for so many places.
#define MT_IMAGE_PRODUCT(name, count)                                                                              \
  static __attribute__((noinline)) void MT_FOR(name)(                                                              \
      const float *left, const uint32_t *offsets, const float *right, size_t rows, float *sums) {                  \
    mt_vector all[count];                                                                                          \
    MT_UNROLL for (size_t i = 0; i < count; i++) all[i] = LOAD(sums + i * mt_lanes);                               \
    for (size_t row = 0; row < rows; row++) {                                                                      \
      mt_vector values = LOAD(right + row * mt_lanes);                                                             \
      MT_UNROLL for (size_t i = 0; i < count; i++) all[i] += values * left[offsets[i] + row];                      \
    }                                                                                                              \
    MT_UNROLL for (size_t i = 0; i < count; i++) STORE(sums + i * mt_lanes, all[i]);                               \
  }
MT_IMAGE_PRODUCT(image_products, 9)
MT_IMAGE_PRODUCT(image_product, 1)
#undef MT_IMAGE_PRODUCT

static void MT_FOR(row_gradient_run)(
    const mt_convolution *c, const mt_features *gradient, size_t item, float *scratch, float *sums) {
  const mt_phases phases = mt_phases_of(c);
  const mt_row_region region = mt_row_region_of(c, &phases, item);
  const mt_strides strides = gradient->strides;
  float *sorted = scratch, *gradients = scratch + phases.values;
  MT_FOR(sort)(c, &phases, region.z, region.y, sorted);
  mt_places places;
  MT_FOR(add_kernel_places)(c, &phases, &places);
  for (size_t block = 0; block < c->output_blocks; block++) {
    const MT_FOR(view) view = MT_FOR(view_of)(gradient, block);
    float *to = gradients + block * phases.product_stride;
    // Rows that belong to no line count for nothing.
    MT_FOR(clear)(region.rows, to);
    for (size_t slice = 0; slice < region.slices; slice++) {
      for (size_t line = 0; line < region.lines; line++) {
        const float *from = gradient->values + block * strides.block + (region.z + slice) * strides.z
                            + (region.y + line) * strides.y;
        MT_FOR(copy)
        (from, strides.x, c->output_size[2], &view,
         to + (slice * phases.size[1] + line) * phases.size[2] * mt_lanes);
      }
    }
  }
  for (size_t out = 0; out < c->output_blocks; out++) {
    const float *right = gradients + out * phases.product_stride;
    for (size_t place = 0; place < places.count;) {
      if (c->image_channels == 0) {
        for (size_t lane = 0; lane < mt_lanes; lane += MT_OUTER, sums += MT_OUTER * mt_lanes) {
          MT_FOR(outer_product)(sorted + places.offsets[place] + lane, right, region.rows, sums);
        }
        place++;
      } else {
        const size_t some = places.count - place < 9 ? 1 : 9;
        (some == 9 ? MT_FOR(image_products) : MT_FOR(image_product))(
            sorted, places.offsets + place, right, region.rows, sums);
        place += some;
        sums += some * mt_lanes;
      }
    }
  }
}
#endif

#undef MT_SPREAD_STEPS
#undef MT_INPUT_POINTS
