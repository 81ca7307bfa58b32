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

/// What the head makes of a block of voxels, or of the fewer ones of a short row, added from voxel `x` of the row on.
///
/// - skipped: how many voxels at the block's beginning count for nothing.
/// - width: the row's.
ALWAYS_INLINE void accumulate_block(
    uint16_t *sums, ptrdiff_t sum_stride, const mt_head *head, const float *features, ptrdiff_t stride,
    const uint16_t *importance, size_t x, size_t skipped, size_t width, float scale) {
  float logits[classes][block] __attribute__((aligned(64)));
  size_t count = width - x < block ? width - x : block;
  for (size_t k = 0; k < head->outputs; k += classes) {
    size_t some = head->outputs - k < classes ? head->outputs - k : classes;
    const float *weights = head->weights + k * head->inputs;
    if (width < block) {
      multiply_few(logits, some, weights, features, stride, head->inputs, width);
    } else if (some == classes) {
      multiply(logits, classes, weights, features, stride, head->inputs);
    } else {
      multiply(logits, some, weights, features, stride, head->inputs);
    }
    for (size_t j = 0; j < some; j++) {
      accumulate(
          sums + (ptrdiff_t)(k + j) * sum_stride + x, logits[j] + skipped, importance + x, scale, head->bias[k + j],
          count);
    }
  }
}

/// Where the block that does voxel `x` and those after it begins: the last one of a row reaches back over voxels that are
/// done.
ALWAYS_INLINE size_t block_start(size_t x, size_t width) {
  return width - x >= block || width < block ? x : width - block;
}

MT_MULTIVERSION
void mt_accumulate_head_row(
    uint16_t *sums, ptrdiff_t sum_stride, const mt_head *head, const float *features, ptrdiff_t feature_stride,
    const uint16_t *importance, size_t width, float scale) {
  for (size_t x = 0; x < width; x += block) {
    size_t first = block_start(x, width);
    accumulate_block(
        sums, sum_stride, head, features + first, feature_stride, importance, x, x - first, width, scale);
  }
}

/// A step of a transposition: in every square of 2 d rows and columns, the quarters beside the diagonal change places.
#define SWAP(d)                                                                                                       \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i++) {                                                   \
    if (i & d) continue;                                                                                              \
    lanes a = rows[i], b = rows[i + d];                                                                               \
    rows[i] = __builtin_shufflevector(a, b, LOW(d, 0), LOW(d, 1), LOW(d, 2), LOW(d, 3), LOW(d, 4), LOW(d, 5),         \
                                      LOW(d, 6), LOW(d, 7), LOW(d, 8), LOW(d, 9), LOW(d, 10), LOW(d, 11), LOW(d, 12), \
                                      LOW(d, 13), LOW(d, 14), LOW(d, 15));                                            \
    rows[i + d] = __builtin_shufflevector(a, b, HIGH(d, 0), HIGH(d, 1), HIGH(d, 2), HIGH(d, 3), HIGH(d, 4),           \
                                          HIGH(d, 5), HIGH(d, 6), HIGH(d, 7), HIGH(d, 8), HIGH(d, 9), HIGH(d, 10),    \
                                          HIGH(d, 11), HIGH(d, 12), HIGH(d, 13), HIGH(d, 14), HIGH(d, 15));           \
  }
#define LOW(d, lane) ((lane) & (d) ? 16 + (lane) - (d) : (lane))
#define HIGH(d, lane) ((lane) & (d) ? 16 + (lane) : (lane) + (d))

/// packed[c][x] = features[x][c] for 16 features of 16 voxels.
ALWAYS_INLINE void transpose(float (*packed)[block], const float *features, size_t channels) {
  lanes rows[16];
#pragma clang loop unroll(full)
  for (int x = 0; x < 16; x++) rows[x] = *(const lanes *)(features + (size_t)x * channels);
  SWAP(8)
  SWAP(4)
  SWAP(2)
  SWAP(1)
#pragma clang loop unroll(full)
  for (int c = 0; c < 16; c++) *(lanes *)packed[c] = rows[c];
}

MT_MULTIVERSION
void mt_accumulate_head_row_of_voxels(
    uint16_t *sums, ptrdiff_t sum_stride, const mt_head *head, const float *features, const uint16_t *importance,
    size_t width, float scale) {
  float packed[MT_HEAD_FEATURES][block] __attribute__((aligned(64)));
  size_t channels = head->inputs;
  for (size_t x = 0; x < width; x += block) {
    size_t first = block_start(x, width);
    const float *voxels = features + first * channels;
    if (width < block || channels < 16) {
      size_t count = width < block ? width : block;
      for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < count; i++) packed[c][i] = voxels[i * channels + c];
      }
    } else {
      for (size_t c = 0; c < channels; c += 16) {
        // The last features of a number that is no multiple of 16 are taken together with some that are there already.
        size_t from = c + 16 <= channels ? c : channels - 16;
        for (size_t i = 0; i < block; i += 16) {
          transpose((float (*)[block])(packed[from] + i), voxels + i * channels + from, channels);
        }
      }
    }
    accumulate_block(sums, sum_stride, head, packed[0], block, importance, x, x - first, width, scale);
  }
}
