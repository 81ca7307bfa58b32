#include "kernels_runs.h"

#include "bytes.h"
#include "dispatch.h"

MT_MULTIVERSION
size_t mt_mask_runs(const uint8_t *voxels, size_t count, int32_t row, int inverted, mt_run *runs) {
  size_t found = 0;
  uint64_t open = 0;
  for (size_t x = 0; x < count; x += MT_BLOCK) {
    mt_bytes bytes;
    mt_load(&bytes, voxels + x, count - x);
    uint64_t set = MT_BITS(bytes != 0);
    // Beyond the row nothing is set, so a run that reaches its end is closed there.
    if (inverted) set = ~set & mt_low_bits(count - x);
    uint64_t changes = set ^ (set << 1 | open);
    open = set >> 63;
    for (; changes; changes &= changes - 1) {
      int at = __builtin_ctzll(changes);
      if (set >> at & 1) {
        runs[found] = (mt_run){row, (int32_t)x + at, (int32_t)count, 1};
      } else {
        runs[found++].end = (int32_t)x + at;
      }
    }
  }
  return found + open;
}

MT_MULTIVERSION
size_t mt_label_runs(const uint8_t *voxels, size_t count, int32_t row, const uint8_t *is_selected, mt_run *runs) {
  size_t found = 0;
  int32_t start = 0;
  uint8_t label = 0;
  for (size_t x = 0; x < count; x += MT_BLOCK) {
    mt_bytes bytes, before;
    mt_load(&bytes, voxels + x, count - x);
    if (x > 0) {
      mt_load(&before, voxels + x - 1, count - x);
    } else {
      uint8_t shifted[MT_BLOCK] = {0};
      memcpy(shifted + 1, voxels, count < MT_BLOCK ? count - 1 : MT_BLOCK - 1);
      mt_load(&before, shifted, MT_BLOCK);
    }
    uint64_t changes = MT_BITS(bytes != before) & mt_low_bits(count - x);
    for (; changes; changes &= changes - 1) {
      int32_t at = (int32_t)x + __builtin_ctzll(changes);
      // Written whether it counts or not: there is no branch to guess.
      runs[found] = (mt_run){row, start, at, label};
      found += is_selected[label];
      start = at;
      label = voxels[at];
    }
  }
  runs[found] = (mt_run){row, start, (int32_t)count, label};
  return found + is_selected[label];
}

static int32_t root(int32_t *parents, int32_t index) {
  while (parents[index] != index) {
    parents[index] = parents[parents[index]];
    index = parents[index];
  }
  return index;
}

static void unite_if_touching(const mt_run *runs, int32_t *parents, size_t a, size_t b, int32_t reach) {
  if (runs[a].label != runs[b].label || runs[a].start >= runs[b].end + reach || runs[b].start >= runs[a].end + reach)
    return;
  int32_t first = root(parents, (int32_t)a), second = root(parents, (int32_t)b);
  if (first < second) {
    parents[second] = first;
  } else {
    parents[first] = second;
  }
}

void mt_join_runs(const mt_run *runs, int32_t *parents, size_t a, size_t end_a, size_t b, size_t end_b, int32_t reach) {
  while (a < end_a && b < end_b) {
    unite_if_touching(runs, parents, a, b, reach);
    if (runs[a].end < runs[b].end) {
      a++;
      continue;
    }
    // Where both end, the next run of either row may touch the other's corner.
    if (reach > 0 && runs[a].end == runs[b].end && a + 1 < end_a) unite_if_touching(runs, parents, a + 1, b, reach);
    b++;
  }
}

size_t mt_number_trees(int32_t *parents, size_t count) {
  size_t trees = 0;
  for (size_t i = 0; i < count; i++)
    parents[i] = parents[i] == (int32_t)i ? (int32_t)trees++ : parents[parents[i]];
  return trees;
}
