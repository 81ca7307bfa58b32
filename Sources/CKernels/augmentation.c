#include <math.h>
#include <string.h>

#include "dispatch.h"
#include "elementary.h"
#include "kernels_augmentation.h"

// A point between the voxels of a volume: the corner below it, and how far beyond that it lies.
typedef struct {
  int64_t z, y, x;
  float fz, fy, fx;
} point;

static inline point locate(const double start[3], const double step[3], size_t i) {
  double z = start[0] + (double)i * step[0], y = start[1] + (double)i * step[1], x = start[2] + (double)i * step[2];
  double cz = floor(z), cy = floor(y), cx = floor(x);
  return (point){(int64_t)cz, (int64_t)cy, (int64_t)cx, (float)(z - cz), (float)(y - cy), (float)(x - cx)};
}

// A point that lies in a plane has no need of the next one: flat patches are turned plane by plane.
static inline int has_all(const int64_t shape[3], point p) {
  return p.z >= 0 && p.y >= 0 && p.x >= 0 && p.z + (p.fz > 0) < shape[0] && p.y + 1 < shape[1] && p.x + 1 < shape[2];
}

static inline int has(const int64_t shape[3], int64_t z, int64_t y, int64_t x) {
  return z >= 0 && y >= 0 && x >= 0 && z < shape[0] && y < shape[1] && x < shape[2];
}

MT_MULTIVERSION
void mt_affine_row(float *out, const float *source, const int64_t shape[3], const double start[3],
                   const double step[3], size_t count) {
  const int64_t row = shape[2], plane = shape[1] * shape[2];
  for (size_t i = 0; i < count; i++) {
    point p = locate(start, step, i);
    if (has_all(shape, p)) {
      const float *v = source + p.z * plane + p.y * row + p.x;
      float a = v[0] + p.fx * (v[1] - v[0]);
      float b = v[row] + p.fx * (v[row + 1] - v[row]);
      const float *w = p.fz > 0 ? v + plane : v;
      float c = w[0] + p.fx * (w[1] - w[0]);
      float d = w[row] + p.fx * (w[row + 1] - w[row]);
      float near = a + p.fy * (b - a), far = c + p.fy * (d - c);
      out[i] = near + p.fz * (far - near);
      continue;
    }
    float sum = 0;
    for (int corner = 0; corner < 8; corner++) {
      int dz = corner >> 2, dy = corner >> 1 & 1, dx = corner & 1;
      if (!has(shape, p.z + dz, p.y + dy, p.x + dx)) continue;
      float weight = (dz ? p.fz : 1 - p.fz) * (dy ? p.fy : 1 - p.fy) * (dx ? p.fx : 1 - p.fx);
      sum += weight * source[(p.z + dz) * plane + (p.y + dy) * row + p.x + dx];
    }
    out[i] = sum;
  }
}

MT_MULTIVERSION
void mt_affine_nearest_row(float *out, const float *source, const int64_t shape[3], const double start[3],
                           const double step[3], size_t count) {
  for (size_t i = 0; i < count; i++) {
    point p = locate(start, step, i);
    int64_t z = p.z + (p.fz > 0.5f), y = p.y + (p.fy > 0.5f), x = p.x + (p.fx > 0.5f);
    out[i] = has(shape, z, y, x) ? source[(z * shape[1] + y) * shape[2] + x] : 0;
  }
}

// The label with the largest share of a point's weight.
static int16_t elect(const int16_t labels[8], point p) {
  int16_t known[8];
  float shares[8];
  int distinct = 0;
  for (int corner = 0; corner < 8; corner++) {
    int dz = corner >> 2, dy = corner >> 1 & 1, dx = corner & 1;
    float weight = (dz ? p.fz : 1 - p.fz) * (dy ? p.fy : 1 - p.fy) * (dx ? p.fx : 1 - p.fx);
    int place = 0;
    while (place < distinct && known[place] != labels[corner]) place++;
    if (place == distinct) {
      known[distinct] = labels[corner];
      shares[distinct++] = 0;
    }
    shares[place] += weight;
  }
  // The reference compares thousandths in half precision, which makes ties.
  float best = -1;
  for (int k = 0; k < distinct; k++) {
    shares[k] = (float)(_Float16)(shares[k] * 1000.0f);
    best = shares[k] > best ? shares[k] : best;
  }
  int near = (p.fz > 0.5f ? 4 : 0) | (p.fy > 0.5f ? 2 : 0) | (p.fx > 0.5f ? 1 : 0);
  int16_t winner = INT16_MAX;
  for (int k = 0; k < distinct; k++) {
    if (shares[k] != best) continue;
    if (known[k] == labels[near]) return known[k];
    winner = known[k] < winner ? known[k] : winner;
  }
  return winner;
}

