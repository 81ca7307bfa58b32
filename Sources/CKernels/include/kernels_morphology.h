// Label maps and masks: where labels are, how they grow, and masks of one bit per voxel.
#ifndef MICROTOME_KERNELS_MORPHOLOGY_H
#define MICROTOME_KERNELS_MORPHOLOGY_H

#include <stddef.h>
#include <stdint.h>

/// The first position whose byte the table of 256 selects, or `count`.
size_t mt_first_selected(const uint8_t *voxels, size_t count, const uint8_t *is_selected);

/// One more than the last position whose byte the table of 256 selects, or 0.
size_t mt_end_of_selected(const uint8_t *voxels, size_t count, const uint8_t *is_selected);

/// Whether a[i] and b[i] are different and neither is 0, for some i.
int mt_labels_meet(const uint8_t *a, const uint8_t *b, size_t count);

/// low[i] = min(low[i], row[i])
void mt_lower(uint8_t *low, const uint8_t *row, size_t count);

/// low[i] = the smallest of row[i + first], ..., row[i + last]
void mt_lowest_in_window(uint8_t *low, const uint8_t *row, ptrdiff_t first, ptrdiff_t last, size_t count);

/// rank[i] = label[i] - 1 for the labels first...last, else 255. Returns the smallest rank.
uint8_t mt_rank_labels(uint8_t *rank, const uint8_t *label, uint8_t first, uint8_t last, size_t count);

/// Where label[i] is 0: label[i] = low[i] + 1, in which 255 + 1 is 0.
void mt_fill_labels(uint8_t *label, const uint8_t *low, size_t count);

// A mask of bits: voxel i of a row is bit i % 64 of word i / 64; the bits beyond the row are 0. The words before the first
// and behind the last one of a row may be read, and are 0.

/// Sets a bit for every byte that is not 0 and returns whether there is one.
int mt_pack_nonzero(const uint8_t *voxels, uint64_t *words, size_t count);

/// Sets a bit for every byte that the table of 256 selects and returns whether there is one.
int mt_pack_selected(const uint8_t *voxels, uint64_t *words, size_t count, const uint8_t *is_selected);

/// Clears the bits of values that are not low < value < high. Values without a bit are not read in blocks of 64 such ones.
void mt_keep_between(uint64_t *words, const float *values, size_t count, float low, float high);

/// voxels[i] = 1 where bit i is set, else 0.
void mt_unpack(const uint64_t *words, uint8_t *voxels, size_t count);

/// voxels[i] = 0 where bit i is not set.
void mt_keep_packed(const uint64_t *words, uint8_t *voxels, size_t count);

/// out = the bits of a row of `count` voxels, of its neighbours along the row, and of four neighbouring rows.
void mt_dilate_packed(uint64_t *out, const uint64_t *row, const uint64_t *const neighbours[4], size_t count);

/// out = the bits of a row of `count` voxels that are set in its neighbours along the row and in four neighbouring rows too.
void mt_erode_packed(uint64_t *out, const uint64_t *row, const uint64_t *const neighbours[4], size_t count);

/// out = the bits of a row of `count` voxels grown by a ball.
///
/// The ball's rows come in groups, from those that reach the farthest along the row to those that reach the least. `rows` holds
/// the neighbouring rows under them, group after group, NULL for one outside of the volume; `ends[g]` is the end of group g in
/// it, and `steps[g]` by how much further it reaches than the next group, or than a single voxel. Before and behind `out`
/// nothing is written.
void mt_dilate_ball_packed(
    uint64_t *out, const uint64_t *const *rows, const int32_t *ends, const int32_t *steps, size_t groups, size_t count);

/// The same, shrunk by a ball; what lies outside of the volume counts as 0.
void mt_erode_ball_packed(
    uint64_t *out, const uint64_t *const *rows, const int32_t *ends, const int32_t *steps, size_t groups, size_t count);

#endif
