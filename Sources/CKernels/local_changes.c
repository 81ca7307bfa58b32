// Changes of intensity that are strongest at one place, and sharpening.
#include <math.h>

#include "dispatch.h"
#include "elementary.h"
#include "kernels_augmentation.h"

MT_MULTIVERSION
void mt_add_bump_row(float *row, const float *profile, float factor, float low, float scale, size_t count) {
  for (size_t i = 0; i < count; i++) row[i] += (factor * profile[i] - low) * scale;
}

MT_MULTIVERSION
void mt_local_gamma_row(float *row, const float *profile, float factor, float low, float scale, float minimum,
                        float range, float gamma, size_t count) {
  const float share = 1.0f / range;
  for (size_t i = 0; i < count; i++) {
    float weight = (factor * profile[i] - low) * scale;
    float ratio = (row[i] - minimum) * share;
    float power = ratio > 0 ? mt_exp(gamma * mt_log(ratio)) : 0.0f;
    row[i] = ((1.0f - weight) * ratio + weight * power) * range + minimum;
  }
}

MT_MULTIVERSION
void mt_sharpen_row(float *out, const float *row, const float *const *beside, size_t neighbours, float strength,
                    size_t count) {
  const float middle = (float)(neighbours + 2);
  const float *restrict x = row;
  float *restrict to = out;
  for (size_t i = 0; i < count; i++) {
    float left = x[i > 0 ? i - 1 : 0], right = x[i + 1 < count ? i + 1 : count - 1];
    to[i] = middle * x[i] - left - right;
  }
  for (size_t k = 0; k < neighbours; k++) {
    const float *restrict other = beside[k];
    for (size_t i = 0; i < count; i++) to[i] -= other[i];
  }
  for (size_t i = 0; i < count; i++) to[i] = x[i] + strength * to[i];
}
