// Accumulating logits in IEEE half precision, with the rounding of the reference implementation.
//
// Half-precision numbers travel as uint16_t bit patterns, so that the header needs no compiler extension.
#ifndef MICROTOME_KERNELS_LOGITS_H
#define MICROTOME_KERNELS_LOGITS_H

#include <stddef.h>
#include <stdint.h>

/// Adds one plane of a tile to the running sums: sum = half(float(sum) + (prediction * scale) * float(weight)).
/// The strides are distances between rows, in elements.
void mt_accumulate_plane(uint16_t *sum, ptrdiff_t sum_stride, const float *prediction, ptrdiff_t prediction_stride,
                         const uint16_t *weight, ptrdiff_t weight_stride, size_t rows, size_t columns, float scale);

/// Adds one plane of importance weights: sum = half(float(sum) + float(weight)).
void mt_accumulate_weights_plane(uint16_t *sum, ptrdiff_t sum_stride, const uint16_t *weight, ptrdiff_t weight_stride,
                                 size_t rows, size_t columns);

/// logits = half(float(logits) / float(weight)), in place. Returns nonzero if a result is infinite.
int mt_divide_by_weights(uint16_t *logits, const uint16_t *weight, size_t count);

/// sum = half(float(sum) + float(other)), in place.
void mt_add_half(uint16_t *sum, const uint16_t *other, size_t count);

/// values = half(float(values) / divisor), in place. Returns nonzero if a result is infinite.
int mt_divide_half(uint16_t *values, float divisor, size_t count);

/// half[i] = half(float(values[i] * factor / divisor)), the two roundings PyTorch makes from double precision.
void mt_scale_to_half(uint16_t *half, const double *values, double factor, double divisor, size_t count);

/// sum += values, element by element; `reversed` reads each row of `columns` values backwards.
void mt_add_rows(float *sum, const float *values, size_t columns, int reversed);

/// target = values read backwards.
void mt_reverse_row(float *target, const float *values, size_t columns);

/// A pointwise convolution: logit k = bias[k] + the sum of weights[k][c] * feature c.
typedef struct {
  size_t inputs, outputs;
  const float *weights, *bias;
} mt_head;

/// Adds importance * (scale * (weights features) + bias) to one row of every class's sums (half precision).
///
/// Rows of one class and the next lie `sum_stride` elements apart, those of one feature and the next `feature_stride`.
void mt_accumulate_head_row(
    uint16_t *sums, ptrdiff_t sum_stride, const mt_head *head, const float *features, ptrdiff_t feature_stride,
    const uint16_t *importance, size_t width, float scale);

/// The most features that the function below takes.
enum { MT_HEAD_FEATURES = 128 };

/// The same where the features of one voxel lie side by side, before those of the next voxel.
void mt_accumulate_head_row_of_voxels(
    uint16_t *sums, ptrdiff_t sum_stride, const mt_head *head, const float *features, const uint16_t *importance,
    size_t width, float scale);

#endif
