// Linear interpolation between eight neighbours in the order in which scipy.ndimage adds them up.
//
// The result is often cut down to a whole number afterwards, and then the last bit decides between 4 and 5. So products
// and sums are rounded one by one, x outermost and z innermost, without fused operations.
#include "dispatch.h"
#include "kernels_resample.h"

#pragma STDC FP_CONTRACT OFF

enum { block = 64 };

/// What a conversion to a 32-bit integer yields on x86, numbers that do not fit included.
static inline __attribute__((always_inline)) double truncated(double value) {
  bool fits = value > -2147483649.0 && value < 2147483648.0;
  return fits ? (double)(int32_t)(fits ? value : 0) : -2147483648.0;
}

MT_MULTIVERSION
void mt_corner_row(
    const float *const *rows, const double *weights_y, const double *weights_z, const mt_linear_axis *axis,
    bool truncates, float *restrict result) {
  const double y0 = weights_y[0], y1 = weights_y[1], z0 = weights_z[0], z1 = weights_z[1];
  double corners[8][block], sums[block];
  for (size_t start = 0; start < axis->output; start += block) {
    size_t count = axis->output - start < block ? axis->output - start : block;
    const int32_t *index0 = axis->index0 + start, *index1 = axis->index1 + start;
    for (size_t row = 0; row < 4; row++) {
      const float *from = rows[row];
      // Gather instructions are slower than plain loads on the many processors with a mitigation for gather data sampling.
#if defined(__clang__)
#pragma clang loop vectorize(disable) interleave_count(1)
#endif
      for (size_t k = 0; k < count; k++) {
        corners[row][k] = from[index0[k]];
        corners[row + 4][k] = from[index1[k]];
      }
    }
    const double *restrict x0 = axis->weight0 + start, *restrict x1 = axis->weight1 + start;
    for (size_t k = 0; k < count; k++) {
      double sum = corners[0][k] * x0[k] * y0 * z0;
      sum += corners[1][k] * x0[k] * y0 * z1;
      sum += corners[2][k] * x0[k] * y1 * z0;
      sum += corners[3][k] * x0[k] * y1 * z1;
      sum += corners[4][k] * x1[k] * y0 * z0;
      sum += corners[5][k] * x1[k] * y0 * z1;
      sum += corners[6][k] * x1[k] * y1 * z0;
      sum += corners[7][k] * x1[k] * y1 * z1;
      sums[k] = sum;
    }
    float *restrict to = result + start;
    if (truncates) {
      for (size_t k = 0; k < count; k++) to[k] = (float)truncated(sums[k]);
    } else {
      for (size_t k = 0; k < count; k++) to[k] = (float)sums[k];
    }
  }
}

MT_MULTIVERSION
void mt_truncate(const float *restrict source, float *restrict result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = (float)truncated(source[i]);
}
