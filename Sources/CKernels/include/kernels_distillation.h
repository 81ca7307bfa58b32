// Distillation: how far a network's answers are from those of its teachers, and the gradient.
#ifndef MICROTOME_KERNELS_DISTILLATION_H
#define MICROTOME_KERNELS_DISTILLATION_H

#include <stddef.h>
#include <stdint.h>

// Channels lie `stride` values apart; `count` voxels are done. With p = softmax(teacher * inverse) and
// q = softmax(student * inverse): returns the sum over voxels and channels of p (ln p - ln q), and adds
// weight * (q - p) to the gradient.
double mt_distill_softmax(const float *student, const float *teacher, size_t stride, size_t channels, size_t count,
                          float inverse, float weight, float *gradient);
// The same for channels of their own: p and q are sigmoids, and each channel gives p ln(p/q) + (1-p) ln((1-p)/(1-q)).
double mt_distill_sigmoid(const float *student, const float *teacher, size_t stride, size_t channels, size_t count,
                          float inverse, float weight, float *gradient);
// The means of boxes of factors[0] x factors[1] x factors[2] voxels; `shape` is that of the result.
void mt_mean_boxes(const float *values, const size_t *shape, const size_t *factors, float *means);
// sum[i] = sum[i] + values[i], and values[i] = values[i] * factor
void mt_add_floats(float *sum, const float *values, size_t count);
void mt_scale_floats(float *values, float factor, size_t count);
// To half precision and back; what is beyond its range becomes its largest number.
void mt_floats_to_half(uint16_t *half, const float *values, size_t count);
void mt_half_to_floats(float *values, const uint16_t *half, size_t count);

#endif
