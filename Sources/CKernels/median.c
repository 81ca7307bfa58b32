// Medians of boxes. A tile of the volume and what its boxes reach is sorted once, so that every number becomes a rank of
// its own; a box sliding along a row is then a set of bits, of which each step exchanges one face.
#include <string.h>

#include "dispatch.h"
#include "kernels_augmentation.h"

enum { TILE_Z = 8, TILE_Y = 8, TILE_X = 32, REACH = MT_MEDIAN_LARGEST - 1 };
enum { CELLS = (TILE_Z + REACH) * (TILE_Y + REACH) * (TILE_X + REACH), WORDS = (CELLS + 63) / 64, DIGITS = 2048 };

typedef struct {
  uint32_t keys[2][CELLS];
  uint16_t places[2][CELLS];
  uint16_t ranks[CELLS];
  uint64_t words[WORDS];
  uint8_t counts[WORDS];
  uint32_t starts[DIGITS];
} tile_memory;

// A continuation by reflection that repeats the outermost voxel.
static inline int64_t reflected(int64_t i, int64_t n) {
  int64_t period = 2 * n, place = ((i % period) + period) % period;
  return place < n ? place : period - 1 - place;
}

// Bits that are ordered as numbers are, and back.
static inline uint32_t ordered(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float number(uint32_t key) {
  uint32_t bits = key & 0x80000000u ? key & 0x7FFFFFFFu : ~key;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// Sorts keys[0]; leaves the sorted keys there and the rank of each cell in `ranks`.
static void rank_cells(tile_memory *t, size_t cells) {
  for (size_t i = 0; i < cells; i++) t->places[0][i] = (uint16_t)i;
  int from = 0;
  for (int shift = 0; shift < 33; shift += 11) {
    memset(t->starts, 0, sizeof t->starts);
    for (size_t i = 0; i < cells; i++) t->starts[t->keys[from][i] >> shift & (DIGITS - 1)]++;
    uint32_t sum = 0;
    for (size_t d = 0; d < DIGITS; d++) {
      uint32_t count = t->starts[d];
      t->starts[d] = sum;
      sum += count;
    }
    for (size_t i = 0; i < cells; i++) {
      uint32_t key = t->keys[from][i], to = t->starts[key >> shift & (DIGITS - 1)]++;
      t->keys[!from][to] = key;
      t->places[!from][to] = t->places[from][i];
    }
    from = !from;
  }
  for (size_t i = 0; i < cells; i++) t->ranks[t->places[from][i]] = (uint16_t)i;
  // Three passes end in the second half.
  memcpy(t->keys[0], t->keys[from], cells * sizeof(uint32_t));
}

MT_MULTIVERSION
void mt_median(float *out, const float *source, const int64_t shape[3], const int64_t window[3]) {
  tile_memory t;
  const int64_t wz = window[0], wy = window[1], wx = window[2];
  const int64_t wanted = wz * wy * wx / 2;
  for (int64_t z0 = 0; z0 < shape[0]; z0 += TILE_Z) {
    for (int64_t y0 = 0; y0 < shape[1]; y0 += TILE_Y) {
      for (int64_t x0 = 0; x0 < shape[2]; x0 += TILE_X) {
        int64_t nz = shape[0] - z0 < TILE_Z ? shape[0] - z0 : TILE_Z;
        int64_t ny = shape[1] - y0 < TILE_Y ? shape[1] - y0 : TILE_Y;
        int64_t nx = shape[2] - x0 < TILE_X ? shape[2] - x0 : TILE_X;
        // Cells lie by (X, Z, Y): a face of the box is a few runs.
        const int64_t cz = nz + wz - 1, cy = ny + wy - 1, cx = nx + wx - 1, face = cz * cy;
        for (int64_t z = 0; z < cz; z++) {
          int64_t sz = reflected(z0 + z - wz / 2, shape[0]);
          for (int64_t y = 0; y < cy; y++) {
            const float *row = source + (sz * shape[1] + reflected(y0 + y - wy / 2, shape[1])) * shape[2];
            for (int64_t x = 0; x < cx; x++) {
              t.keys[0][x * face + z * cy + y] = ordered(row[reflected(x0 + x - wx / 2, shape[2])]);
            }
          }
        }
        const size_t cells = (size_t)(face * cx), words = (cells + 63) / 64;
        rank_cells(&t, cells);
        for (int64_t z = 0; z < nz; z++) {
          for (int64_t y = 0; y < ny; y++) {
            memset(t.words, 0, words * sizeof(uint64_t));
            memset(t.counts, 0, words);
            // The word in which the median lies, and how many members lie in words below.
            int64_t word = (int64_t)words / 2, below = 0;
            float *row = out + ((z0 + z) * shape[1] + y0 + y) * shape[2] + x0;
            for (int64_t x = 1 - wx; x < nx; x++) {
              const uint16_t *next = t.ranks + (x + wx - 1) * face + z * cy + y;
              for (int64_t dz = 0; dz < wz; dz++) {
                for (int64_t dy = 0; dy < wy; dy++) {
                  uint32_t rank = next[dz * cy + dy];
                  t.words[rank >> 6] |= 1ull << (rank & 63);
                  t.counts[rank >> 6]++;
                  below += (int64_t)(rank >> 6) < word;
                }
              }
              if (x < 0) continue;
              while (below > wanted) below -= t.counts[--word];
              while (below + t.counts[word] <= wanted) below += t.counts[word++];
              uint64_t members = t.words[word];
              for (int64_t k = wanted - below; k > 0; k--) members &= members - 1;
              row[x] = number(t.keys[0][word * 64 + __builtin_ctzll(members)]);
              const uint16_t *last = t.ranks + x * face + z * cy + y;
              for (int64_t dz = 0; dz < wz; dz++) {
                for (int64_t dy = 0; dy < wy; dy++) {
                  uint32_t rank = last[dz * cy + dy];
                  t.words[rank >> 6] &= ~(1ull << (rank & 63));
                  t.counts[rank >> 6]--;
                  below -= (int64_t)(rank >> 6) < word;
                }
              }
            }
          }
        }
      }
    }
  }
}
