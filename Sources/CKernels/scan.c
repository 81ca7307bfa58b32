#include "dispatch.h"
#include "kernels_scan.h"

#include <math.h>

// The normalised values are to be those of one float operation after another.
#pragma STDC FP_CONTRACT OFF

enum {
  // Independent accumulators: the sums are the same whatever the vector length of the processor.
  lanes = 16,
  // Values looked at before a search may stop.
  block = 64,
};

static int any_nonzero(const float *values, size_t count) {
  int any = 0;
  for (size_t i = 0; i < count; i++) any |= values[i] != 0;
  return any;
}

size_t mt_first_nonzero(const float *values, size_t count) {
  size_t i = 0;
  // Most rows of a CT start with air, which is not 0; look at one value before a block.
  if (count > 0 && values[0] != 0) return 0;
  while (i + block <= count && !any_nonzero(values + i, block)) i += block;
  while (i < count && values[i] == 0) i++;
  return i;
}

size_t mt_end_of_nonzero(const float *values, size_t count) {
  if (count > 0 && values[count - 1] != 0) return count;
  while (count >= block && !any_nonzero(values + count - block, block)) count -= block;
  while (count > 0 && values[count - 1] == 0) count--;
  return count;
}

MT_MULTIVERSION
void mt_mark_nonzero(const float *restrict values, uint8_t *restrict mask, size_t count) {
  for (size_t i = 0; i < count; i++) mask[i] |= values[i] != 0;
}

MT_MULTIVERSION
void mt_range(const float *values, size_t count, float *smallest, float *largest) {
  float low[lanes], high[lanes];
  for (size_t lane = 0; lane < lanes; lane++) low[lane] = INFINITY, high[lane] = -INFINITY;
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (size_t lane = 0; lane < lanes; lane++) {
      float value = values[i + lane];
      low[lane] = value < low[lane] ? value : low[lane];
      high[lane] = value > high[lane] ? value : high[lane];
    }
  }
  for (; i < count; i++) {
    low[0] = values[i] < low[0] ? values[i] : low[0];
    high[0] = values[i] > high[0] ? values[i] : high[0];
  }
  for (size_t lane = 1; lane < lanes; lane++) {
    low[0] = low[lane] < low[0] ? low[lane] : low[0];
    high[0] = high[lane] > high[0] ? high[lane] : high[0];
  }
  *smallest = low[0];
  *largest = high[0];
}

static double total(const double *sums) {
  double sum = 0;
  for (size_t lane = 0; lane < lanes; lane++) sum += sums[lane];
  return sum;
}

MT_MULTIVERSION
void mt_moments(const float *values, size_t count, double *mean, double *squares) {
  double sums[lanes] = {0};
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (size_t lane = 0; lane < lanes; lane++) sums[lane] += values[i + lane];
  }
  for (; i < count; i++) sums[0] += values[i];
  const double center = count ? total(sums) / (double)count : 0;
  double deviations[lanes] = {0};
  for (i = 0; i + lanes <= count; i += lanes) {
    for (size_t lane = 0; lane < lanes; lane++) {
      double deviation = values[i + lane] - center;
      deviations[lane] += deviation * deviation;
    }
  }
  for (; i < count; i++) deviations[0] += (values[i] - center) * (values[i] - center);
  *mean = center;
  *squares = total(deviations);
}

MT_MULTIVERSION
void mt_masked_moments(
    const float *values, const uint8_t *mask, size_t count, size_t *selected, double *mean, double *squares) {
  double sums[lanes] = {0}, deviations[lanes] = {0};
  size_t number = 0, i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (size_t lane = 0; lane < lanes; lane++) {
      sums[lane] += mask[i + lane] ? (double)values[i + lane] : 0;
      number += mask[i + lane] != 0;
    }
  }
  for (; i < count; i++) {
    sums[0] += mask[i] ? (double)values[i] : 0;
    number += mask[i] != 0;
  }
  const double center = number ? total(sums) / (double)number : 0;
  for (i = 0; i + lanes <= count; i += lanes) {
    for (size_t lane = 0; lane < lanes; lane++) {
      double deviation = mask[i + lane] ? values[i + lane] - center : 0;
      deviations[lane] += deviation * deviation;
    }
  }
  for (; i < count; i++) {
    double deviation = mask[i] ? values[i] - center : 0;
    deviations[0] += deviation * deviation;
  }
  *selected = number;
  *mean = center;
  *squares = total(deviations);
}

MT_MULTIVERSION
void mt_normalize(float *values, size_t count, float lower, float upper, float offset, float divisor) {
  for (size_t i = 0; i < count; i++) {
    float value = values[i] < lower ? lower : values[i];
    value = value > upper ? upper : value;
    values[i] = (value - offset) / divisor;
  }
}

MT_MULTIVERSION
void mt_masked_normalize(
    float *restrict values, const uint8_t *restrict mask, size_t count, float offset, float divisor) {
  for (size_t i = 0; i < count; i++) values[i] = mask[i] ? (values[i] - offset) / divisor : values[i];
}
