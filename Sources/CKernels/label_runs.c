#include "kernels_label_runs.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { step = 64 };

// Bit i is set where bytes[i] differs from the byte before it, for 64 bytes.
static uint64_t changes(const uint8_t *bytes) {
  uint64_t mask = 0;
#if defined(__SSE2__)
  for (int i = 0; i < step; i += 16) {
    __m128i here = _mm_loadu_si128((const __m128i *)(bytes + i));
    __m128i before = _mm_loadu_si128((const __m128i *)(bytes + i - 1));
    mask |= (uint64_t)(uint16_t)~_mm_movemask_epi8(_mm_cmpeq_epi8(here, before)) << i;
  }
#else
  for (int i = 0; i < step; i++) mask |= (uint64_t)(bytes[i] != bytes[i - 1]) << i;
#endif
  return mask;
}

// The same for 64 labels of two bytes.
static uint64_t wide_changes(const uint16_t *labels) {
  uint64_t mask = 0;
#if defined(__SSE2__)
  for (int i = 0; i < step; i += 16) {
    __m128i low = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(labels + i)),
                                  _mm_loadu_si128((const __m128i *)(labels + i - 1)));
    __m128i high = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(labels + i + 8)),
                                   _mm_loadu_si128((const __m128i *)(labels + i + 7)));
    mask |= (uint64_t)(uint16_t)~_mm_movemask_epi8(_mm_packs_epi16(low, high)) << i;
  }
#else
  for (int i = 0; i < step; i++) mask |= (uint64_t)(labels[i] != labels[i - 1]) << i;
#endif
  return mask;
}

size_t mt_find_runs(const void *labels, size_t count, size_t size, uint64_t offset, uint64_t *runs) {
  const uint8_t *bytes = labels;
  const uint16_t *words = labels;
  size_t found = 0, i = 1;
  if (count == 0) return 0;
  runs[found++] = offset << 16 | (size == 1 ? bytes[0] : words[0]);
  while (i < count) {
    uint64_t mask;
    if (i + step <= count) {
      mask = size == 1 ? changes(bytes + i) : wide_changes(words + i);
    } else {
      mask = 0;
      for (size_t k = i; k < count; k++) {
        uint64_t differs = size == 1 ? bytes[k] != bytes[k - 1] : words[k] != words[k - 1];
        mask |= differs << (k - i);
      }
    }
    while (mask != 0) {
      size_t position = i + (size_t)__builtin_ctzll(mask);
      runs[found++] = (offset + position) << 16 | (size == 1 ? bytes[position] : words[position]);
      mask &= mask - 1;
    }
    i += step;
  }
  return found;
}

// MARK: Tokens

enum {
  longest = 258,
  shortest = 3,
};

void mt_length_symbol(uint32_t length, uint32_t *symbol, uint32_t *extra_count, uint32_t *extra) {
  // RFC 1951, 3.2.5: four symbols for each number of extra bits; 258 has one of its own.
  uint32_t value = length - shortest;
  if (length == longest) {
    *symbol = 285, *extra_count = 0, *extra = 0;
  } else if (value < 8) {
    *symbol = 257 + value, *extra_count = 0, *extra = 0;
  } else {
    uint32_t width = 31 - (uint32_t)__builtin_clz(value);
    *extra_count = width - 2;
    *symbol = 257 + 4 * (width - 1) + (value >> (width - 2) & 3);
    *extra = value & ((1u << (width - 2)) - 1);
  }
}

static inline uint32_t symbol_of(uint32_t length) {
  uint32_t symbol, extra_count, extra;
  mt_length_symbol(length, &symbol, &extra_count, &extra);
  return symbol;
}

// A match of any length is a number of longest matches, then one of 3 ... 258 bytes, or two when 1 or 2 bytes would be left.
static inline void split(uint32_t length, uint32_t *full, uint32_t *first, uint32_t *second) {
  *full = (length - shortest) / longest;
  uint32_t rest = length - *full * longest;
  *second = rest > longest ? shortest : 0;
  *first = rest - *second;
}

static inline void count_match(uint32_t *counts, uint32_t length) {
  uint32_t full, first, second;
  split(length, &full, &first, &second);
  counts[285] += full;
  counts[symbol_of(first)]++;
  if (second != 0) counts[symbol_of(second)]++;
}

static inline uint64_t start_of(const mt_run_cursor *cursor, size_t run) {
  return run < cursor->run_count ? cursor->runs[run] >> 16 : UINT64_MAX >> 16;
}

