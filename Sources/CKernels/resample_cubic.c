// Cubic B-splines: recursive prefilter and four-tap evaluation (Unser, Aldroubi, Eden: "B-spline signal processing", 1993).
//
// With the pole z, the coefficients of a line s are c = the anticausal filter c[k] = z (c[k+1] - p[k]) of the causal filter
// p[k] = 6 s[k] + z p[k-1]. Beyond its ends the line repeats its outermost samples for ever, which gives both filters
// closed-form initial values; scipy after a padding by 12 samples agrees with that to z^24 = 2e-14.
#include "dispatch.h"
#include "kernels_resample.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

static const double pole = -0.267949192431122706472553658494127633;  // sqrt(3) - 2
static const double gain = 6;                                         // (1 - z) (1 - 1/z)

enum {
  // Rows kept before and after the samples for the outer taps.
  margin = 2,
  // Lines handled together along x: two 512-bit or four 256-bit registers of doubles.
  lanes = 16,
  // Samples moved at a time between lines and lanes.
  block = 8,
};

ALWAYS_INLINE double load(const void *samples, bool is_double, size_t i) {
  return is_double ? ((const double *)samples)[i] : (double)((const float *)samples)[i];
}

ALWAYS_INLINE void *row_of(mt_rows rows, size_t row) {
  size_t size = rows.is_double ? sizeof(double) : sizeof(float);
  return (char *)rows.samples + (ptrdiff_t)row * rows.row_stride * (ptrdiff_t)size;
}

/// Row -1 of the causal filter, its steady state on the repeated first sample.
ALWAYS_INLINE void causal_start(const void *restrict sample, bool is_double, double *restrict before, size_t width) {
  for (size_t x = 0; x < width; x++) before[x] = load(sample, is_double, x) * (gain / (1 - pole));
}

ALWAYS_INLINE void causal_step(
    const void *restrict sample, bool is_double, const double *restrict before, double *restrict row, size_t width) {
  for (size_t x = 0; x < width; x++) row[x] = gain * load(sample, is_double, x) + pole * before[x];
}

/// Turns the last causal row into coefficients n-1, n, n+1, given the last sample.
ALWAYS_INLINE void anticausal_start(
    const void *restrict sample, bool is_double, double *restrict row, size_t width) {
  double *restrict next = row + width, *restrict last = next + width;
  for (size_t x = 0; x < width; x++) {
    double steady = load(sample, is_double, x) * (gain / (1 - pole));
    double decaying = (row[x] - steady) / (1 - pole * pole);
    double limit = steady / (1 - pole);
    row[x] = -pole * (limit + decaying);
    next[x] = -pole * (limit + pole * decaying);
    last[x] = -pole * (limit + pole * pole * decaying);
  }
}

ALWAYS_INLINE void anticausal_step(double *restrict row, const double *restrict after, size_t width) {
  for (size_t x = 0; x < width; x++) row[x] = pole * (after[x] - row[x]);
}

ALWAYS_INLINE double clipped(double value, double lower, double upper) {
  value = value < lower ? lower : value;
  return value > upper ? upper : value;
}

ALWAYS_INLINE void evaluate(
    const double *restrict c, const double *restrict w, size_t width, double lower, double upper, void *restrict result,
    bool is_double) {
  const double w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
  const double *restrict c1 = c + width, *restrict c2 = c1 + width, *restrict c3 = c2 + width;
  for (size_t x = 0; x < width; x++) {
    double value = clipped(c[x] * w0 + c1[x] * w1 + c2[x] * w2 + c3[x] * w3, lower, upper);
    if (is_double) {
      ((double *)result)[x] = value;
    } else {
      ((float *)result)[x] = (float)value;
    }
  }
}

/// The anticausal pass and the evaluation in one sweep from the last row to the first, so that the four coefficient rows
/// of an output row are still in the first-level cache. `coefficients` starts at row -2; rows -1 ... n-1 hold the
/// causal filter.
#define SWEEP_DOWN(coefficients, width, axis, RESULT_ROW)                                             \
  ptrdiff_t ready = (ptrdiff_t)(axis)->input - 1;                                                     \
  for (size_t k = (axis)->output; k-- > 0;) {                                                         \
    ptrdiff_t first = (axis)->first[k];                                                               \
    while (ready > first) {                                                                           \
      ready--;                                                                                        \
      double *row = (coefficients) + (size_t)(ready + margin) * (width);                              \
      /* Row -2 continues the steady state that row -1 held before it was filtered. */                \
      anticausal_step(row, row + (width), width);                                                     \
    }                                                                                                 \
    RESULT_ROW;                                                                                       \
  }

size_t mt_cubic_columns_scratch(const mt_cubic_axis *axis, size_t width) {
  return (axis->input + 2 * margin) * width;
}

