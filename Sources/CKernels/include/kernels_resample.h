// Separable B-spline resampling along one axis, for many lines at a time.
#ifndef MICROTOME_KERNELS_RESAMPLE_H
#define MICROTOME_KERNELS_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Samples in memory, float or double, with the distance between rows counted in elements.
typedef struct {
  void *samples;
  ptrdiff_t row_stride;
  bool is_double;
} mt_rows;

/// One axis of a cubic B-spline resize.
typedef struct {
  /// Number of samples before and after.
  size_t input, output;
  /// The first of the four taps of each output sample; -2 ... input - 2, ascending.
  const int32_t *first;
  /// Four weights for each output sample.
  const double *weights;
  /// Results are clipped to this closed range; -inf ... inf for none. NaN stays NaN.
  double lower, upper;
} mt_cubic_axis;

/// Doubles of scratch memory that `mt_cubic_columns` needs.
size_t mt_cubic_columns_scratch(const mt_cubic_axis *axis, size_t width);

/// Prefilters and resizes `width` neighbouring columns: row i of `source` is sample i of every column.
/// The samples beyond both ends repeat the outermost ones for ever.
void mt_cubic_columns(mt_rows source, mt_rows result, size_t width, const mt_cubic_axis *axis, double *scratch);

/// Doubles of scratch memory that `mt_cubic_lines` needs.
size_t mt_cubic_lines_scratch(const mt_cubic_axis *axis);

/// The same along the contiguous direction: each of `lines` rows of `source` is one line of samples.
void mt_cubic_lines(mt_rows source, mt_rows result, size_t lines, const mt_cubic_axis *axis, double *scratch);

/// One axis of a linear resize: two clamped indices and weights for each output sample.
typedef struct {
  size_t input, output;
  const int32_t *index0, *index1;
  const double *weight0, *weight1;
} mt_linear_axis;

/// One output row of a linear resize: blends `row_count` (1, 2 or 4) rows of floats with `row_weights`, then resizes the
/// blend along x. `blend` holds axis->input doubles of scratch memory.
void mt_linear_row(
    const float *const *rows, const double *row_weights, size_t row_count, const mt_linear_axis *axis, double *blend,
    void *result, bool result_is_double);

/// result[i] = weight0 * a[i] + weight1 * b[i], rounded to float once.
void mt_blend_to_float(const double *a, const double *b, double weight0, double weight1, float *result, size_t count);

/// One output row of a linear resize from four input rows, (y0, z0), (y0, z1), (y1, z0), (y1, z1), whose eight products
/// are added in scipy.ndimage's order, x outermost. `truncates` drops fractions as a conversion to int32 does.
void mt_corner_row(
    const float *const *rows, const double *weights_y, const double *weights_z, const mt_linear_axis *axis,
    bool truncates, float *result);

/// Drops fractions as a conversion to int32 does; what does not fit becomes -2^31.
void mt_truncate(const float *source, float *result, size_t count);

/// Which label wins a voxel, given each label's share of it.
typedef enum {
  /// The largest share; ties go to the nearest sample's label, then to the smallest.
  MT_LABEL_LARGEST_SHARE,
  /// The largest label whose share is at least 0.5, else 0.
  MT_LABEL_AT_LEAST_HALF,
  /// The largest label whose share is more than 0.5, else 0.
  MT_LABEL_MORE_THAN_HALF,
  /// The largest share in thousandths after rounding to half precision; ties go to the smallest label.
  MT_LABEL_LARGEST_HALF_PRECISION_SHARE,
} mt_label_rule;

/// One output row of a segmentation resize: the linearly interpolated indicators of the labels in `row_count` (1, 2 or 4)
/// rows compete. `agree` is scratch of axis->input bytes.
void mt_label_row(
    const int16_t *const *rows, const double *row_weights, size_t row_count, const mt_linear_axis *axis,
    const int16_t *nearest_row, const int32_t *nearest_index, mt_label_rule rule, uint8_t *agree, int16_t *result);

#endif
