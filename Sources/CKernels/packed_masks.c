#include "bytes.h"
#include "dispatch.h"
#include "kernels_morphology.h"

MT_MULTIVERSION
int mt_pack_nonzero(const uint8_t *voxels, uint64_t *words, size_t count) {
  uint64_t any = 0;
  for (size_t x = 0; x < count; x += MT_BLOCK) {
    mt_bytes bytes;
    mt_load(&bytes, voxels + x, count - x);
    any |= words[x / MT_BLOCK] = MT_BITS(bytes != 0);
  }
  return any != 0;
}

MT_MULTIVERSION
int mt_pack_selected(const uint8_t *voxels, uint64_t *words, size_t count, const uint8_t *is_selected) {
  uint64_t any = 0;
  for (size_t x = 0; x < count; x += MT_BLOCK) {
    size_t size = count - x < MT_BLOCK ? count - x : MT_BLOCK;
    mt_bytes bytes, after;
    mt_load(&bytes, voxels + x, size);
    mt_load(&after, voxels + x + 1, size - 1);
    uint64_t ends = (MT_BITS(bytes != after) & mt_low_bits(size - 1)) | UINT64_C(1) << (size - 1);
    uint64_t set = 0, before = 0;
    for (; ends; ends &= ends - 1) {
      uint64_t upto = ends ^ (ends - 1);
      if (is_selected[voxels[x + (size_t)__builtin_ctzll(ends)]]) set |= upto & ~before;
      before = upto;
    }
    any |= words[x / MT_BLOCK] = set;
  }
  return any != 0;
}

MT_MULTIVERSION
void mt_keep_between(uint64_t *words, const float *values, size_t count, float low, float high) {
  for (size_t x = 0; x < count; x += MT_BLOCK) {
    if (words[x / MT_BLOCK] == 0) continue;
    uint8_t inside[MT_BLOCK] = {0};
    if (count - x >= MT_BLOCK) {
      for (size_t i = 0; i < MT_BLOCK; i++) inside[i] = (values[x + i] > low) & (values[x + i] < high);
    } else {
      for (size_t i = 0; i < count - x; i++) inside[i] = (values[x + i] > low) & (values[x + i] < high);
    }
    mt_bytes bytes;
    mt_load(&bytes, inside, MT_BLOCK);
    words[x / MT_BLOCK] &= MT_BITS(bytes != 0);
  }
}

/// 1 for every bit that is set.
MT_INLINE void spread(mt_bytes *bytes, uint64_t set) {
  mt_flags flags;
  memcpy(&flags, &set, sizeof flags);
  *bytes = __builtin_convertvector(flags, mt_bytes);
}

MT_MULTIVERSION
void mt_unpack(const uint64_t *words, uint8_t *voxels, size_t count) {
  for (size_t x = 0; x < count; x += MT_BLOCK) {
    mt_bytes bytes;
    spread(&bytes, words[x / MT_BLOCK]);
    memcpy(voxels + x, &bytes, count - x < MT_BLOCK ? count - x : MT_BLOCK);
  }
}

MT_MULTIVERSION
void mt_keep_packed(const uint64_t *words, uint8_t *voxels, size_t count) {
  for (size_t x = 0; x < count; x += MT_BLOCK) {
    uint64_t set = words[x / MT_BLOCK];
    size_t size = count - x < MT_BLOCK ? count - x : MT_BLOCK;
    if (set == 0) {
      memset(voxels + x, 0, size);
    } else if (set != ~UINT64_C(0)) {
      mt_bytes keep, bytes;
      spread(&keep, set);
      mt_load(&bytes, voxels + x, count - x);
      bytes &= -keep;
      memcpy(voxels + x, &bytes, size);
    }
  }
}

MT_MULTIVERSION
void mt_dilate_packed(
    uint64_t *restrict out, const uint64_t *row, const uint64_t *const neighbours[4], size_t count) {
  const uint64_t *a = neighbours[0], *b = neighbours[1], *c = neighbours[2], *d = neighbours[3];
  const uint64_t *left = row - 1, *right = row + 1;
  size_t words = (count + 63) / 64;
  for (size_t i = 0; i < words; i++) {
    uint64_t along = row[i] | row[i] << 1 | left[i] >> 63 | row[i] >> 1 | right[i] << 63;
    out[i] = along | a[i] | b[i] | c[i] | d[i];
  }
  if (words) out[words - 1] &= mt_low_bits(count - (words - 1) * 64);
}

MT_MULTIVERSION
void mt_erode_packed(
    uint64_t *restrict out, const uint64_t *row, const uint64_t *const neighbours[4], size_t count) {
  const uint64_t *a = neighbours[0], *b = neighbours[1], *c = neighbours[2], *d = neighbours[3];
  const uint64_t *left = row - 1, *right = row + 1;
  size_t words = (count + 63) / 64;
  for (size_t i = 0; i < words; i++) {
    uint64_t along = row[i] & (row[i] << 1 | left[i] >> 63) & (row[i] >> 1 | right[i] << 63);
    out[i] = along & a[i] & b[i] & c[i] & d[i];
  }
}

/// The bits of a row with those `steps` to the left and to the right of them.
MT_INLINE void widen(uint64_t *row, size_t words, int32_t steps) {
  for (; steps > 0; steps--) {
    uint64_t before = 0;
    for (size_t i = 0; i < words; i++) {
      uint64_t current = row[i], after = i + 1 < words ? row[i + 1] : 0;
      row[i] = current | current << 1 | before >> 63 | current >> 1 | after << 63;
      before = current;
    }
  }
}

/// The bits of a row that have `steps` set bits to the left and to the right of them.
MT_INLINE void narrow(uint64_t *row, size_t words, int32_t steps) {
  for (; steps > 0; steps--) {
    uint64_t before = 0;
    for (size_t i = 0; i < words; i++) {
      uint64_t current = row[i], after = i + 1 < words ? row[i + 1] : 0;
      row[i] = current & (current << 1 | before >> 63) & (current >> 1 | after << 63);
      before = current;
    }
  }
}

MT_MULTIVERSION
void mt_dilate_ball_packed(
    uint64_t *restrict out, const uint64_t *const *rows, const int32_t *ends, const int32_t *steps, size_t groups,
    size_t count) {
  size_t words = (count + 63) / 64;
  memset(out, 0, words * sizeof *out);
  int32_t next = 0;
  for (size_t group = 0; group < groups; group++) {
    for (; next < ends[group]; next++) {
      const uint64_t *row = rows[next];
      if (!row) continue;
      for (size_t i = 0; i < words; i++) out[i] |= row[i];
    }
    widen(out, words, steps[group]);
  }
  if (words) out[words - 1] &= mt_low_bits(count - (words - 1) * 64);
}

MT_MULTIVERSION
void mt_erode_ball_packed(
    uint64_t *restrict out, const uint64_t *const *rows, const int32_t *ends, const int32_t *steps, size_t groups,
    size_t count) {
  size_t words = (count + 63) / 64;
  int32_t total = groups ? ends[groups - 1] : 0;
  int is_inside = 1;
  for (int32_t i = 0; i < total; i++) is_inside &= rows[i] != NULL;
  memset(out, is_inside ? 0xFF : 0, words * sizeof *out);
  if (!is_inside) return;
  int32_t next = 0;
  for (size_t group = 0; group < groups; group++) {
    for (; next < ends[group]; next++) {
      const uint64_t *row = rows[next];
      for (size_t i = 0; i < words; i++) out[i] &= row[i];
    }
    narrow(out, words, steps[group]);
  }
}
