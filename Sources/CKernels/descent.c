// The update of parameters: one pass over parameters, momenta and gradients.
#include "dispatch.h"
#include "kernels_training.h"

MT_MULTIVERSION
double mt_square_sum(const float *x, size_t count) {
  double total = 0;
  enum { lanes = 16, block = 1024 };
  for (size_t first = 0; first < count; first += block) {
    size_t end = first + block < count ? first + block : count;
    float sums[lanes] = {0};
    size_t i = first;
    for (; i + lanes <= end; i += lanes) {
      for (int k = 0; k < lanes; k++) sums[k] += x[i + k] * x[i + k];
    }
    for (; i < end; i++) sums[0] += x[i] * x[i];
    for (int k = 0; k < lanes; k++) total += sums[k];
  }
  return total;
}

MT_MULTIVERSION
void mt_descend(
    float *restrict parameters, float *restrict momenta, const float *restrict gradients, size_t count, float factor,
    float decay, float momentum, float rate) {
  for (size_t i = 0; i < count; i++) {
    float slope = gradients[i] * factor + decay * parameters[i];
    float step = momentum * momenta[i] + slope;
    momenta[i] = step;
    parameters[i] -= rate * (slope + momentum * step);
  }
}
