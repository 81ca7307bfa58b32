// What networks do besides convolutions. Part of convolution_kernels.h.

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
      MT_FOR(copy)(input->values + (block * voxels + v) * mt_lanes, mt_lanes, count, &view, square);
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
