#include "kernels_blosc.h"

#include <string.h>

#include "dispatch.h"

/// A length of 15 goes on in further bytes, as long as they are 255.
static int extended(const uint8_t **source, const uint8_t *end, size_t *length) {
  if (*length < 15) return 1;
  uint8_t byte;
  do {
    if (*source == end) return 0;
    byte = *(*source)++;
    *length += byte;
  } while (byte == 255);
  return 1;
}

ptrdiff_t mt_lz4_decode(const uint8_t *source, size_t size, uint8_t *target, size_t capacity) {
  const uint8_t *end = source + size;
  uint8_t *out = target, *limit = target + capacity;
  while (source < end) {
    uint8_t token = *source++;
    size_t literals = token >> 4;
    if (!extended(&source, end, &literals)) return -1;
    if (literals > (size_t)(end - source) || literals > (size_t)(limit - out)) return -1;
    memcpy(out, source, literals);
    out += literals;
    source += literals;
    // The last sequence has no match.
    if (source == end) return out - target;
    if (end - source < 2) return -1;
    size_t offset = source[0] | (size_t)source[1] << 8;
    source += 2;
    size_t length = token & 15;
    if (!extended(&source, end, &length)) return -1;
    length += 4;
    if (offset == 0 || offset > (size_t)(out - target) || length > (size_t)(limit - out)) return -1;
    const uint8_t *match = out - offset;
    if (offset == 1) {
      memset(out, *match, length);
      out += length;
    } else if (offset >= 8) {
      // Eight bytes at a time never read what has not been written.
      for (; length >= 8; length -= 8, out += 8, match += 8) memcpy(out, match, 8);
      while (length-- > 0) *out++ = *match++;
    } else {
      while (length-- > 0) *out++ = *match++;
    }
  }
  return -1;
}

ptrdiff_t mt_blosclz_decode(const uint8_t *source, size_t size, uint8_t *target, size_t capacity) {
  // Offsets of 13 bits reach this far; farther ones take two more bytes.
  const size_t near = 8191;
  const uint8_t *end = source + size;
  uint8_t *out = target, *limit = target + capacity;
  for (int is_first = 1; source < end; is_first = 0) {
    // The block begins with literals; the upper bits of its first byte say nothing.
    size_t control = *source++;
    if (is_first) control &= 31;
    if (control < 32) {
      size_t literals = control + 1;
      if (literals > (size_t)(end - source) || literals > (size_t)(limit - out)) return -1;
      memcpy(out, source, literals);
      out += literals;
      source += literals;
      continue;
    }
    size_t length = (control >> 5) - 1, offset = (control & 31) << 8;
    uint8_t code;
    if (length == 6) {
      do {
        if (source == end) return -1;
        code = *source++;
        length += code;
      } while (code == 255);
    }
    length += 3;
    if (source == end) return -1;
    code = *source++;
    if (code == 255 && offset == 31 << 8) {
      if (end - source < 2) return -1;
      offset = ((size_t)source[0] << 8 | source[1]) + near;
      source += 2;
    } else {
      offset += code;
    }
    offset += 1;
    if (offset > (size_t)(out - target) || length > (size_t)(limit - out)) return -1;
    for (const uint8_t *match = out - offset; length-- > 0;) *out++ = *match++;
  }
  return out - target;
}

MT_MULTIVERSION
void mt_unshuffle(const uint8_t *source, uint8_t *target, size_t size, size_t width) {
  size_t count = size / width;
  if (width == 2) {
    for (size_t n = 0; n < count; n++) {
      target[2 * n] = source[n];
      target[2 * n + 1] = source[count + n];
    }
  } else if (width == 4) {
    for (size_t n = 0; n < count; n++) {
      target[4 * n] = source[n];
      target[4 * n + 1] = source[count + n];
      target[4 * n + 2] = source[2 * count + n];
      target[4 * n + 3] = source[3 * count + n];
    }
  } else {
    for (size_t b = 0; b < width; b++) {
      for (size_t n = 0; n < count; n++) target[n * width + b] = source[b * count + n];
    }
  }
  memcpy(target + count * width, source + count * width, size - count * width);
}

void mt_bit_unshuffle(const uint8_t *source, uint8_t *target, size_t size, size_t width) {
  size_t count = size / width / 8 * 8, row = count / 8;
  for (size_t b = 0; b < width; b++) {
    for (size_t i = 0; i < row; i++) {
      uint8_t bytes[8] = {0};
      for (size_t k = 0; k < 8; k++) {
        uint8_t bits = source[(8 * b + k) * row + i];
        for (size_t n = 0; n < 8; n++) bytes[n] |= (uint8_t)((bits >> n & 1) << k);
      }
      for (size_t n = 0; n < 8; n++) target[(8 * i + n) * width + b] = bytes[n];
    }
  }
  memcpy(target + count * width, source + count * width, size - count * width);
}
