// From half-precision logits to labels: the winner at each voxel, and the winner between voxels.
//
// A "code" is the label a voxel certainly has, or MT_UNCERTAIN. Interpolation is a convex combination, so where all
// neighbours of a point carry the same code, that code is also the label at the point, and no channel need be looked at.
#ifndef MICROTOME_KERNELS_LABELS_H
#define MICROTOME_KERNELS_LABELS_H

#include <stddef.h>
#include <stdint.h>

/// A voxel whose leading class leads by less than rounding could turn around.
#define MT_UNCERTAIN 0xFFFF

/// label[i] = the first channel with the largest logit. Channels lie `channel_stride` elements apart.
/// `scratch` holds `count` floats.
void mt_winners(uint16_t *label, const uint16_t *logits, size_t channels, ptrdiff_t channel_stride, size_t count,
                float *scratch);

/// Like `mt_winners`, but voxels where the lead is within rounding become MT_UNCERTAIN. `scratch` holds 2 * `count` floats.
void mt_certain_winners(uint16_t *code, const uint16_t *logits, size_t channels, ptrdiff_t channel_stride, size_t count,
                        float *scratch);

/// label[i] = region_labels[c] for the last channel c whose logit is large enough for its sigmoid to exceed one half, else 0.
void mt_region_labels(uint16_t *label, const uint16_t *logits, size_t channels, ptrdiff_t channel_stride, size_t count,
                      const uint16_t *region_labels);

/// Like `mt_region_labels`, but voxels with a logit near the threshold become MT_UNCERTAIN.
void mt_certain_region_labels(uint16_t *code, const uint16_t *logits, size_t channels, ptrdiff_t channel_stride,
                              size_t count, const uint16_t *region_labels);

/// code[i] = the code all four rows agree on at i, else MT_UNCERTAIN.
void mt_agree(uint16_t *code, const uint16_t *a, const uint16_t *b, const uint16_t *c, const uint16_t *d, size_t count);

/// For each output column: the code both its neighbours agree on goes to `label`; the others' indices go to `undecided`.
/// Returns how many are undecided.
size_t mt_decide(uint16_t *label, const uint16_t *code, const int32_t *first, const int32_t *second, size_t count,
                 int32_t *undecided);

/// blend[i] = a[i]*wa + b[i]*wb + c[i]*wc + d[i]*wd for half-precision rows.
void mt_blend_rows(float *blend, const uint16_t *a, const uint16_t *b, const uint16_t *c, const uint16_t *d, float wa,
                   float wb, float wc, float wd, size_t count);

/// value[j] = blend[first[columns[j]]] * (1 - share[columns[j]]) + blend[second[columns[j]]] * share[columns[j]],
/// rounded to half precision when `round_to_half` is set.
void mt_sample_columns(float *value, const float *blend, const int32_t *first, const int32_t *second,
                       const float *share, const int32_t *columns, size_t count, int round_to_half);

/// Where value[j] > best[j]: best[j] = value[j], label[j] = channel.
void mt_keep_larger(float *best, uint16_t *label, const float *value, uint16_t channel, size_t count);

/// As mt_keep_larger, but best[j] becomes value[j] rounded to half precision.
void mt_keep_larger_half(float *best, uint16_t *label, const float *value, uint16_t channel, size_t count);

/// Where value[j] is large enough for its sigmoid to exceed one half: label[j] = region_label.
void mt_mark_region(uint16_t *label, const float *value, uint16_t region_label, size_t count);

#endif
