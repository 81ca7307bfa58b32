#include "dispatch.h"
#include "kernels_layout.h"

#include <stdint.h>
#include <string.h>

// A tile is as wide and as high as a cache line. It passes through a small buffer, so that every line of source and result
// is touched once and whole: rows a power of two apart would otherwise evict each other from the cache.
enum { line = 64 };

// Vectorising the walk down a column makes scatter instructions, slower than the plain stores they replace.
#if defined(__clang__)
#define WITHOUT_SCATTERS _Pragma("clang loop vectorize(disable)")
#else
#define WITHOUT_SCATTERS
#endif

#define TRANSPOSE(TYPE)                                                                                   \
  do {                                                                                                    \
    enum { tile = line / sizeof(TYPE) };                                                                  \
    TYPE moved[tile][tile];                                                                               \
    for (size_t r = 0; r < rows; r += tile) {                                                             \
      size_t height = rows - r < tile ? rows - r : tile;                                                  \
      for (size_t c = 0; c < columns; c += tile) {                                                        \
        size_t width = columns - c < tile ? columns - c : tile;                                           \
        const TYPE *from = (const TYPE *)source + (ptrdiff_t)r * source_stride + (ptrdiff_t)c;            \
        TYPE *to = (TYPE *)result + (ptrdiff_t)c * result_stride + (ptrdiff_t)r;                          \
        if (height == tile && width == tile) {                                                            \
          for (ptrdiff_t i = 0; i < tile; i++) {                                                          \
            __builtin_prefetch(from + i * source_stride + 4 * tile);                                      \
            WITHOUT_SCATTERS                                                                              \
            for (ptrdiff_t j = 0; j < tile; j++) moved[j][i] = from[i * source_stride + j];               \
          }                                                                                               \
          for (ptrdiff_t j = 0; j < tile; j++) memcpy(to + j * result_stride, moved[j], line);            \
        } else {                                                                                          \
          for (ptrdiff_t j = 0; j < (ptrdiff_t)width; j++) {                                              \
            for (ptrdiff_t i = 0; i < (ptrdiff_t)height; i++) {                                           \
              to[j * result_stride + i] = from[i * source_stride + j];                                    \
            }                                                                                             \
          }                                                                                               \
        }                                                                                                 \
      }                                                                                                   \
    }                                                                                                     \
  } while (0)

MT_MULTIVERSION
void mt_transpose(
    const void *source, ptrdiff_t source_stride, void *result, ptrdiff_t result_stride, size_t rows, size_t columns,
    size_t size) {
  switch (size) {
    case 1: TRANSPOSE(uint8_t); break;
    case 2: TRANSPOSE(uint16_t); break;
    case 4: TRANSPOSE(uint32_t); break;
    default: TRANSPOSE(uint64_t); break;
  }
}
