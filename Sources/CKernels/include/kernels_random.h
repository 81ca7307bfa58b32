// The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) as NumPy's RandomState uses it.
#ifndef MICROTOME_KERNELS_RANDOM_H
#define MICROTOME_KERNELS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { MT_TWISTER_SIZE = 624 };

typedef struct {
  uint32_t words[MT_TWISTER_SIZE];
  /// The tempered output of `words`, and how much of it has been used.
  uint32_t output[MT_TWISTER_SIZE];
  size_t used;
} mt_twister;

/// The state that the integer initialiser makes of a seed.
void mt_twister_seed(mt_twister *state, uint32_t seed);

/// Makes the next 624 numbers.
void mt_twister_refill(mt_twister *state);

/// Draws `count` numbers from 0 ... `largest` (masked rejection) and adds how often each came to `counts`, which has room
/// for `mask` + 1 entries; those above `largest` count what was rejected. `mask` is the least 2^k - 1 not below `largest`.
void mt_twister_tally(mt_twister *state, size_t count, uint32_t largest, uint32_t mask, uint32_t *counts);

/// Shuffles values (Fisher and Yates, from the last place down), as NumPy's `shuffle` does.
void mt_twister_shuffle(mt_twister *state, uint32_t *values, size_t count);

#endif
