// Weights in the order in which the kernels of convolutions read them.
#include <math.h>
#include <string.h>

#include "dispatch.h"
#include "kernels_convolution.h"

// G for 2 results with the points 0, 1, -1 and infinity, and for 4 with those of convolution_geometry.h.
static const double mt_two_results[4][3] = {{1, 0, 0}, {1. / 2, 1. / 2, 1. / 2}, {1. / 2, -1. / 2, 1. / 2}, {0, 0, 1}};
static const double mt_four_results[6][3] = {
    {1, 0, 0},
    {-2. / 3, -M_SQRT2 / 3, -1. / 3},
    {-2. / 3, M_SQRT2 / 3, -1. / 3},
    {1. / 6, M_SQRT2 / 6, 1. / 3},
    {1. / 6, -M_SQRT2 / 6, 1. / 3},
    {0, 0, 1}};

MT_MULTIVERSION
void mt_tile_weights(
    const float *weights, mt_weight_strides strides, size_t outputs, size_t inputs, size_t depth, size_t tile,
    size_t block, float *result) {
  const double(*matrix)[3] = tile == 2 ? mt_two_results : mt_four_results;
  const size_t edge = tile + 2, blocks = (outputs + mt_lanes - 1) / mt_lanes;
  const size_t lanes = outputs - block * mt_lanes < mt_lanes ? outputs - block * mt_lanes : mt_lanes;
  for (size_t input = 0; input < inputs; input++) {
    for (size_t z = 0; z < depth; z++) {
      // Kernels of 16 outputs side by side; then with their rows, then with their columns multiplied.
      double kernel[9][mt_lanes] = {{0}}, half[6][3][mt_lanes];
      for (size_t lane = 0; lane < lanes; lane++) {
        const float *from = weights + (ptrdiff_t)(block * mt_lanes + lane) * strides.output
                            + (ptrdiff_t)input * strides.input + (ptrdiff_t)z * strides.z;
        for (ptrdiff_t i = 0; i < 9; i++) kernel[i][lane] = from[i / 3 * strides.y + i % 3 * strides.x];
      }
      for (size_t p = 0; p < edge; p++) {
        const double *g = matrix[p];
        for (size_t x = 0; x < 3; x++) {
          for (size_t lane = 0; lane < mt_lanes; lane++) {
            half[p][x][lane] = g[0] * kernel[x][lane] + g[1] * kernel[3 + x][lane] + g[2] * kernel[6 + x][lane];
          }
        }
      }
      for (size_t p = 0; p < edge * edge; p++) {
        const double *g = matrix[p % edge];
        double(*row)[mt_lanes] = half[p / edge];
        float *to = result + (((p * blocks + block) * depth + z) * inputs + input) * mt_lanes;
        for (size_t lane = 0; lane < mt_lanes; lane++) {
          to[lane] = (float)(g[0] * row[0][lane] + g[1] * row[1][lane] + g[2] * row[2][lane]);
        }
      }
    }
  }
}

void mt_row_weights(
    const float *weights, mt_weight_strides strides, size_t outputs, size_t inputs, const size_t kernel[3], size_t block,
    float *result) {
  const size_t lanes = outputs - block * mt_lanes < mt_lanes ? outputs - block * mt_lanes : mt_lanes;
  const size_t places = kernel[0] * kernel[1] * kernel[2];
  float *to = result + block * places * inputs * mt_lanes;
  for (size_t place = 0; place < places; place++) {
    const float *from = weights + (ptrdiff_t)(block * mt_lanes) * strides.output
                        + (ptrdiff_t)(place / (kernel[1] * kernel[2])) * strides.z
                        + (ptrdiff_t)(place / kernel[2] % kernel[1]) * strides.y + (ptrdiff_t)(place % kernel[2]) * strides.x;
    for (size_t input = 0; input < inputs; input++, from += strides.input, to += mt_lanes) {
      for (size_t lane = 0; lane < mt_lanes; lane++) to[lane] = lane < lanes ? from[(ptrdiff_t)lane * strides.output] : 0;
    }
  }
}

MT_MULTIVERSION
void mt_pair_rows(const float *rows, size_t count, uint16_t *pairs) {
  for (; count >= 2; count -= 2, rows += 2 * mt_lanes, pairs += 2 * mt_lanes) {
    uint32_t bits[2 * mt_lanes];
    memcpy(bits, rows, sizeof(bits));
    for (size_t lane = 0; lane < mt_lanes; lane++) {
      // To the nearest, and to the even one of two.
      uint32_t first = bits[lane], second = bits[mt_lanes + lane];
      pairs[2 * lane] = (uint16_t)((first + 0x7fff + (first >> 16 & 1)) >> 16);
      pairs[2 * lane + 1] = (uint16_t)((second + 0x7fff + (second >> 16 & 1)) >> 16);
    }
  }
}
