// What a training step does between convolutions, on arrays whose channels lie side by side: element (v, c) of voxel v and
// channel c at v * channels + c. Each function works on some voxels of one sample, so that callers can share the work out.
#ifndef MICROTOME_KERNELS_TRAINING_H
#define MICROTOME_KERNELS_TRAINING_H

#include <stddef.h>

/// Adds to `sums[c]` the sum of x - pivot[c], and to `squares[c]` the sum of its square. The pivot, any value in the
/// range of the data, keeps the variance exact where the mean is large.
void mt_channel_sums(const float *x, const float *pivot, size_t voxels, size_t channels, double *sums, double *squares);

/// y = activation(a[c] x + b[c]), where the activation multiplies negative numbers by `slope`.
void mt_channel_affine(const float *x, float *y, size_t voxels, size_t channels, const float *a, const float *b,
                       float slope);

/// The way back through `mt_channel_affine`: with d = dy times the activation's slope, adds to `sums[c]` the sum of d and
/// to `products[c]` the sum of d (x - mean[c]).
void mt_channel_gradient_sums(const float *x, const float *dy, size_t voxels, size_t channels, const float *a,
                              const float *b, const float *mean, float slope, double *sums, double *products);

/// dx = p[c] d + q[c] + r[c] (x - mean[c]) with d as above. `dx` may be `dy`.
void mt_channel_gradient(const float *x, const float *dy, float *dx, size_t voxels, size_t channels, const float *a,
                         const float *b, const float *mean, float slope, const float *p, const float *q,
                         const float *r);

/// sum = activation(x + y).
void mt_add_activate(const float *x, const float *y, float *sum, size_t count, float slope);

/// dx = dy where `result` (of an activation) is positive, slope dy elsewhere. `dx` may be `dy`.
void mt_activation_gradient(const float *result, const float *dy, float *dx, size_t count, float slope);

/// sum += addend.
void mt_accumulate(float *sum, const float *addend, size_t count);

/// Copies `channels` numbers of each voxel between arrays with other numbers of channels a voxel.
void mt_copy_channels(const float *from, size_t from_channels, float *to, size_t to_channels, size_t channels,
                      size_t voxels);

/// The sum of squares.
double mt_square_sum(const float *x, size_t count);

/// One step of gradient descent with Nesterov momentum, as PyTorch's SGD:
/// g = factor gradient + decay p; m = momentum m + g; p -= rate (g + momentum m).
void mt_descend(float *parameters, float *momenta, const float *gradients, size_t count, float factor, float decay,
                float momentum, float rate);

/// The numbers of a step of Adam: `factor` times the gradient plus `decay` times the parameter is the slope; the moments
/// follow it by their shares; parameters are multiplied by `shrink` and lose rate m / (sqrt(v) second_correction + epsilon).
typedef struct {
  float factor, decay, shrink, first_share, second_kept, second_share, rate, second_correction, epsilon;
} mt_adam_step;

/// One step of Adam; `largest` is NULL where the largest second moments are not kept.
void mt_adam(float *parameters, float *first, float *second, float *largest, const float *gradients, size_t count,
             const mt_adam_step *step);

/// The numbers of a step of Adan: the shares by which its three averages follow, what they are multiplied with because
/// they began as 0, the share of the gradient's change that is looked ahead, and what decay multiplies with.
typedef struct {
  float factor, a, b, c, ahead, m_correction, v_correction, n_correction, rate, epsilon, shrink;
} mt_adan_step;

/// One step of Adan; `before` is the gradient of the step before.
void mt_adan(float *parameters, float *before, float *m, float *v, float *n, const float *gradients, size_t count,
             const mt_adan_step *step);

#endif
