// Decoding of Blosc blocks: LZ4 and the filters that make numbers compress better.
#ifndef MICROTOME_KERNELS_BLOSC_H
#define MICROTOME_KERNELS_BLOSC_H

#include <stddef.h>
#include <stdint.h>

/// Decodes an LZ4 block (lz4_Block_format.md). Returns the number of bytes written, or -1 when the block is malformed or holds
/// more than `capacity` bytes. Neither buffer is left.
ptrdiff_t mt_lz4_decode(const uint8_t *source, size_t size, uint8_t *target, size_t capacity);

/// The same for a BloscLZ block, which frames compress their tables with.
ptrdiff_t mt_blosclz_decode(const uint8_t *source, size_t size, uint8_t *target, size_t capacity);

/// Puts the bytes of numbers together again: target[n * width + b] = source[b * count + n]. Bytes behind the last whole
/// number are copied.
void mt_unshuffle(const uint8_t *source, uint8_t *target, size_t size, size_t width);

/// The same with single bits: bit k of byte b of the numbers 8i ... 8i+7 is byte i of row 8b + k. Numbers behind the last
/// eight are copied.
void mt_bit_unshuffle(const uint8_t *source, uint8_t *target, size_t size, size_t width);

#endif
