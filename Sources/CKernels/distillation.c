#include "dispatch.h"
#include "elementary.h"
#include "kernels_distillation.h"

// So many voxels at a time stay in the first cache with all they need but the channels.
enum { BLOCK = 256 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// Of a function on its own there would be one copy only, for the oldest processors.
#define WITHIN static inline __attribute__((always_inline))

// The logarithms of the sums that softmax divides by, the largest value included.
WITHIN void log_sums(const float *logits, size_t stride, size_t channels, size_t n, float inverse, float *result) {
  float top[BLOCK], sum[BLOCK];
  for (size_t i = 0; i < n; i++) {
    top[i] = logits[i];
    sum[i] = 0;
  }
  for (size_t c = 1; c < channels; c++) {
    const float *restrict z = logits + c * stride;
    for (size_t i = 0; i < n; i++) top[i] = z[i] > top[i] ? z[i] : top[i];
  }
  for (size_t c = 0; c < channels; c++) {
    const float *restrict z = logits + c * stride;
    for (size_t i = 0; i < n; i++) sum[i] += mt_exp((z[i] - top[i]) * inverse);
  }
  for (size_t i = 0; i < n; i++) result[i] = top[i] * inverse + mt_log(sum[i]);
}

MT_MULTIVERSION
double mt_distill_softmax(const float *student, const float *teacher, size_t stride, size_t channels, size_t count,
                          float inverse, float weight, float *gradient) {
  double total = 0;
  for (size_t begin = 0; begin < count; begin += BLOCK) {
    size_t n = smaller(BLOCK, count - begin);
    float own[BLOCK], other[BLOCK], divergence[BLOCK];
    log_sums(student + begin, stride, channels, n, inverse, own);
    log_sums(teacher + begin, stride, channels, n, inverse, other);
    for (size_t i = 0; i < n; i++) divergence[i] = 0;
    for (size_t c = 0; c < channels; c++) {
      const float *restrict z = student + c * stride + begin;
      const float *restrict t = teacher + c * stride + begin;
      float *restrict g = gradient + c * stride + begin;
      for (size_t i = 0; i < n; i++) {
        float log_p = t[i] * inverse - other[i];
        float log_q = z[i] * inverse - own[i];
        float p = mt_exp(log_p);
        divergence[i] += p * (log_p - log_q);
        g[i] += weight * (mt_exp(log_q) - p);
      }
    }
    double part = 0;
    for (size_t i = 0; i < n; i++) part += divergence[i];
    total += part;
  }
  return total;
}

// ln(1 + e^x)
WITHIN float softplus(float x) {
  float size = x < 0 ? -x : x;
  return (x > 0 ? x : 0.0f) + mt_log(1.0f + mt_exp(-size));
}

WITHIN float sigmoid(float x) {
  float e = mt_exp(x < 0 ? x : -x);
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}

MT_MULTIVERSION
double mt_distill_sigmoid(const float *student, const float *teacher, size_t stride, size_t channels, size_t count,
                          float inverse, float weight, float *gradient) {
  double total = 0;
  for (size_t c = 0; c < channels; c++) {
    for (size_t begin = 0; begin < count; begin += BLOCK) {
      size_t n = smaller(BLOCK, count - begin);
      const float *restrict z = student + c * stride + begin;
      const float *restrict t = teacher + c * stride + begin;
      float *restrict g = gradient + c * stride + begin;
      float divergence[BLOCK];
      for (size_t i = 0; i < n; i++) {
        float x = z[i] * inverse, y = t[i] * inverse;
        float p = sigmoid(y);
        divergence[i] = softplus(x) - softplus(y) + p * (y - x);
        g[i] += weight * (sigmoid(x) - p);
      }
      double part = 0;
      for (size_t i = 0; i < n; i++) part += divergence[i];
      total += part;
    }
  }
  return total;
}

MT_MULTIVERSION
void mt_mean_boxes(const float *values, const size_t *shape, const size_t *factors, float *means) {
  const size_t columns = shape[2] * factors[2], rows = shape[1] * factors[1];
  const float share = 1.0f / (float)(factors[0] * factors[1] * factors[2]);
  for (size_t z = 0; z < shape[0]; z++) {
    for (size_t y = 0; y < shape[1]; y++) {
      float *restrict out = means + (z * shape[1] + y) * shape[2];
      for (size_t x = 0; x < shape[2]; x++) out[x] = 0;
      for (size_t dz = 0; dz < factors[0]; dz++) {
        for (size_t dy = 0; dy < factors[1]; dy++) {
          const float *restrict row = values + ((z * factors[0] + dz) * rows + y * factors[1] + dy) * columns;
          for (size_t x = 0; x < shape[2]; x++) {
            for (size_t dx = 0; dx < factors[2]; dx++) out[x] += row[x * factors[2] + dx];
          }
        }
      }
      for (size_t x = 0; x < shape[2]; x++) out[x] *= share;
    }
  }
}

MT_MULTIVERSION
void mt_add_floats(float *restrict sum, const float *restrict values, size_t count) {
  for (size_t i = 0; i < count; i++) sum[i] += values[i];
}

MT_MULTIVERSION
void mt_scale_floats(float *values, float factor, size_t count) {
  for (size_t i = 0; i < count; i++) values[i] *= factor;
}

MT_MULTIVERSION
void mt_floats_to_half(uint16_t *restrict half, const float *restrict values, size_t count) {
  _Float16 *restrict result = (_Float16 *)half;
  for (size_t i = 0; i < count; i++) {
    float value = values[i] > 65504.0f ? 65504.0f : values[i];
    result[i] = (_Float16)(value < -65504.0f ? -65504.0f : value);
  }
}

MT_MULTIVERSION
void mt_half_to_floats(float *restrict values, const uint16_t *restrict half, size_t count) {
  const _Float16 *restrict source = (const _Float16 *)half;
  for (size_t i = 0; i < count; i++) values[i] = (float)source[i];
}
