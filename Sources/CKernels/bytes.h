// Sixty-four bytes at a time, and one bit for each of them.
#ifndef MICROTOME_BYTES_H
#define MICROTOME_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MT_BLOCK 64

typedef uint8_t mt_bytes __attribute__((vector_size(MT_BLOCK)));
typedef _Bool mt_flags __attribute__((ext_vector_type(MT_BLOCK)));

#define MT_INLINE static inline __attribute__((always_inline))

/// `count` bytes, at most 64; the rest are 0.
MT_INLINE void mt_load(mt_bytes *bytes, const uint8_t *from, size_t count) {
  if (count >= MT_BLOCK) {
    memcpy(bytes, from, MT_BLOCK);
  } else {
    *bytes = (mt_bytes){0};
    memcpy(bytes, from, count);
  }
}

/// Bit i is set where byte i of a comparison's result is.
#define MT_BITS(comparison)                                                \
  __extension__({                                                          \
    mt_flags flags_ = __builtin_convertvector((comparison), mt_flags);     \
    uint64_t bits_;                                                        \
    memcpy(&bits_, &flags_, sizeof bits_);                                 \
    bits_;                                                                 \
  })

/// The lowest `count` bits, at most 64.
MT_INLINE uint64_t mt_low_bits(size_t count) { return count >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1; }

#endif
