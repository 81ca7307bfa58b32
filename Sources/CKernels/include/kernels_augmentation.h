// Training: what augmentation does to voxels.
#ifndef MICROTOME_KERNELS_AUGMENTATION_H
#define MICROTOME_KERNELS_AUGMENTATION_H

#include <stddef.h>
#include <stdint.h>

// Values at `count` points start + i * step of a volume (Z, Y, X), linear between voxels, 0 outside.
void mt_affine_row(float *out, const float *source, const int64_t shape[3], const double start[3],
                   const double step[3], size_t count);
// The label with the largest linear weight; that of the nearest voxel where several are equal, else the smallest; -1
// outside. With `nearest`, that of the nearest voxel.
void mt_affine_labels_row(int16_t *out, const int16_t *source, const int64_t shape[3], const double start[3],
                          const double step[3], size_t count, int nearest);
// out = sum of weights[t] * rows[t]
void mt_weighted_rows(float *out, const float *const *rows, const float *weights, size_t taps, size_t count);
// out[i] = (1 - share[i]) * row[first[i]] + share[i] * row[second[i]]
void mt_interpolate_row(float *out, const float *row, const int32_t *first, const int32_t *second, const float *share,
                        size_t count);
// moments: minimum, maximum, sum and sum of squares of the values less `shift`
void mt_shifted_moments(const float *values, size_t count, double shift, double moments[4]);
// x = clamp(x * scale + shift, low, high)
void mt_scale_clamp(float *values, size_t count, float scale, float shift, float low, float high);
// x = ((sign * x - low) / range)^gamma * range + low; sums: of the results less `centre`, and of their squares
void mt_gamma(float *values, size_t count, float sign, float low, float range, float gamma, double centre,
              double sums[2]);
// row[i] += (factor * profile[i] - low) * scale
void mt_add_bump_row(float *row, const float *profile, float factor, float low, float scale, size_t count);
// With the weight (factor * profile[i] - low) * scale, from the row to minimum + range * ((row - minimum) / range)^gamma.
void mt_local_gamma_row(float *row, const float *profile, float factor, float low, float scale, float minimum,
                        float range, float gamma, size_t count);
// Adds `strength` times the difference to the neighbours in the row, which repeats its ends, and in the rows beside it.
void mt_sharpen_row(float *out, const float *row, const float *const *beside, size_t neighbours, float strength,
                    size_t count);
enum { MT_MEDIAN_LARGEST = 7 };
// The median of the box around each voxel (the upper one of two), (Z, Y, X), continued by reflection with the outermost
// voxels repeated. Boxes have 1...MT_MEDIAN_LARGEST voxels along each axis; even ones reach further to lower indices.
void mt_median(float *out, const float *source, const int64_t shape[3], const int64_t window[3]);
// The value of the nearest voxel at points as for `mt_affine_row`, 0 outside.
void mt_affine_nearest_row(float *out, const float *source, const int64_t shape[3], const double start[3],
                           const double step[3], size_t count);
// Copies to (Z, Y, X) what lies steps[axis] apart, beginning at `source`; one of the steps is 1 or -1.
void mt_permute_floats(float *out, const float *source, const int64_t shape[3], const int64_t steps[3]);
void mt_permute_labels(int16_t *out, const int16_t *source, const int64_t shape[3], const int64_t steps[3]);
// Adds normally distributed numbers; `first` says where in the stream of `key` they begin.
void mt_add_noise(float *values, size_t count, float deviation, uint64_t key, uint64_t first);
// x = 0 where the label is negative
void mt_mask_row(float *values, const int16_t *labels, size_t count);
// INT16_MIN of none.
int16_t mt_largest_label(const int16_t *labels, size_t count);
// Labels below 0 become 0; reversed if asked for.
void mt_copy_labels(int16_t *out, const int16_t *labels, size_t count, int reversed);
// out |= any of the voxels x - before ... x + after, given prefix[x + margin] = number of voxels set before x, with
// `margin` more entries at both ends.
void mt_dilate_row(uint8_t *out, const int32_t *prefix, size_t margin, size_t before, size_t after, size_t count);

#endif
