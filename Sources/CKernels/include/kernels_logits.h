// Accumulating and reducing logits held in IEEE half precision.
#ifndef MICROTOME_KERNELS_LOGITS_H
#define MICROTOME_KERNELS_LOGITS_H

#include <stddef.h>
#include <stdint.h>

/// sum[i] = half(float(sum[i]) + prediction[i] * float(weight[i])) for i < count, the product rounded to float first.
void mt_accumulate_weighted(uint16_t *sum, const float *prediction, const uint16_t *weight, size_t count);

#endif
