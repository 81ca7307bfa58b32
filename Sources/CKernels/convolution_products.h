// Products of rows and weights in registers. Part of convolution_kernels.h.

// output[block][row] += the sum over places `from` to `to` and their lanes of left[place][row][lane] *
// weights[block][place, lane], for `rows` rows and `blocks` blocks, all of which stay in registers. The first places begin
// with the bias.
MT_INLINE void MT_FOR(multiply)(
    const float *left, const mt_places *places, size_t from, size_t to, const float *weights, size_t weight_stride,
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
      const float *left, const mt_places *places, size_t from, size_t to, const float *weights,             \
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
    const float *left, const mt_places *places, const float *weights, size_t weight_stride, const float *bias,
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
static size_t MT_FOR(add_places)(const mt_convolution *c, size_t offset, size_t stride, mt_places *places) {
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
