#include "dispatch.h"
#include "kernels_labels.h"

#include <math.h>

typedef _Float16 half;

// The sigmoid, evaluated in float on half-precision logits, exceeds one half for every positive logit but the smallest.
static const float region_threshold = 0x1p-24f;

// Two interpolated logits keep their order through rounding to half precision (relative error 2^-11 each) if at every
// neighbour the lead is at least 2^-9 of the larger magnitude; the absolute term covers subnormal logits.
static const float relative_margin = 0x1p-9f;
static const float absolute_margin = 0x1p-22f;

MT_MULTIVERSION
void mt_winners(uint16_t *label, const uint16_t *logits, size_t channels, ptrdiff_t channel_stride, size_t count,
                float *scratch) {
  float *restrict best = scratch;
  uint16_t *restrict winner = label;
  const half *restrict first = (const half *)logits;
  for (size_t i = 0; i < count; i++) {
    best[i] = (float)first[i];
    winner[i] = 0;
  }
  for (size_t channel = 1; channel < channels; channel++) {
    const half *restrict row = (const half *)logits + (ptrdiff_t)channel * channel_stride;
    for (size_t i = 0; i < count; i++) {
      float value = (float)row[i];
      winner[i] = value > best[i] ? (uint16_t)channel : winner[i];
      best[i] = value > best[i] ? value : best[i];
    }
  }
}

MT_MULTIVERSION
void mt_certain_winners(uint16_t *code, const uint16_t *logits, size_t channels, ptrdiff_t channel_stride, size_t count,
                        float *scratch) {
  float *restrict best = scratch;
  float *restrict second = scratch + count;
  uint16_t *restrict winner = code;
  const half *restrict first = (const half *)logits;
  for (size_t i = 0; i < count; i++) {
    best[i] = (float)first[i];
    second[i] = -INFINITY;
    winner[i] = 0;
  }
  for (size_t channel = 1; channel < channels; channel++) {
    const half *restrict row = (const half *)logits + (ptrdiff_t)channel * channel_stride;
    for (size_t i = 0; i < count; i++) {
      float value = (float)row[i];
      float loser = value > best[i] ? best[i] : value;
      winner[i] = value > best[i] ? (uint16_t)channel : winner[i];
      best[i] = value > best[i] ? value : best[i];
      second[i] = loser > second[i] ? loser : second[i];
    }
  }
  if (channels < 2) return;
  for (size_t i = 0; i < count; i++) {
    float magnitude = fmaxf(fabsf(best[i]), fabsf(second[i]));
    // Written so that a NaN is uncertain.
    winner[i] = best[i] - second[i] >= magnitude * relative_margin + absolute_margin ? winner[i] : MT_UNCERTAIN;
  }
}

MT_MULTIVERSION
void mt_region_labels(uint16_t *label, const uint16_t *logits, size_t channels, ptrdiff_t channel_stride, size_t count,
                      const uint16_t *region_labels) {
  uint16_t *restrict out = label;
  for (size_t i = 0; i < count; i++) out[i] = 0;
  for (size_t channel = 0; channel < channels; channel++) {
    const half *restrict row = (const half *)logits + (ptrdiff_t)channel * channel_stride;
    const uint16_t mark = region_labels[channel];
    for (size_t i = 0; i < count; i++) out[i] = (float)row[i] > region_threshold ? mark : out[i];
  }
}

MT_MULTIVERSION
void mt_certain_region_labels(uint16_t *code, const uint16_t *logits, size_t channels, ptrdiff_t channel_stride,
                              size_t count, const uint16_t *region_labels) {
  uint16_t *restrict out = code;
  mt_region_labels(code, logits, channels, channel_stride, count, region_labels);
  for (size_t channel = 0; channel < channels; channel++) {
    const half *restrict row = (const half *)logits + (ptrdiff_t)channel * channel_stride;
    for (size_t i = 0; i < count; i++) {
      float value = (float)row[i];
      int certain = value <= 0 || value >= absolute_margin;
      out[i] = certain ? out[i] : MT_UNCERTAIN;
    }
  }
}

MT_MULTIVERSION
void mt_agree(uint16_t *code, const uint16_t *a, const uint16_t *b, const uint16_t *c, const uint16_t *d,
              size_t count) {
  uint16_t *restrict out = code;
  for (size_t i = 0; i < count; i++) {
    uint16_t differs = (uint16_t)((a[i] ^ b[i]) | (a[i] ^ c[i]) | (a[i] ^ d[i]));
    out[i] = differs ? MT_UNCERTAIN : a[i];
  }
}

size_t mt_decide(uint16_t *label, const uint16_t *code, const int32_t *first, const int32_t *second, size_t count,
                 int32_t *undecided) {
  size_t waiting = 0;
  for (size_t i = 0; i < count; i++) {
    uint16_t left = code[first[i]], right = code[second[i]];
    label[i] = left;
    undecided[waiting] = (int32_t)i;
    waiting += (left != right) | (left == MT_UNCERTAIN);
  }
  return waiting;
}

MT_MULTIVERSION
void mt_blend_rows(float *blend, const uint16_t *a, const uint16_t *b, const uint16_t *c, const uint16_t *d, float wa,
                   float wb, float wc, float wd, size_t count) {
  float *restrict out = blend;
  const half *restrict ha = (const half *)a;
  const half *restrict hb = (const half *)b;
  const half *restrict hc = (const half *)c;
  const half *restrict hd = (const half *)d;
  for (size_t i = 0; i < count; i++)
    out[i] = (float)ha[i] * wa + (float)hb[i] * wb + (float)hc[i] * wc + (float)hd[i] * wd;
}

MT_MULTIVERSION
void mt_sample_columns(float *value, const float *blend, const int32_t *first, const int32_t *second,
                       const float *share, const int32_t *columns, size_t count, int round_to_half) {
  float *restrict out = value;
  for (size_t j = 0; j < count; j++) {
    int32_t column = columns[j];
    float right = share[column];
    out[j] = blend[first[column]] * (1.0f - right) + blend[second[column]] * right;
  }
  if (round_to_half) {
    for (size_t j = 0; j < count; j++) out[j] = (float)(half)out[j];
  }
}

MT_MULTIVERSION
void mt_keep_larger(float *best, uint16_t *label, const float *value, uint16_t channel, size_t count) {
  float *restrict top = best;
  uint16_t *restrict winner = label;
  for (size_t j = 0; j < count; j++) {
    winner[j] = value[j] > top[j] ? channel : winner[j];
    top[j] = value[j] > top[j] ? value[j] : top[j];
  }
}

MT_MULTIVERSION
void mt_keep_larger_half(float *best, uint16_t *label, const float *value, uint16_t channel, size_t count) {
  float *restrict top = best;
  uint16_t *restrict winner = label;
  for (size_t j = 0; j < count; j++) {
    winner[j] = value[j] > top[j] ? channel : winner[j];
    top[j] = value[j] > top[j] ? (float)(half)value[j] : top[j];
  }
}

MT_MULTIVERSION
void mt_mark_region(uint16_t *label, const float *value, uint16_t region_label, size_t count) {
  uint16_t *restrict out = label;
  for (size_t j = 0; j < count; j++) out[j] = value[j] > region_threshold ? region_label : out[j];
}
