// The update of parameters: one pass over parameters, gradients and what the optimiser remembers.
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

MT_MULTIVERSION
void mt_adam(float *restrict parameters, float *restrict first, float *restrict second, float *restrict largest,
             const float *restrict gradients, size_t count, const mt_adam_step *step) {
  const mt_adam_step s = *step;
  for (size_t i = 0; i < count; i++) {
    float value = parameters[i];
    float slope = gradients[i] * s.factor + s.decay * value;
    float m = first[i] + s.first_share * (slope - first[i]);
    float v = s.second_kept * second[i] + s.second_share * slope * slope;
    first[i] = m;
    second[i] = v;
    if (largest) {
      v = v > largest[i] ? v : largest[i];
      largest[i] = v;
    }
    parameters[i] = s.shrink * value - s.rate * m / (__builtin_elementwise_sqrt(v) * s.second_correction + s.epsilon);
  }
}

MT_MULTIVERSION
void mt_adan(float *restrict parameters, float *restrict before, float *restrict m, float *restrict v,
             float *restrict n, const float *restrict gradients, size_t count, const mt_adan_step *step) {
  const mt_adan_step s = *step;
  for (size_t i = 0; i < count; i++) {
    float slope = gradients[i] * s.factor;
    float change = slope - before[i];
    float ahead = slope + s.ahead * change;
    // The shares are 0 in a parameter's first step.
    float mean = m[i] + s.a * (slope - m[i]);
    float trend = v[i] + s.b * (change - v[i]);
    float square = n[i] + s.c * (ahead * ahead - n[i]);
    before[i] = slope;
    m[i] = mean;
    v[i] = trend;
    n[i] = square;
    float direction = mean * s.m_correction + s.ahead * trend * s.v_correction;
    parameters[i] = (parameters[i] - s.rate * direction / (__builtin_elementwise_sqrt(square * s.n_correction) + s.epsilon)) * s.shrink;
  }
}
