// Convolutions of one voxel to a few channels, as networks have in front of their answers, with channels last.
#include "dispatch.h"
#include "kernels_pointwise.h"

typedef float lanes __attribute__((vector_size(64), aligned(4)));

enum {
  width = 16,
  // Outputs that are done together.
  most = 16,
  // Voxels whose products are added up before they are added to the sums.
  block = 256,
};

#define LOAD(x) (*(const lanes *)(x))

MT_MULTIVERSION
void mt_pointwise(
    const float *x, const float *weights, const float *bias, float *y, size_t voxels, size_t channels, size_t outputs) {
  for (size_t v = 0; v < voxels; v++, x += channels, y += outputs) {
    for (size_t k = 0; k < outputs; k++) {
      lanes products = {0};
      for (size_t c = 0; c < channels; c += width) products += LOAD(x + c) * LOAD(weights + k * channels + c);
      float sum = bias ? bias[k] : 0;
      for (int i = 0; i < width; i++) sum += products[i];
      y[k] = sum;
    }
  }
}

MT_MULTIVERSION
void mt_pointwise_input_gradient(
    const float *gradient, const float *weights, const float *bias, float *result, size_t voxels, size_t channels,
    size_t outputs) {
  for (size_t v = 0; v < voxels; v++, gradient += outputs, result += channels) {
    for (size_t c = 0; c < channels; c += width) {
      lanes sum = {0};
      if (bias) sum = LOAD(bias + c);
      for (size_t k = 0; k < outputs; k++) sum += LOAD(weights + k * channels + c) * gradient[k];
      *(lanes *)(result + c) = sum;
    }
  }
}

MT_MULTIVERSION
void mt_pointwise_weight_gradient(
    const float *x, const float *gradient, float *sums, size_t voxels, size_t channels, size_t outputs) {
  for (size_t first = 0; first < voxels; first += block) {
    const size_t count = voxels - first < block ? voxels - first : block;
    for (size_t c = 0; c < channels; c += width) {
      lanes products[most] = {{0}};
      for (size_t v = first; v < first + count; v++) {
        lanes values = LOAD(x + v * channels + c);
        for (size_t k = 0; k < outputs; k++) products[k] += values * gradient[v * outputs + k];
      }
      for (size_t k = 0; k < outputs; k++) {
        lanes *sum = (lanes *)(sums + k * channels + c);
        *sum += products[k];
      }
    }
  }
}