MT_MULTIVERSION
void mt_affine_labels_row(int16_t *out, const int16_t *source, const int64_t shape[3], const double start[3],
                          const double step[3], size_t count, int nearest) {
  const int64_t row = shape[2], plane = shape[1] * shape[2];
  for (size_t i = 0; i < count; i++) {
    point p = locate(start, step, i);
    if (nearest) {
      int64_t z = p.z + (p.fz > 0.5f), y = p.y + (p.fy > 0.5f), x = p.x + (p.fx > 0.5f);
      out[i] = has(shape, z, y, x) ? source[z * plane + y * row + x] : -1;
      continue;
    }
    int16_t corners[8];
    if (has_all(shape, p)) {
      const int16_t *v = source + p.z * plane + p.y * row + p.x;
      const int16_t *w = p.fz > 0 ? v + plane : v;
      int16_t one = v[0];
      if (one == v[1] && one == v[row] && one == v[row + 1] && one == w[0] && one == w[1] && one == w[row] &&
          one == w[row + 1]) {
        out[i] = one;
        continue;
      }
      corners[0] = v[0], corners[1] = v[1], corners[2] = v[row], corners[3] = v[row + 1];
      corners[4] = w[0], corners[5] = w[1], corners[6] = w[row], corners[7] = w[row + 1];
    } else {
      for (int corner = 0; corner < 8; corner++) {
        int64_t z = p.z + (corner >> 2), y = p.y + (corner >> 1 & 1), x = p.x + (corner & 1);
        corners[corner] = has(shape, z, y, x) ? source[z * plane + y * row + x] : -1;
      }
    }
    out[i] = elect(corners, p);
  }
}

MT_MULTIVERSION
void mt_weighted_rows(float *out, const float *const *rows, const float *weights, size_t taps, size_t count) {
  float *restrict target = out;
  // Few taps at a time keep the sums in registers.
  for (size_t i = 0; i < count; i++) target[i] = weights[0] * rows[0][i];
  for (size_t t = 1; t < taps; t++) {
    const float *restrict row = rows[t];
    const float weight = weights[t];
    for (size_t i = 0; i < count; i++) target[i] += weight * row[i];
  }
}

MT_MULTIVERSION
void mt_interpolate_row(float *out, const float *row, const int32_t *first, const int32_t *second, const float *share,
                        size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = (1.0f - share[i]) * row[first[i]] + share[i] * row[second[i]];
}

MT_MULTIVERSION
void mt_shifted_moments(const float *values, size_t count, double shift, double moments[4]) {
  enum { LANES = 16, BLOCK = 1024 };
  float low[LANES], high[LANES];
  double sum = 0, squares = 0;
  for (size_t lane = 0; lane < LANES; lane++) low[lane] = INFINITY, high[lane] = -INFINITY;
  const float offset = (float)shift;
  for (size_t begin = 0; begin < count; begin += BLOCK) {
    size_t end = begin + BLOCK < count ? begin + BLOCK : count;
    float total[LANES] = {0}, square[LANES] = {0};
    size_t i = begin;
    for (; i + LANES <= end; i += LANES) {
      for (size_t lane = 0; lane < LANES; lane++) {
        float value = values[i + lane] - offset;
        low[lane] = value < low[lane] ? value : low[lane];
        high[lane] = value > high[lane] ? value : high[lane];
        total[lane] += value;
        square[lane] += value * value;
      }
    }
    for (; i < end; i++) {
      float value = values[i] - offset;
      low[0] = value < low[0] ? value : low[0];
      high[0] = value > high[0] ? value : high[0];
      total[0] += value;
      square[0] += value * value;
    }
    for (size_t lane = 0; lane < LANES; lane++) sum += total[lane], squares += square[lane];
  }
  for (size_t lane = 1; lane < LANES; lane++) {
    low[0] = low[lane] < low[0] ? low[lane] : low[0];
    high[0] = high[lane] > high[0] ? high[lane] : high[0];
  }
  moments[0] = low[0];
  moments[1] = high[0];
  moments[2] = sum;
  moments[3] = squares;
}

MT_MULTIVERSION
void mt_scale_clamp(float *values, size_t count, float scale, float shift, float low, float high) {
  for (size_t i = 0; i < count; i++) {
    float value = values[i] * scale + shift;
    value = value < low ? low : value;
    values[i] = value > high ? high : value;
  }
}