ALWAYS_INLINE void cubic_columns(
    mt_rows source, bool source_is_double, mt_rows result, bool result_is_double, size_t width,
    const mt_cubic_axis *axis, double *coefficients) {
  double *row = coefficients + width;
  causal_start(source.samples, source_is_double, row, width);
  // Row -2 needs the same steady state; filtering row -1 in place would lose it.
  for (size_t x = 0; x < width; x++) coefficients[x] = row[x];
  for (size_t i = 0; i < axis->input; i++, row += width) {
    causal_step(row_of(source, i), source_is_double, row, row + width, width);
  }
  anticausal_start(row_of(source, axis->input - 1), source_is_double, row, width);
  SWEEP_DOWN(
      coefficients, width, axis,
      evaluate(
          coefficients + (size_t)(first + margin) * width, axis->weights + 4 * k, width, axis->lower, axis->upper,
          row_of(result, k), result_is_double))
}

MT_MULTIVERSION
void mt_cubic_columns(mt_rows source, mt_rows result, size_t width, const mt_cubic_axis *axis, double *scratch) {
  if (axis->input == 0 || width == 0) return;
  if (source.is_double) {
    if (result.is_double) cubic_columns(source, true, result, true, width, axis, scratch);
    else cubic_columns(source, true, result, false, width, axis, scratch);
  } else {
    if (result.is_double) cubic_columns(source, false, result, true, width, axis, scratch);
    else cubic_columns(source, false, result, false, width, axis, scratch);
  }
}

size_t mt_cubic_lines_scratch(const mt_cubic_axis *axis) {
  return (axis->input + 2 * margin) * lanes + (size_t)lanes * block;
}

/// Sample x ... x + count of `rows` lines, as `lanes` columns; missing lines repeat the last one.
ALWAYS_INLINE void gather_block(
    mt_rows source, bool is_double, size_t line, size_t lines, size_t x, size_t count, double *restrict columns) {
  for (size_t lane = 0; lane < lanes; lane++) {
    size_t existing = line + (lane < lines ? lane : lines - 1);
    const void *samples = row_of(source, existing);
    if (count == block) {
      for (size_t i = 0; i < block; i++) columns[i * lanes + lane] = load(samples, is_double, x + i);
    } else {
      for (size_t i = 0; i < count; i++) columns[i * lanes + lane] = load(samples, is_double, x + i);
    }
  }
}

ALWAYS_INLINE void scatter_block(
    const double *restrict columns, mt_rows result, bool is_double, size_t line, size_t lines, size_t x, size_t count) {
  for (size_t lane = 0; lane < lines; lane++) {
    void *samples = row_of(result, line + lane);
    for (size_t i = 0; i < count; i++) {
      if (is_double) {
        ((double *)samples)[x + i] = columns[i * lanes + lane];
      } else {
        ((float *)samples)[x + i] = (float)columns[i * lanes + lane];
      }
    }
  }
}

ALWAYS_INLINE void cubic_lines(
    mt_rows source, bool source_is_double, mt_rows result, bool result_is_double, size_t lines,
    const mt_cubic_axis *axis, double *scratch) {
  double *moved = scratch, *coefficients = scratch + (size_t)lanes * block;
  for (size_t line = 0; line < lines; line += lanes) {
    size_t count = lines - line < lanes ? lines - line : lanes;
    double *row = coefficients + lanes, last[lanes];
    for (size_t x = 0; x < axis->input; x += block) {
      size_t width = axis->input - x < block ? axis->input - x : block;
      gather_block(source, source_is_double, line, count, x, width, moved);
      if (x == 0) {
        causal_start(moved, true, row, lanes);
        for (size_t lane = 0; lane < lanes; lane++) coefficients[lane] = row[lane];
      }
      for (size_t i = 0; i < width; i++, row += lanes) causal_step(moved + i * lanes, true, row, row + lanes, lanes);
      for (size_t lane = 0; lane < lanes; lane++) last[lane] = moved[(width - 1) * lanes + lane];
    }
    anticausal_start(last, true, row, lanes);
    // Results are collected in `moved` from its end down, and moved out when a block that starts at a multiple is full.
    SWEEP_DOWN(coefficients, lanes, axis, {
      evaluate(
          coefficients + (size_t)(first + margin) * lanes, axis->weights + 4 * k, lanes, axis->lower, axis->upper,
          moved + (k % block) * lanes, true);
      if (k % block == 0) {
        size_t width = axis->output - k < block ? axis->output - k : block;
        scatter_block(moved, result, result_is_double, line, count, k, width);
      }
    })
  }
}

MT_MULTIVERSION
void mt_cubic_lines(mt_rows source, mt_rows result, size_t lines, const mt_cubic_axis *axis, double *scratch) {
  if (axis->input == 0) return;
  if (source.is_double) {
    if (result.is_double) cubic_lines(source, true, result, true, lines, axis, scratch);
    else cubic_lines(source, true, result, false, lines, axis, scratch);
  } else {
    if (result.is_double) cubic_lines(source, false, result, true, lines, axis, scratch);
    else cubic_lines(source, false, result, false, lines, axis, scratch);
  }
}
