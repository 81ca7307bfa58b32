// Volumes with their axes exchanged or reversed.
#include "dispatch.h"
#include "kernels_augmentation.h"

// Tiles of the two axes along which the source and the result are contiguous: each line of memory is touched once.
enum { TILE = 16 };

#define PERMUTE(NAME, TYPE)                                                                                            \
  MT_MULTIVERSION                                                                                                      \
  void NAME(TYPE *out, const TYPE *source, const int64_t shape[3], const int64_t steps[3]) {                           \
    const int64_t nx = shape[2], plane = shape[1] * nx;                                                                \
    if (steps[2] == 1 || steps[2] == -1) {                                                                             \
      for (int64_t z = 0; z < shape[0]; z++) {                                                                         \
        for (int64_t y = 0; y < shape[1]; y++) {                                                                       \
          const TYPE *restrict from = source + z * steps[0] + y * steps[1];                                            \
          TYPE *restrict to = out + z * plane + y * nx;                                                                \
          if (steps[2] == 1) {                                                                                         \
            for (int64_t x = 0; x < nx; x++) to[x] = from[x];                                                          \
          } else {                                                                                                     \
            for (int64_t x = 0; x < nx; x++) to[x] = from[-x];                                                         \
          }                                                                                                            \
        }                                                                                                              \
      }                                                                                                                \
      return;                                                                                                          \
    }                                                                                                                  \
    const int inner = steps[1] == 1 || steps[1] == -1 ? 1 : 0;                                                         \
    const int64_t stride = inner ? nx : plane, outer = inner ? plane : nx, step = steps[inner];                        \
    for (int64_t k = 0; k < shape[1 - inner]; k++) {                                                                   \
      for (int64_t i0 = 0; i0 < shape[inner]; i0 += TILE) {                                                            \
        const int64_t ni = shape[inner] - i0 < TILE ? shape[inner] - i0 : TILE;                                        \
        for (int64_t x0 = 0; x0 < nx; x0 += TILE) {                                                                    \
          const int64_t tx = nx - x0 < TILE ? nx - x0 : TILE;                                                          \
          TYPE tile[TILE][TILE];                                                                                       \
          for (int64_t x = 0; x < tx; x++) {                                                                           \
            const TYPE *from = source + k * steps[1 - inner] + i0 * step + (x0 + x) * steps[2];                        \
            if (step == 1 && ni == TILE) {                                                                             \
              for (int i = 0; i < TILE; i++) tile[x][i] = from[i];                                                     \
            } else {                                                                                                   \
              for (int64_t i = 0; i < ni; i++) tile[x][i] = from[i * step];                                            \
            }                                                                                                          \
          }                                                                                                            \
          TYPE *to = out + k * outer + i0 * stride + x0;                                                               \
          if (ni == TILE && tx == TILE) {                                                                              \
            for (int i = 0; i < TILE; i++) {                                                                           \
              for (int x = 0; x < TILE; x++) to[i * stride + x] = tile[x][i];                                          \
            }                                                                                                          \
            continue;                                                                                                  \
          }                                                                                                            \
          for (int64_t i = 0; i < ni; i++) {                                                                           \
            for (int64_t x = 0; x < tx; x++) to[i * stride + x] = tile[x][i];                                          \
          }                                                                                                            \
        }                                                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
  }

PERMUTE(mt_permute_floats, float)
PERMUTE(mt_permute_labels, int16_t)
