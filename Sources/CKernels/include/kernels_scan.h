// Single passes over intensities: where they are not zero, their range, their moments, their normalisation.
#ifndef MICROTOME_KERNELS_SCAN_H
#define MICROTOME_KERNELS_SCAN_H

#include <stddef.h>
#include <stdint.h>

/// The index of the first value that is not 0 (NaN is not 0), or `count`.
size_t mt_first_nonzero(const float *values, size_t count);

/// One more than the index of the last value that is not 0, or 0.
size_t mt_end_of_nonzero(const float *values, size_t count);

/// mask[i] |= values[i] != 0
void mt_mark_nonzero(const float *values, uint8_t *mask, size_t count);

/// The smallest and largest value, NaNs ignored; +inf and -inf when there is none.
void mt_range(const float *values, size_t count, float *smallest, float *largest);

/// Mean and summed squared deviations of up to a few thousand values (call it per block and combine).
void mt_moments(const float *values, size_t count, double *mean, double *squares);

/// The same over the values whose mask is not 0; `selected` receives their number.
void mt_masked_moments(
    const float *values, const uint8_t *mask, size_t count, size_t *selected, double *mean, double *squares);

/// values[i] = (min(max(values[i], lower), upper) - offset) / divisor, each step rounded to float; NaN stays NaN.
void mt_normalize(float *values, size_t count, float lower, float upper, float offset, float divisor);

/// values[i] = (values[i] - offset) / divisor where mask[i] is not 0.
void mt_masked_normalize(float *values, const uint8_t *mask, size_t count, float offset, float divisor);

#endif
