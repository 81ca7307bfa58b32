#include "dispatch.h"
#include "kernels_logits.h"

// A fused multiply-add would round once where the reference rounds twice.
#pragma STDC FP_CONTRACT OFF

MT_MULTIVERSION
void mt_accumulate_weighted(uint16_t *sum, const float *prediction, const uint16_t *weight, size_t count) {
  _Float16 *restrict total = (_Float16 *)sum;
  const _Float16 *restrict share = (const _Float16 *)weight;
  for (size_t i = 0; i < count; i++) {
    float product = prediction[i] * (float)share[i];
    total[i] = (_Float16)((float)total[i] + product);
  }
}
