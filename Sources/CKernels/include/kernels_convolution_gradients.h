// The gradient of a convolution's weights: for each place of the kernel a sum of outer products of what it meets and of
// the result's gradient. By Winograd's method its three linear steps, transposed, give
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
/// - convolution: the forward pass, with one input, and tiles of 4 or none; weights and output are not looked at.
/// - gradient: the result's.
/// - sums: with tiles (input block, points, output block, kernel z, channel, 16); else (output block, kernel z, y, x,
///   channel, 16), where the channels of inputs come in whole blocks.
void mt_weight_gradient_run(
    const mt_convolution *convolution, const mt_features *gradient, size_t item, float *scratch, float *sums);

/// The gradient of the weights of one input block, or with an image of one of its channels.
///
/// - sums: several, which are added.
/// - result: where the gradient goes, laid out as `strides` says.
void mt_weight_gradient_finish(
    const mt_convolution *convolution, const float *const *sums, size_t sum_count, size_t input_block, float *result,
    mt_weight_strides strides);

#endif
