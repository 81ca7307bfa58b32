// Probabilities from logits.
#ifndef MICROTOME_KERNELS_ACTIVATIONS_H
#define MICROTOME_KERNELS_ACTIVATIONS_H

#include <stddef.h>

/// result[c][i] = exp(logits[c][i]) / sum over c, for i in 0..<count; `stride` is the distance between channels.
void mt_softmax(const float *logits, float *result, size_t channels, size_t stride, size_t count);

/// result[c][i] = sigmoid(logits[c][i]) - 1/2.
void mt_centered_sigmoid(const float *logits, float *result, size_t channels, size_t stride, size_t count);

#endif
