// Convolutions of one voxel to fewer than 16 channels, as networks have in front of their answers, forth and back.
//
// Arrays are (voxels, channels), weights (outputs, channels); channels come in sixteens.
#ifndef MICROTOME_KERNELS_POINTWISE_H
#define MICROTOME_KERNELS_POINTWISE_H

#include <stddef.h>

/// y[v][k] = the sum of x[v][c] weights[k][c] over c, and bias[k] unless `bias` is NULL.
void mt_pointwise(
    const float *x, const float *weights, const float *bias, float *y, size_t voxels, size_t channels, size_t outputs);
/// result[v][c] = the sum of gradient[v][k] weights[k][c] over k, and bias[c] unless `bias` is NULL.
void mt_pointwise_input_gradient(
    const float *gradient, const float *weights, const float *bias, float *result, size_t voxels, size_t channels,
    size_t outputs);
/// sums[k][c] += the sum of gradient[v][k] x[v][c] over v.
void mt_pointwise_weight_gradient(
    const float *x, const float *gradient, float *sums, size_t voxels, size_t channels, size_t outputs);

#endif
