#include "dispatch.h"
#include "kernels_logits.h"

// A fused multiply-add would round once where the reference rounds twice.
#pragma STDC FP_CONTRACT OFF

typedef _Float16 half;

MT_MULTIVERSION
void mt_accumulate_plane(uint16_t *sum, ptrdiff_t sum_stride, const float *prediction, ptrdiff_t prediction_stride,
                         const uint16_t *weight, ptrdiff_t weight_stride, size_t rows, size_t columns, float scale) {
  for (size_t row = 0; row < rows; row++) {
    half *restrict total = (half *)sum + (ptrdiff_t)row * sum_stride;
    const float *restrict value = prediction + (ptrdiff_t)row * prediction_stride;
    const half *restrict share = (const half *)weight + (ptrdiff_t)row * weight_stride;
    for (size_t i = 0; i < columns; i++) {
      float product = (value[i] * scale) * (float)share[i];
      total[i] = (half)((float)total[i] + product);
    }
  }
}

MT_MULTIVERSION
void mt_accumulate_weights_plane(uint16_t *sum, ptrdiff_t sum_stride, const uint16_t *weight, ptrdiff_t weight_stride,
                                 size_t rows, size_t columns) {
  for (size_t row = 0; row < rows; row++) {
    half *restrict total = (half *)sum + (ptrdiff_t)row * sum_stride;
    const half *restrict share = (const half *)weight + (ptrdiff_t)row * weight_stride;
    for (size_t i = 0; i < columns; i++) total[i] = (half)((float)total[i] + (float)share[i]);
  }
}

MT_MULTIVERSION
int mt_divide_by_weights(uint16_t *logits, const uint16_t *weight, size_t count) {
  uint16_t *restrict bits = logits;
  const half *restrict share = (const half *)weight;
  uint16_t infinite = 0;
  for (size_t i = 0; i < count; i++) {
    union {
      half value;
      uint16_t bits;
    } in = {.bits = bits[i]}, out;
    out.value = (half)((float)in.value / (float)share[i]);
    bits[i] = out.bits;
    infinite |= (out.bits & 0x7FFF) == 0x7C00;
  }
  return infinite;
}

MT_MULTIVERSION
void mt_add_half(uint16_t *sum, const uint16_t *other, size_t count) {
  half *restrict total = (half *)sum;
  const half *restrict value = (const half *)other;
  for (size_t i = 0; i < count; i++) total[i] = (half)((float)total[i] + (float)value[i]);
}

MT_MULTIVERSION
int mt_divide_half(uint16_t *values, float divisor, size_t count) {
  uint16_t infinite = 0;
  for (size_t i = 0; i < count; i++) {
    union {
      half value;
      uint16_t bits;
    } in = {.bits = values[i]}, out;
    out.value = (half)((float)in.value / divisor);
    values[i] = out.bits;
    infinite |= (out.bits & 0x7FFF) == 0x7C00;
  }
  return infinite;
}

MT_MULTIVERSION
void mt_scale_to_half(uint16_t *out, const double *values, double factor, double divisor, size_t count) {
  half *restrict target = (half *)out;
  for (size_t i = 0; i < count; i++) target[i] = (half)(float)(values[i] * factor / divisor);
}

MT_MULTIVERSION
void mt_add_rows(float *sum, const float *values, size_t columns, int reversed) {
  float *restrict total = sum;
  const float *restrict value = values;
  if (reversed) {
    for (size_t i = 0; i < columns; i++) total[i] += value[columns - 1 - i];
  } else {
    for (size_t i = 0; i < columns; i++) total[i] += value[i];
  }
}

MT_MULTIVERSION
void mt_reverse_row(float *target, const float *values, size_t columns) {
  float *restrict out = target;
  const float *restrict value = values;
  for (size_t i = 0; i < columns; i++) out[i] = value[columns - 1 - i];
}
