#include "kernels_convolution_gradients.h"

#include <math.h>
#include <string.h>

#include "dispatch.h"

// Values of one place of a kernel between a block of channels and a block of outputs.
enum { points = 6, square = mt_lanes * mt_lanes };

static size_t blocks_of(size_t channels) { return (channels + mt_lanes - 1) / mt_lanes; }

size_t mt_weight_gradient_sums(const mt_convolution *c) {
  if (c->tile == 0) {
    size_t values = c->image_channels > 0 ? c->image_channels : blocks_of(c->inputs[0].channels) * mt_lanes;
    return c->output_blocks * c->kernel[0] * c->kernel[1] * c->kernel[2] * values * mt_lanes;
  }
  return points * points * blocks_of(c->inputs[0].channels) * c->output_blocks * c->kernel[0] * square;
}

// G' of the points 0, one over the square root of 2 and the square root of 2 with their negatives, and infinity.
static inline __attribute__((always_inline)) void narrow(const float (*u)[square], size_t stride, float (*w)[square]) {
  const float root = (float)M_SQRT2;
  for (size_t i = 0; i < square; i++) {
    float inner = u[stride][i] + u[2 * stride][i], outer = u[3 * stride][i] + u[4 * stride][i];
    float inner_difference = u[stride][i] - u[2 * stride][i], outer_difference = u[3 * stride][i] - u[4 * stride][i];
    w[0][i] = u[0][i] - 2.f / 3 * inner + 1.f / 6 * outer;
    w[1][i] = root * (1.f / 6 * outer_difference - 1.f / 3 * inner_difference);
    w[2][i] = 1.f / 3 * (outer - inner) + u[5 * stride][i];
  }
}

static void finish_rows(
    const mt_convolution *c, const float *const *sums, size_t sum_count, size_t input_block, float *result,
    mt_weight_strides strides) {
  const int is_image = c->image_channels > 0;
  const size_t channels = is_image ? 1 : mt_lanes;
  const size_t all = is_image ? c->image_channels : blocks_of(c->inputs[0].channels) * mt_lanes;
  const size_t places = c->kernel[0] * c->kernel[1] * c->kernel[2];
  for (size_t out = 0; out < c->output_blocks; out++) {
    for (size_t place = 0; place < places; place++) {
      const size_t from = ((out * places + place) * all + input_block * channels) * mt_lanes;
      float values[square];
      memcpy(values, sums[0] + from, channels * mt_lanes * sizeof(float));
      for (size_t s = 1; s < sum_count; s++) {
        for (size_t i = 0; i < channels * mt_lanes; i++) values[i] += sums[s][from + i];
      }
      float *to = result + (ptrdiff_t)(out * mt_lanes) * strides.output
                  + (ptrdiff_t)(input_block * channels) * strides.input
                  + (ptrdiff_t)(place / (c->kernel[1] * c->kernel[2])) * strides.z
                  + (ptrdiff_t)(place / c->kernel[2] % c->kernel[1]) * strides.y
                  + (ptrdiff_t)(place % c->kernel[2]) * strides.x;
      for (size_t i = 0; i < mt_lanes; i++) {
        for (size_t channel = 0; channel < channels; channel++) {
          to[(ptrdiff_t)i * strides.output + (ptrdiff_t)channel * strides.input] = values[channel * mt_lanes + i];
        }
      }
    }
  }
}

MT_MULTIVERSION
static void finish_tiles(
    const mt_convolution *c, const float *const *sums, size_t sum_count, size_t input_block, float *result,
    mt_weight_strides strides) {
  const size_t depth = c->kernel[0], point_stride = c->output_blocks * depth * square;
  for (size_t out = 0; out < c->output_blocks; out++) {
    for (size_t z = 0; z < depth; z++) {
      float half[points][3][square], w[3][square];
      for (size_t row = 0; row < points; row++) {
        float u[points][square];
        for (size_t column = 0; column < points; column++) {
          const size_t point = (input_block * points + row) * points + column;
          const size_t place = point * point_stride + (out * depth + z) * square;
          memcpy(u[column], sums[0] + place, sizeof(u[column]));
          for (size_t s = 1; s < sum_count; s++) {
            for (size_t i = 0; i < square; i++) u[column][i] += sums[s][place + i];
          }
        }
        narrow(u, 1, half[row]);
      }
      for (size_t x = 0; x < 3; x++) {
        narrow(half[0] + x, 3, w);
        for (size_t y = 0; y < 3; y++) {
          float *to = result + (ptrdiff_t)(input_block * mt_lanes) * strides.input + (ptrdiff_t)z * strides.z
                      + (ptrdiff_t)y * strides.y + (ptrdiff_t)x * strides.x;
          for (size_t i = 0; i < mt_lanes; i++) {
            for (size_t channel = 0; channel < mt_lanes; channel++) {
              to[(ptrdiff_t)(out * mt_lanes + i) * strides.output + (ptrdiff_t)channel * strides.input] =
                  w[y][channel * mt_lanes + i];
            }
          }
        }
      }
    }
  }
}

void mt_weight_gradient_finish(
    const mt_convolution *c, const float *const *sums, size_t sum_count, size_t input_block, float *result,
    mt_weight_strides strides) {
  (c->tile == 0 ? finish_rows : finish_tiles)(c, sums, sum_count, input_block, result, strides);
}
