// Normalisation and activation, forth and back, in as few passes over the data as there can be: two each way.
#include <string.h>

#include "dispatch.h"
#include "kernels_training.h"

typedef float lanes __attribute__((vector_size(64), aligned(4)));
typedef int mask __attribute__((vector_size(64)));

enum {
  width = 16,
  // Voxels that are summed up in single precision before the sum is added in double precision.
  block = 64,
};

// Macros, because functions that take or return vectors cannot be compiled for processors without such registers.
#define LOAD(x) (*(const lanes *)(x))

/// x where `sign` is positive, slope x elsewhere.
#define ACTIVATE(sign, x, slope)                                         \
  ({                                                                     \
    lanes kept = (x), other = kept * (slope);                            \
    mask positive = (mask)((sign) > 0);                                  \
    (lanes)((positive & (mask)kept) | (~positive & (mask)other));        \
  })

#define ADD(sums, values)                                                \
  for (int i = 0; i < width; i++) (sums)[i] += (values)[i]

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

MT_MULTIVERSION
void mt_channel_sums(
    const float *x, const float *pivot, size_t voxels, size_t channels, double *sums, double *squares) {
  size_t whole = channels / width * width;
  for (size_t first = 0; first < voxels; first += block) {
    size_t count = least(block, voxels - first);
    const float *rows = x + first * channels;
    for (size_t c = 0; c < whole; c += width) {
      lanes k = LOAD(pivot + c), s = {0}, q = {0};
      for (size_t v = 0; v < count; v++) {
        lanes d = LOAD(rows + v * channels + c) - k;
        s += d;
        q += d * d;
      }
      ADD(sums + c, s);
      ADD(squares + c, q);
    }
    for (size_t c = whole; c < channels; c++) {
      float s = 0, q = 0;
      for (size_t v = 0; v < count; v++) {
        float d = rows[v * channels + c] - pivot[c];
        s += d;
        q += d * d;
      }
      sums[c] += s;
      squares[c] += q;
    }
  }
}

MT_MULTIVERSION
void mt_channel_affine(
    const float *x, float *y, size_t voxels, size_t channels, const float *a, const float *b, float slope) {
  size_t whole = channels / width * width;
  for (size_t first = 0; first < voxels; first += block) {
    size_t count = least(block, voxels - first);
    const float *in = x + first * channels;
    float *out = y + first * channels;
    for (size_t c = 0; c < whole; c += width) {
      lanes scale = LOAD(a + c), shift = LOAD(b + c);
      for (size_t v = 0; v < count; v++) {
        lanes t = LOAD(in + v * channels + c) * scale + shift;
        *(lanes *)(out + v * channels + c) = ACTIVATE(t, t, slope);
      }
    }
    for (size_t c = whole; c < channels; c++) {
      for (size_t v = 0; v < count; v++) {
        float t = in[v * channels + c] * a[c] + b[c];
        out[v * channels + c] = t > 0 ? t : t * slope;
      }
    }
  }
}

MT_MULTIVERSION
void mt_channel_gradient_sums(
    const float *x, const float *dy, size_t voxels, size_t channels, const float *a, const float *b, const float *mean,
    float slope, double *sums, double *products) {
  size_t whole = channels / width * width;
  for (size_t first = 0; first < voxels; first += block) {
    size_t count = least(block, voxels - first);
    const float *rows = x + first * channels, *slopes = dy + first * channels;
    for (size_t c = 0; c < whole; c += width) {
      lanes scale = LOAD(a + c), shift = LOAD(b + c), m = LOAD(mean + c), s = {0}, q = {0};
      for (size_t v = 0; v < count; v++) {
        lanes value = LOAD(rows + v * channels + c), d = LOAD(slopes + v * channels + c);
        d = ACTIVATE(value * scale + shift, d, slope);
        s += d;
        q += d * (value - m);
      }
      ADD(sums + c, s);
      ADD(products + c, q);
    }
    for (size_t c = whole; c < channels; c++) {
      float s = 0, q = 0;
      for (size_t v = 0; v < count; v++) {
        float value = rows[v * channels + c], d = slopes[v * channels + c];
        d = value * a[c] + b[c] > 0 ? d : d * slope;
        s += d;
        q += d * (value - mean[c]);
      }
      sums[c] += s;
      products[c] += q;
    }
  }
}

MT_MULTIVERSION
void mt_channel_gradient(
    const float *x, const float *dy, float *dx, size_t voxels, size_t channels, const float *a, const float *b,
    const float *mean, float slope, const float *p, const float *q, const float *r) {
  size_t whole = channels / width * width;
  for (size_t first = 0; first < voxels; first += block) {
    size_t count = least(block, voxels - first);
    const float *rows = x + first * channels, *slopes = dy + first * channels;
    float *out = dx + first * channels;
    for (size_t c = 0; c < whole; c += width) {
      lanes scale = LOAD(a + c), shift = LOAD(b + c), m = LOAD(mean + c);
      lanes pc = LOAD(p + c), qc = LOAD(q + c), rc = LOAD(r + c);
      for (size_t v = 0; v < count; v++) {
        lanes value = LOAD(rows + v * channels + c), d = LOAD(slopes + v * channels + c);
        d = ACTIVATE(value * scale + shift, d, slope);
        *(lanes *)(out + v * channels + c) = pc * d + qc + rc * (value - m);
      }
    }
    for (size_t c = whole; c < channels; c++) {
      for (size_t v = 0; v < count; v++) {
        float value = rows[v * channels + c], d = slopes[v * channels + c];
        d = value * a[c] + b[c] > 0 ? d : d * slope;
        out[v * channels + c] = p[c] * d + q[c] + r[c] * (value - mean[c]);
      }
    }
  }
}

MT_MULTIVERSION
void mt_add_activate(const float *x, const float *y, float *sum, size_t count, float slope) {
  for (size_t i = 0; i < count; i++) {
    float t = x[i] + y[i];
    sum[i] = t > 0 ? t : t * slope;
  }
}

MT_MULTIVERSION
void mt_activation_gradient(const float *result, const float *dy, float *dx, size_t count, float slope) {
  for (size_t i = 0; i < count; i++) dx[i] = result[i] > 0 ? dy[i] : dy[i] * slope;
}

MT_MULTIVERSION
void mt_accumulate(float *restrict sum, const float *restrict addend, size_t count) {
  for (size_t i = 0; i < count; i++) sum[i] += addend[i];
}

void mt_copy_channels(
    const float *from, size_t from_channels, float *to, size_t to_channels, size_t channels, size_t voxels) {
  for (size_t v = 0; v < voxels; v++) {
    memcpy(to + v * to_channels, from + v * from_channels, channels * sizeof *to);
  }
}
