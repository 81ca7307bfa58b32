#include <math.h>

#include "kernels_activations.h"

void mt_softmax(const float *logits, float *result, size_t channels, size_t stride, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float largest = logits[i];
    for (size_t c = 1; c < channels; c++) {
      float value = logits[c * stride + i];
      if (value > largest) largest = value;
    }
    float sum = 0;
    for (size_t c = 0; c < channels; c++) {
      float value = expf(logits[c * stride + i] - largest);
      result[c * stride + i] = value;
      sum += value;
    }
    for (size_t c = 0; c < channels; c++) result[c * stride + i] /= sum;
  }
}

void mt_centered_sigmoid(const float *logits, float *result, size_t channels, size_t stride, size_t count) {
  for (size_t c = 0; c < channels; c++) {
    const float *from = logits + c * stride;
    float *to = result + c * stride;
    // 1 / (1 + exp(-x)) - 1/2, exact where x is small.
    for (size_t i = 0; i < count; i++) to[i] = 0.5f * tanhf(0.5f * from[i]);
  }
}
