// Label maps as runs of equal labels, and runs as DEFLATE symbols (RFC 1951).
//
// A run is its first position and its label in one number: start << 16 | label. It ends where the next one begins.
#ifndef MICROTOME_KERNELS_LABEL_RUNS_H
#define MICROTOME_KERNELS_LABEL_RUNS_H

#include <stddef.h>
#include <stdint.h>

/// Finds the runs among `count` labels of `size` bytes (1, or 2 in native order). `runs` has room for `count` of them; the
/// first starts at `offset`. Returns how many there are.
size_t mt_find_runs(const void *labels, size_t count, size_t size, uint64_t offset, uint64_t *runs);

/// Where a tokeniser stands. Positions count labels, not bytes.
typedef struct {
  const uint64_t *runs;
  size_t run_count;
  /// The next label to encode, and where to stop.
  uint64_t position, end;
  /// Distance to the label above, in the previous row; 0 when there is none within reach.
  uint64_t row;
  /// Bytes per label, 1 or 2.
  uint64_t size;
  /// The runs that `position` and `position - row` lie in.
  size_t current, above;
} mt_run_cursor;

/// Turns labels from `cursor->position` on into at most `capacity` tokens, counts their literal and length symbols
/// (286 of them, added to `counts`), and moves the cursor on.
///
/// A token is either a byte << 2, or bytes << 2 | 1 for a repetition of the label before, or bytes << 2 | 2 for one of the
/// labels above. Returns how many there are; the cursor's position is its end when all are done.
size_t mt_tokenize_runs(mt_run_cursor *cursor, uint32_t *tokens, size_t capacity, uint32_t *counts);

/// The bits of a symbol, or of a match with its extra bits, lowest first.
typedef struct {
  uint64_t bits;
  uint64_t length;
} mt_code;

/// A table of codes: first those for the 256 bytes, then those for matches of 0 ... 258 bytes with the label before, then the
/// same for the labels above.
enum { MT_MATCH_CODES = 259, MT_CODE_COUNT = 256 + 2 * MT_MATCH_CODES };

/// Bits on their way into memory; fewer than 8 wait in `pending`.
typedef struct {
  uint8_t *next;
  uint64_t pending, pending_count;
} mt_bit_writer;

/// Writes `count` tokens. Up to 8 bytes behind the last bit may be overwritten.
void mt_write_tokens(mt_bit_writer *writer, const uint32_t *tokens, size_t count, const mt_code *codes);

/// Symbol of a match length of 3 ... 258 bytes, with the number of its extra bits and their value.
void mt_length_symbol(uint32_t length, uint32_t *symbol, uint32_t *extra_count, uint32_t *extra);

#endif