size_t mt_tokenize_runs(mt_run_cursor *cursor, uint32_t *tokens, size_t capacity, uint32_t *counts) {
  mt_run_cursor c = *cursor;
  const uint64_t *runs = c.runs;
  const uint64_t size = c.size, row = c.row;
  // In labels; a token's length in bytes has 30 bits.
  const uint64_t minimum = (shortest + size - 1) / size, maximum = (1u << 29) / size;
  size_t count = 0;
  while (c.position < c.end && count + 2 <= capacity) {
    while (start_of(&c, c.current + 1) <= c.position) c.current++;
    uint64_t label = runs[c.current] & 0xFFFF;
    uint64_t start = runs[c.current] >> 16;
    uint64_t run_end = start_of(&c, c.current + 1);
    if (run_end > c.end) run_end = c.end;
    uint64_t reach = c.position;
    if (row != 0 && c.position >= row + (runs[0] >> 16)) {
      while (start_of(&c, c.above + 1) + row <= c.position) c.above++;
      size_t here = c.current, there = c.above;
      // Step from border to border while both rows carry the same labels.
      while ((runs[here] & 0xFFFF) == (runs[there] & 0xFFFF)) {
        uint64_t next_here = start_of(&c, here + 1), next_there = start_of(&c, there + 1) + row;
        reach = next_here < next_there ? next_here : next_there;
        if (reach >= c.end) break;
        here += next_here == reach;
        there += next_there == reach;
      }
      if (reach > c.end) reach = c.end;
    }
    // The row above is worth its longer code only when it leads beyond the run.
    uint64_t above_length = reach - c.position, run_length = start < c.position ? run_end - c.position : 0;
    uint64_t length, kind;
    if (reach > run_end && above_length >= minimum) {
      length = above_length;
      kind = 2;
    } else if (run_length >= minimum) {
      length = run_length;
      kind = 1;
    } else if (reach >= run_end && above_length >= minimum && above_length * size >= 258) {
      length = above_length;
      kind = 2;
    } else {
      for (uint64_t byte = 0; byte < size; byte++) {
        uint32_t value = label >> (8 * byte) & 0xFF;
        tokens[count++] = value << 2;
        counts[value]++;
      }
      c.position++;
      continue;
    }
    if (length > maximum) length = maximum;
    tokens[count++] = (uint32_t)(length * size) << 2 | (uint32_t)kind;
    count_match(counts, (uint32_t)(length * size));
    c.position += length;
  }
  *cursor = c;
  return count;
}

// MARK: Bits

static inline mt_bit_writer put(mt_bit_writer writer, uint64_t bits, uint64_t length) {
  // At most 7 bits wait and at most 56 come.
  writer.pending |= bits << writer.pending_count;
  writer.pending_count += length;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  uint64_t word = __builtin_bswap64(writer.pending);
#else
  uint64_t word = writer.pending;
#endif
  memcpy(writer.next, &word, 8);
  writer.next += writer.pending_count >> 3;
  writer.pending >>= writer.pending_count & 56;
  writer.pending_count &= 7;
  return writer;
}

void mt_write_tokens(mt_bit_writer *target, const uint32_t *tokens, size_t count, const mt_code *codes) {
  mt_bit_writer writer = *target;
  for (size_t i = 0; i < count; i++) {
    uint32_t token = tokens[i], kind = token & 3, length = token >> 2;
    if (kind == 0) {
      mt_code code = codes[length];
      writer = put(writer, code.bits, code.length);
      continue;
    }
    const mt_code *matches = codes + 256 + (kind - 1) * MT_MATCH_CODES;
    uint32_t full = 0, first = length, second = 0;
    if (length > longest) {
      split(length, &full, &first, &second);
      // As many longest matches at a time as fit into a word.
      mt_code code = matches[longest], many = {0, 0};
      uint32_t batch = 0;
      while (many.length + code.length <= 56) {
        many.bits |= code.bits << many.length;
        many.length += code.length;
        batch++;
      }
      for (; full >= batch; full -= batch) writer = put(writer, many.bits, many.length);
      for (; full > 0; full--) writer = put(writer, code.bits, code.length);
    }
    writer = put(writer, matches[first].bits, matches[first].length);
    if (second != 0) writer = put(writer, matches[second].bits, matches[second].length);
  }
  *target = writer;
}