MT_MULTIVERSION
void mt_gamma(float *values, size_t count, float sign, float low, float range, float gamma, double centre,
              double sums[2]) {
  enum { LANES = 16, BLOCK = 1024 };
  const float scale = 1.0f / (range > 1e-7f ? range : 1e-7f), offset = (float)centre;
  double sum = 0, squares = 0;
  for (size_t begin = 0; begin < count; begin += BLOCK) {
    size_t end = begin + BLOCK < count ? begin + BLOCK : count;
    for (size_t i = begin; i < end; i++) {
      float ratio = (sign * values[i] - low) * scale;
      float power = mt_exp(gamma * mt_log(ratio));
      values[i] = (ratio > 0 ? power : 0.0f) * range + low;
    }
    float total[LANES] = {0}, square[LANES] = {0};
    size_t i = begin;
    for (; i + LANES <= end; i += LANES) {
      for (size_t lane = 0; lane < LANES; lane++) {
        float value = values[i + lane] - offset;
        total[lane] += value;
        square[lane] += value * value;
      }
    }
    for (; i < end; i++) {
      float value = values[i] - offset;
      total[0] += value;
      square[0] += value * value;
    }
    for (size_t lane = 0; lane < LANES; lane++) sum += total[lane], squares += square[lane];
  }
  sums[0] = sum;
  sums[1] = squares;
}

// SplitMix64's output for a position of its stream.
static inline uint64_t scramble(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

MT_MULTIVERSION
void mt_add_noise(float *values, size_t count, float deviation, uint64_t key, uint64_t first) {
  // Two numbers at a time from two uniform ones (Box and Muller). `first` is even.
  for (size_t i = 0; i < count; i += 2) {
    uint64_t bits = scramble(key + ((first + i) / 2 + 1) * 0x9E3779B97F4A7C15ull);
    float u = ((float)(int32_t)(bits >> 40) + 0.5f) * (1.0f / 16777216.0f);
    float radius = deviation * __builtin_elementwise_sqrt(-2.0f * mt_log(u));
    // The angle in quarter turns: whole ones exchange sine and cosine and their signs, the rest goes into series.
    const float magic = 12582912.0f;
    float quarters = (float)(int32_t)(bits & 0xFFFFFF) * (4.0f / 16777216.0f);
    float shifted = quarters + magic;
    int32_t whole = mt_bits(shifted) - mt_bits(magic);
    float a = (quarters - (shifted - magic)) * 1.57079632679489662f, b = a * a;
    float sine = a * (1.0f + b * (-1.6666667e-1f + b * (8.3333333e-3f - b * 1.9841270e-4f)));
    float cosine = 1.0f + b * (-0.5f + b * (4.1666667e-2f + b * (-1.3888889e-3f + b * 2.4801587e-5f)));
    float x = whole & 1 ? sine : cosine, y = whole & 1 ? cosine : sine;
    x = (whole + 1) & 2 ? -x : x;
    y = whole & 2 ? -y : y;
    values[i] += radius * x;
    if (i + 1 < count) values[i + 1] += radius * y;
  }
}

MT_MULTIVERSION
void mt_mask_row(float *values, const int16_t *labels, size_t count) {
  for (size_t i = 0; i < count; i++) values[i] = labels[i] < 0 ? 0.0f : values[i];
}

MT_MULTIVERSION
int16_t mt_largest_label(const int16_t *labels, size_t count) {
  int16_t largest = INT16_MIN;
  for (size_t i = 0; i < count; i++) largest = labels[i] > largest ? labels[i] : largest;
  return largest;
}

MT_MULTIVERSION
void mt_copy_labels(int16_t *out, const int16_t *labels, size_t count, int reversed) {
  if (reversed) {
    for (size_t i = 0; i < count; i++) {
      int16_t label = labels[count - 1 - i];
      out[i] = label < 0 ? 0 : label;
    }
  } else {
    for (size_t i = 0; i < count; i++) out[i] = labels[i] < 0 ? 0 : labels[i];
  }
}

MT_MULTIVERSION
void mt_dilate_row(uint8_t *out, const int32_t *prefix, size_t margin, size_t before, size_t after, size_t count) {
  const int32_t *restrict left = prefix + margin - before;
  const int32_t *restrict right = prefix + margin + after + 1;
  for (size_t i = 0; i < count; i++) out[i] |= right[i] != left[i];
}
