// The last layer of a network with many classes, a pointwise convolution, together with the accumulation of its result.
//
// The logits of a patch are never stored: of 118 classes they would be the largest array of all.
#include "dispatch.h"
#include "kernels_logits.h"

typedef _Float16 half;
typedef float lanes __attribute__((vector_size(64), aligned(4)));

enum {
  // Voxels of a row that are done together: two of the widest registers.
  block = 32,
  half_block = block / 2,
  // Classes that are done together; with two registers each they leave enough for features and weights.
  classes = 6,
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/// logits[k][x] = the sum of weights[k][c] * features[c][x] over all c, for `count` classes and a block of voxels.
ALWAYS_INLINE void multiply(
    float (*logits)[block], size_t count, const float *weights, const float *features, ptrdiff_t stride,
    size_t channels) {
#pragma STDC FP_CONTRACT ON
  lanes low[classes], high[classes];
  for (size_t k = 0; k < count; k++) low[k] = high[k] = (lanes){0};
  for (size_t c = 0; c < channels; c++) {
    lanes a = *(const lanes *)(features + (ptrdiff_t)c * stride);
    lanes b = *(const lanes *)(features + (ptrdiff_t)c * stride + half_block);
    for (size_t k = 0; k < count; k++) {
      float weight = weights[k * channels + c];
      low[k] = low[k] + weight * a;
      high[k] = high[k] + weight * b;
    }
  }
  for (size_t k = 0; k < count; k++) {
    *(lanes *)logits[k] = low[k];
    *(lanes *)(logits[k] + half_block) = high[k];
  }
}

/// The same for any number of voxels.
ALWAYS_INLINE void multiply_few(
    float (*logits)[block], size_t count, const float *weights, const float *features, ptrdiff_t stride,
    size_t channels, size_t width) {
#pragma STDC FP_CONTRACT ON
  for (size_t k = 0; k < count; k++) {
    for (size_t x = 0; x < width; x++) {
      float sum = 0;
      for (size_t c = 0; c < channels; c++) sum = sum + weights[k * channels + c] * features[(ptrdiff_t)c * stride + x];
      logits[k][x] = sum;
    }
  }
}

ALWAYS_INLINE void accumulate(
    uint16_t *sum, const float *logits, const uint16_t *importance, float scale, float bias, size_t count) {
#pragma STDC FP_CONTRACT OFF
  half *restrict total = (half *)sum;
  const half *restrict share = (const half *)importance;
  for (size_t i = 0; i < count; i++) {
    float product = (logits[i] * scale + bias) * (float)share[i];
    total[i] = (half)((float)total[i] + product);
  }
}

MT_MULTIVERSION
void mt_accumulate_head_row(
    uint16_t *sums, ptrdiff_t sum_stride, const mt_head *head, const float *features, ptrdiff_t feature_stride,
    const uint16_t *importance, size_t width, float scale) {
  float logits[classes][block] __attribute__((aligned(64)));
  for (size_t x = 0; x < width; x += block) {
    // The last block of a row reaches back over voxels that are done, and counts for the others only.
    size_t first = width - x >= block || width < block ? x : width - block;
    size_t count = width - x < block ? width - x : block;
    for (size_t k = 0; k < head->outputs; k += classes) {
      size_t some = head->outputs - k < classes ? head->outputs - k : classes;
      const float *weights = head->weights + k * head->inputs;
      if (width < block) {
        multiply_few(logits, some, weights, features, feature_stride, head->inputs, width);
      } else if (some == classes) {
        multiply(logits, classes, weights, features + first, feature_stride, head->inputs);
      } else {
        multiply(logits, some, weights, features + first, feature_stride, head->inputs);
      }
      for (size_t j = 0; j < some; j++) {
        accumulate(
            sums + (ptrdiff_t)(k + j) * sum_stride + x, logits[j] + (x - first), importance + x, scale,
            head->bias[k + j], count);
      }
    }
  }
}
