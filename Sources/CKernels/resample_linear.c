// Linear interpolation of one output row: first across rows, which is contiguous, then along x.
#include "dispatch.h"
#include "kernels_resample.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// Gather instructions are slower than plain loads on the many processors with a mitigation for gather data sampling.
#if defined(__clang__)
#define WITHOUT_GATHERS _Pragma("clang loop vectorize(disable) interleave_count(1)")
#else
#define WITHOUT_GATHERS
#endif

ALWAYS_INLINE void blend_rows(
    const float *const *rows, const double *weights, size_t count, double *restrict blend, size_t width) {
  const float *restrict a = rows[0];
  if (count == 1) {
    for (size_t x = 0; x < width; x++) blend[x] = a[x] * weights[0];
    return;
  }
  const float *restrict b = rows[1];
  const double wa = weights[0], wb = weights[1];
  if (count == 2) {
    for (size_t x = 0; x < width; x++) blend[x] = a[x] * wa + b[x] * wb;
    return;
  }
  const float *restrict c = rows[2], *restrict d = rows[3];
  const double wc = weights[2], wd = weights[3];
  for (size_t x = 0; x < width; x++) blend[x] = a[x] * wa + b[x] * wb + c[x] * wc + d[x] * wd;
}

MT_MULTIVERSION
void mt_linear_row(
    const float *const *rows, const double *row_weights, size_t row_count, const mt_linear_axis *axis, double *blend,
    void *result, bool result_is_double) {
  blend_rows(rows, row_weights, row_count, blend, axis->input);
  const int32_t *restrict index0 = axis->index0, *restrict index1 = axis->index1;
  const double *restrict weight0 = axis->weight0, *restrict weight1 = axis->weight1;
  const double *restrict row = blend;
  if (result_is_double) {
    double *restrict to = result;
    WITHOUT_GATHERS
    for (size_t k = 0; k < axis->output; k++) to[k] = row[index0[k]] * weight0[k] + row[index1[k]] * weight1[k];
  } else {
    float *restrict to = result;
    WITHOUT_GATHERS
    for (size_t k = 0; k < axis->output; k++) {
      to[k] = (float)(row[index0[k]] * weight0[k] + row[index1[k]] * weight1[k]);
    }
  }
}

MT_MULTIVERSION
void mt_blend_to_float(
    const double *restrict a, const double *restrict b, double weight0, double weight1, float *restrict result,
    size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = (float)(a[i] * weight0 + b[i] * weight1);
}
