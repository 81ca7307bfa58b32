// The gradient of a convolution's weights by Winograd's method: transposed, its three linear steps give
//   G' ((A dy A') . (B' x B)) G
// where x are the tiles that a forward pass reads, and dy those of the result's gradient.
#ifndef MICROTOME_KERNELS_CONVOLUTION_GRADIENTS_H
#define MICROTOME_KERNELS_CONVOLUTION_GRADIENTS_H

#include "kernels_convolution.h"

/// The number of floats in the sums of `mt_weight_gradient_run`.
size_t mt_weight_gradient_sums(const mt_convolution *convolution);
/// In floats, what `mt_weight_gradient_run` needs.
size_t mt_weight_gradient_scratch(const mt_convolution *convolution);

/// Adds what one item, of as many as `mt_convolution_items` says, contributes.
///
/// - convolution: the forward pass with tiles of 4, one input, and channels last; weights and output are not looked at.
/// - gradient: the result's, (Z, Y, X, channels).
/// - sums: (input block, points, output block, kernel z, channel, 16).
void mt_weight_gradient_run(
    const mt_convolution *convolution, const float *gradient, size_t item, float *scratch, float *sums);

/// The gradient of the weights of one input block.
///
/// - sums: several, which are added.
/// - result: where the gradient goes, laid out as `strides` says.
void mt_weight_gradient_finish(
    const mt_convolution *convolution, const float *const *sums, size_t sum_count, size_t input_block, float *result,
    mt_weight_strides strides);

#endif
