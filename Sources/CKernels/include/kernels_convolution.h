// Convolutions and what comes with them in a network, on blocks of 16 channels.
//
// A blocked array is (blocks, Z, Y, X, 16), aligned to 64 bytes; lanes beyond the number of channels are zero. Convolutions
// take arrays of other strides too, as (Z, Y, X, blocks, 16). Work is cut into items that may run at the same time, each with
// scratch memory of its own.
#ifndef MICROTOME_KERNELS_CONVOLUTION_H
#define MICROTOME_KERNELS_CONVOLUTION_H

#include <stddef.h>
#include <stdint.h>

enum { mt_lanes = 16 };

/// The largest product of a convolution's kernel places and its input blocks (or an image's channels).
#define MT_MOST_PLACES 4096

/// How many floats lie between the beginnings of neighbours in an array of blocks of 16 channels: multiples of 16, but for
/// images.
typedef struct mt_strides {
  size_t block, z, y, x;
} mt_strides;

/// Channels as a reader sees them: value * scale + shift, multiplied by `slope` where that is negative. Normalisation and
/// activation so cost no pass over memory of their own.
typedef struct mt_features {
  const float *values;
  size_t channels;
  /// Only looked at by convolutions and enlargements; everything else takes blocked arrays.
  mt_strides strides;
  /// (blocks, 16); NULL leaves the values as they are.
  const float *scale;
  const float *shift;
  /// At most 1, which leaves negative values as they are.
  float slope;
} mt_features;

/// A convolution of features that lie one after the other along the channel axis. Sizes are (Z, Y, X).
typedef struct mt_convolution {
  const mt_features *inputs;
  size_t input_count;
  /// In place of `inputs`, if it has channels, which lie `block` apart and need not be aligned. Only without `tile`.
  const float *image;
  size_t image_channels;
  mt_strides image_strides;
  size_t input_size[3];
  size_t output_size[3];
  size_t kernel[3];
  size_t stride[3];
  ptrdiff_t padding[3];
  /// Winograd's method in Y and X (arXiv:1509.09308), making squares of so many results at once: 2 or 4. It takes kernels
  /// of 3 in Y and X, and strides of 1. 0 multiplies one by one.
  size_t tile;
  /// How much one item makes: so many slices of so many rows, of tiles if there are any.
  size_t item_slices;
  size_t item_rows;
  size_t output_blocks;
  /// Multiplies bfloat16 by bfloat16 and adds up in floats. Not for images, whose few channels save nothing.
  int is_bf16;
  /// Floats, with tiles (points, output block, kernel z, channel, 16), else (output block, kernel z, kernel y, kernel x,
  /// channel, 16). In bfloat16 (..., pair of channels, 16, 2), where an input of an odd number of channels has one more, of
  /// zeros.
  const void *weights;
  /// (output blocks, 16) or NULL.
  const float *bias;
  float *output;
  mt_strides output_strides;
  /// (items, output blocks, 4, 16) or NULL: how many voxels, a value near them, the sum of what they differ from it and the
  /// sum of its squares, each per channel.
  float *statistics;
} mt_convolution;

/// Instruction sets, each of which holds those before it: what every processor has, AVX2, AVX-512.
typedef enum mt_level { mt_level_plain, mt_level_avx2, mt_level_avx512 } mt_level;

/// The most that this processor has.
mt_level mt_level_of_processor(void);
/// From now on no more than `level` is used, so that one processor can try out all of them.
void mt_convolution_limit(mt_level level);
/// Whether this processor has what these kernels are written for.
int mt_convolution_is_fast(void);
/// Whether it multiplies bfloat16, so that `is_bf16` saves time. Elsewhere the result is nearly the same, but takes longer.
int mt_convolution_has_bf16(void);
/// How far apart weights lie that differ by one in output, input, kernel z, y, or x; negative where the order is reversed.
typedef struct mt_weight_strides {
  ptrdiff_t output, input, z, y, x;
} mt_weight_strides;

/// The weights of one output block for Winograd's method, G w G' of each kernel's Y and X, in the order of `mt_convolution`.
void mt_tile_weights(
    const float *weights, mt_weight_strides strides, size_t outputs, size_t inputs, size_t depth, size_t tile,
    size_t block, float *result);
/// The same for multiplying one by one.
void mt_row_weights(
    const float *weights, mt_weight_strides strides, size_t outputs, size_t inputs, const size_t kernel[3], size_t block,
    float *result);

/// Rows of 16 floats, an even number of them, as bfloat16 with two rows' values side by side: (rows / 2, 16, 2).
void mt_pair_rows(const float *rows, size_t count, uint16_t *pairs);

size_t mt_convolution_items(const mt_convolution *convolution);
/// In floats.
size_t mt_convolution_scratch(const mt_convolution *convolution);
void mt_convolution_run(const mt_convolution *convolution, size_t item, float *scratch);

/// A transposed convolution whose kernel is its stride. An item is one row (X) of the input.
/// Weights are (kernel z, kernel y, kernel x, output block, channel, 16), or such pairs.
size_t mt_enlargement_items(const mt_convolution *convolution);
size_t mt_enlargement_scratch(const mt_convolution *convolution);
void mt_enlargement_run(const mt_convolution *convolution, size_t item, float *scratch);

/// output[i] = the sum of all inputs at voxels `start` to `end`, for every block.
void mt_features_sum(
    const mt_features *inputs, size_t input_count, size_t voxels, size_t start, size_t end, float *output);

/// The mean over windows that touch, for slice `z` of the output of one block.
void mt_features_pool(
    const mt_features *input, size_t block, const size_t input_size[3], const size_t output_size[3],
    const size_t window[3], size_t z, float *output);

/// As a convolution's statistics, over voxels `start` to `end` of one block: (4, 16).
void mt_features_statistics(
    const mt_features *input, size_t block, size_t voxels, size_t start, size_t end, float *statistics);

/// Voxels `start` to `end` as (channels, voxels), or with `channels_last` as (voxels, channels): from channel `first` of
/// `channels` on.
void mt_features_unblock(
    const mt_features *input, size_t voxels, size_t start, size_t end, size_t first, size_t channels, int channels_last,
    float *output);

#endif
