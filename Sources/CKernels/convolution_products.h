// Products of rows and weights in registers. Part of convolution_kernels.h.

// output[block][row] += the sum over places `from` to `to` and their lanes of left[place][row][lane] *
// weights[block][place, lane], for `rows` rows and `blocks` blocks, all of which stay in registers. The first places begin
// with the bias.
MT_INLINE void MT_FOR(multiply)(
    const MT_FOR(point) *left, const mt_places *places, size_t from, size_t to, const MT_FOR(point) *weights,
    size_t weight_stride, const float *bias, float *output, size_t output_stride, const size_t rows, const size_t blocks,
    const size_t row_stride) {
  mt_vector sums[2][MT_WIDE];
  MT_UNROLL for (size_t b = 0; b < blocks; b++) {
    mt_vector first = bias == NULL ? (mt_vector){0} : LOAD(bias + b * mt_lanes);
    MT_UNROLL for (size_t r = 0; r < rows; r++) {
      sums[b][r] = from == 0 ? first : LOAD(output + b * output_stride + r * mt_lanes);
    }
  }
  for (size_t place = from; place < to; place++) {
    const MT_FOR(point) *values = left + places->offsets[place];
    for (size_t lane = 0; lane < places->lanes[place]; lane += MT_STEP) {
      mt_vector first = *(const mt_vector *)weights, second = first;
      if (blocks > 1) second = *(const mt_vector *)(weights + weight_stride);
      MT_UNROLL for (size_t r = 0; r < rows; r++) {
        sums[0][r] = MT_FOR(multiply_add)(sums[0][r], first, values + r * row_stride);
        if (blocks > 1) sums[1][r] = MT_FOR(multiply_add)(sums[1][r], second, values + r * row_stride);
      }
      values += MT_STEP;
      weights += MT_STEP * mt_lanes;
    }
  }
  MT_UNROLL for (size_t b = 0; b < blocks; b++) {
    MT_UNROLL for (size_t r = 0; r < rows; r++) STORE(output + b * output_stride + r * mt_lanes, sums[b][r]);
  }
}

#define MT_PRODUCT(name, rows, blocks, row_stride)                                                                \
  static __attribute__((noinline)) void MT_FOR(name)(                                                             \
      const MT_FOR(point) *left, const mt_places *places, size_t from, size_t to, const MT_FOR(point) *weights,   \
      size_t weight_stride, const float *bias, float *output, size_t output_stride) {                             \
    MT_FOR(multiply)                                                                                              \
    (left, places, from, to, weights, weight_stride, bias, output, output_stride, rows, blocks, row_stride);      \
  }
MT_PRODUCT(product_one, MT_WIDE, 1, mt_lanes)
MT_PRODUCT(product_two, MT_NARROW, 2, mt_lanes)
MT_PRODUCT(product_short, 4, 1, mt_lanes)
#if MT_STEP == 1
MT_PRODUCT(image_product_one, MT_WIDE, 1, 1)
MT_PRODUCT(image_product_two, MT_NARROW, 2, 1)
#endif

// As `multiply`, for any number of rows and one block or two, over all places. Up to MT_WIDE - 1 rows more are read and
// written.
static void MT_FOR(product)(
    const MT_FOR(point) *left, const mt_places *places, const MT_FOR(point) *weights, size_t weight_stride,
    const float *bias, float *output, size_t output_stride, size_t rows, size_t blocks, int is_image) {
  const size_t step = blocks > 1 ? MT_NARROW : MT_WIDE, row_stride = is_image ? 1 : mt_lanes;
  void (*of_step)(
      const MT_FOR(point) *, const mt_places *, size_t, size_t, const MT_FOR(point) *, size_t, const float *, float *,
      size_t) = blocks > 1 ? MT_FOR(product_two) : MT_FOR(product_one);
#if MT_STEP == 1
  if (is_image) of_step = blocks > 1 ? MT_FOR(image_product_two) : MT_FOR(image_product_one);
#endif
  for (size_t from = 0, to; from < places->count; from = to) {
    // As many weights as fit into the smallest cache beside the rows: every row meets all of them.
    size_t values = 0;
    for (to = from; to < places->count && values < mt_values_at_once * MT_STEP; to++) values += places->lanes[to];
    for (size_t row = 0; row < rows; row += step) {
      const int is_short = blocks == 1 && !is_image && rows - row <= 4;
      (is_short ? MT_FOR(product_short) : of_step)(
          left + row * row_stride, places, from, to, weights, weight_stride, bias, output + row * mt_lanes,
          output_stride);
    }
    weights += values * mt_lanes;
  }
}

// Adds a place for each block of the inputs, `stride` apart; returns the number of values that are multiplied.
static size_t MT_FOR(add_places)(const mt_convolution *c, size_t offset, size_t stride, mt_places *places) {
  size_t values = 0;
  for (size_t i = 0; i < c->input_count; i++) {
    for (size_t done = 0; done < c->inputs[i].channels; done += mt_lanes, offset += stride) {
      size_t rest = c->inputs[i].channels - done, lanes = rest < mt_lanes ? rest : mt_lanes;
      lanes = (lanes + MT_STEP - 1) / MT_STEP * MT_STEP;
      values += lanes;
      places->lanes[places->count] = (uint8_t)lanes;
      places->offsets[places->count++] = (uint32_t)offset;
    }
  }
  return values;
}
