#include "dispatch.h"
#include "kernels_layout.h"

#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// A tile of rows and columns whose cache lines are all used before any of them is evicted.
enum { tile = 16 };

#define TRANSPOSE_TILE(TYPE)                                                                            \
  do {                                                                                                  \
    const TYPE *restrict from = (const TYPE *)source + (ptrdiff_t)r * source_stride + (ptrdiff_t)c;     \
    TYPE *restrict to = (TYPE *)result + (ptrdiff_t)c * result_stride + (ptrdiff_t)r;                   \
    if (height == tile && width == tile) {                                                              \
      for (ptrdiff_t j = 0; j < tile; j++) {                                                            \
        for (ptrdiff_t i = 0; i < tile; i++) to[j * result_stride + i] = from[i * source_stride + j];   \
      }                                                                                                 \
    } else {                                                                                            \
      for (ptrdiff_t j = 0; j < (ptrdiff_t)width; j++) {                                                \
        for (ptrdiff_t i = 0; i < (ptrdiff_t)height; i++) {                                             \
          to[j * result_stride + i] = from[i * source_stride + j];                                      \
        }                                                                                               \
      }                                                                                                 \
    }                                                                                                   \
  } while (0)

MT_MULTIVERSION
void mt_transpose(
    const void *source, ptrdiff_t source_stride, void *result, ptrdiff_t result_stride, size_t rows, size_t columns,
    size_t size) {
  for (size_t r = 0; r < rows; r += tile) {
    size_t height = rows - r < tile ? rows - r : tile;
    for (size_t c = 0; c < columns; c += tile) {
      size_t width = columns - c < tile ? columns - c : tile;
      switch (size) {
        case 1: TRANSPOSE_TILE(uint8_t); break;
        case 2: TRANSPOSE_TILE(uint16_t); break;
        case 4: TRANSPOSE_TILE(uint32_t); break;
        default: TRANSPOSE_TILE(uint64_t); break;
      }
    }
  }
}

#define REVERSE(TYPE)                                                                  \
  do {                                                                                 \
    const TYPE *restrict from = source;                                                \
    TYPE *restrict to = result;                                                        \
    for (size_t i = 0; i < count; i++) to[i] = from[count - 1 - i];                    \
  } while (0)

MT_MULTIVERSION
void mt_reverse(const void *source, void *result, size_t count, size_t size) {
  switch (size) {
    case 1: REVERSE(uint8_t); break;
    case 2: REVERSE(uint16_t); break;
    case 4: REVERSE(uint32_t); break;
    default: REVERSE(uint64_t); break;
  }
}
