#include "kernels_random.h"

#include "dispatch.h"

enum { N = MT_TWISTER_SIZE, M = 397 };

void mt_twister_seed(mt_twister *state, uint32_t seed) {
  state->words[0] = seed;
  for (uint32_t i = 1; i < N; i++) {
    uint32_t before = state->words[i - 1];
    state->words[i] = UINT32_C(1812433253) * (before ^ (before >> 30)) + i;
  }
  state->used = N;
}

static inline uint32_t twisted(uint32_t upper, uint32_t lower, uint32_t far) {
  uint32_t mixed = (upper & UINT32_C(0x80000000)) | (lower & UINT32_C(0x7fffffff));
  return far ^ (mixed >> 1) ^ (-(mixed & 1) & UINT32_C(0x9908b0df));
}

MT_MULTIVERSION
void mt_twister_refill(mt_twister *state) {
  uint32_t *w = state->words;
  // No word is read before the M - 1 others that precede its source are done, so that these loops vectorise.
  for (int i = 0; i < N - M; i++) w[i] = twisted(w[i], w[i + 1], w[i + M]);
  for (int i = N - M; i < N - 1; i++) w[i] = twisted(w[i], w[i + 1], w[i + M - N]);
  w[N - 1] = twisted(w[N - 1], w[0], w[M - 1]);
  for (int i = 0; i < N; i++) {
    uint32_t y = w[i];
    y ^= y >> 11;
    y ^= (y << 7) & UINT32_C(0x9d2c5680);
    y ^= (y << 15) & UINT32_C(0xefc60000);
    state->output[i] = y ^ (y >> 18);
  }
  state->used = 0;
}

void mt_twister_tally(mt_twister *state, size_t count, uint32_t largest, uint32_t mask, uint32_t *counts) {
  while (count > 0) {
    if (state->used == N) mt_twister_refill(state);
    const uint32_t *output = state->output;
    size_t i = state->used;
    if (count >= N - i) {
      // Even if all are accepted, none is too many: no branch depends on the numbers.
      size_t accepted = 0;
      for (; i < N; i++) {
        uint32_t value = output[i] & mask;
        counts[value]++;
        accepted += value <= largest;
      }
      count -= accepted;
    } else {
      for (; i < N && count > 0; i++) {
        uint32_t value = output[i] & mask;
        counts[value]++;
        count -= value <= largest;
      }
    }
    state->used = i;
  }
}

void mt_twister_shuffle(mt_twister *state, uint32_t *values, size_t count) {
  for (size_t i = count; i-- > 1;) {
    uint32_t largest = (uint32_t)i, mask = UINT32_MAX >> __builtin_clz(largest), place;
    do {
      if (state->used == N) mt_twister_refill(state);
      place = state->output[state->used++] & mask;
    } while (place > largest);
    uint32_t value = values[i];
    values[i] = values[place];
    values[place] = value;
  }
}
