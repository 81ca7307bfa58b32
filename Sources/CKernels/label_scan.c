#include "bytes.h"
#include "dispatch.h"
#include "kernels_morphology.h"

// Labels come in runs: only where the value changes does the table need to be asked.

MT_MULTIVERSION
size_t mt_first_selected(const uint8_t *voxels, size_t count, const uint8_t *is_selected) {
  if (count == 0 || is_selected[voxels[0]]) return 0;
  for (size_t x = 1; x < count; x += MT_BLOCK) {
    mt_bytes bytes, before;
    mt_load(&bytes, voxels + x, count - x);
    mt_load(&before, voxels + x - 1, count - x);
    for (uint64_t changes = MT_BITS(bytes != before); changes; changes &= changes - 1) {
      size_t at = x + (size_t)__builtin_ctzll(changes);
      if (is_selected[voxels[at]]) return at;
    }
  }
  return count;
}

MT_MULTIVERSION
size_t mt_end_of_selected(const uint8_t *voxels, size_t count, const uint8_t *is_selected) {
  if (count == 0 || is_selected[voxels[count - 1]]) return count;
  // Blocks of places whose right neighbour is another value, from the right.
  for (size_t end = count - 1; end > 0;) {
    size_t size = end < MT_BLOCK ? end : MT_BLOCK, x = end - size;
    mt_bytes bytes, after;
    mt_load(&bytes, voxels + x, size);
    mt_load(&after, voxels + x + 1, size);
    for (uint64_t changes = MT_BITS(bytes != after); changes;) {
      int bit = 63 - __builtin_clzll(changes);
      if (is_selected[voxels[x + (size_t)bit]]) return x + (size_t)bit + 1;
      changes ^= UINT64_C(1) << bit;
    }
    end = x;
  }
  return 0;
}

MT_MULTIVERSION
int mt_labels_meet(const uint8_t *a, const uint8_t *b, size_t count) {
  for (size_t i = 0; i < count; i += MT_BLOCK) {
    mt_bytes left, right;
    mt_load(&left, a + i, count - i);
    mt_load(&right, b + i, count - i);
    if (MT_BITS((left != right) & (left != 0) & (right != 0))) return 1;
  }
  return 0;
}

MT_MULTIVERSION
void mt_lower(uint8_t *restrict low, const uint8_t *restrict row, size_t count) {
  for (size_t i = 0; i < count; i++) low[i] = row[i] < low[i] ? row[i] : low[i];
}

MT_MULTIVERSION
void mt_lowest_in_window(
    uint8_t *restrict low, const uint8_t *restrict row, ptrdiff_t first, ptrdiff_t last, size_t count) {
  const uint8_t *a = row + first, *b = a + 1, *c = a + 2;
  if (last - first == 2) {
    // What nested windows mostly differ by.
    for (size_t i = 0; i < count; i++) {
      uint8_t smaller = a[i] < b[i] ? a[i] : b[i];
      low[i] = c[i] < smaller ? c[i] : smaller;
    }
    return;
  }
  memcpy(low, a, count);
  for (ptrdiff_t offset = first + 1; offset <= last; offset++) {
    const uint8_t *shifted = row + offset;
    for (size_t i = 0; i < count; i++) low[i] = shifted[i] < low[i] ? shifted[i] : low[i];
  }
}

MT_MULTIVERSION
uint8_t mt_rank_labels(
    uint8_t *restrict rank, const uint8_t *restrict label, uint8_t first, uint8_t last, size_t count) {
  uint8_t smallest = 255;
  for (size_t i = 0; i < count; i++) {
    rank[i] = (label[i] >= first) & (label[i] <= last) ? (uint8_t)(label[i] - 1) : 255;
    smallest = rank[i] < smallest ? rank[i] : smallest;
  }
  return smallest;
}

MT_MULTIVERSION
void mt_fill_labels(uint8_t *restrict label, const uint8_t *restrict low, size_t count) {
  for (size_t i = 0; i < count; i++) label[i] = label[i] ? label[i] : (uint8_t)(low[i] + 1);
}
