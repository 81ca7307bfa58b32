// Training: losses of segmentations and their gradients.
#ifndef MICROTOME_KERNELS_LOSSES_H
#define MICROTOME_KERNELS_LOSSES_H

#include <stddef.h>
#include <stdint.h>

// Channels lie `stride` values apart; `count` voxels are done. Labels outside of 0 ..< classes and those equal to
// `ignore` are left out (an `ignore` of -1 ignores nothing else).

// Probabilities by softmax. Adds to sums, three numbers a class: the probability where the class is the label, the
// probability, the voxels of the label. Adds the cross-entropy to *entropy and, unless NULL, stores it by voxel.
// Returns the number of voxels that count.
size_t mt_softmax_sums(const float *logits, size_t stride, size_t classes, const int16_t *labels, size_t count,
                       int32_t ignore, float smoothing, float *probabilities, double *sums, double *entropy,
                       float *voxel_entropy);
// Turns probabilities into the gradient by the logits of: sum over classes c of a[c] p[c] (where c is the label) + b[c]
// p[c], plus `weight` times the cross-entropy of the voxels whose entropy is at least `threshold` (all if NULL).
void mt_softmax_gradient(float *values, size_t stride, size_t classes, const int16_t *labels, size_t count,
                         int32_t ignore, float smoothing, const float *a, const float *b, float weight,
                         const float *voxel_entropy, float threshold);
// The same for independent regions: table[label * regions + r] says whether region r contains a label; there are
// `labels_known` labels.
size_t mt_sigmoid_sums(const float *logits, size_t stride, size_t regions, const int16_t *labels, size_t count,
                       int32_t ignore, const uint8_t *table, size_t labels_known, float *probabilities, double *sums,
                       double *entropy);
void mt_sigmoid_gradient(float *values, size_t stride, size_t regions, const int16_t *labels, size_t count,
                         int32_t ignore, const uint8_t *table, size_t labels_known, const float *a, const float *b,
                         float weight);
// Adds to counts, three numbers a class: voxels rightly given it, wrongly given it, wrongly not given it.
void mt_count_winners(const float *logits, size_t stride, size_t classes, const int16_t *labels, size_t count,
                      int32_t ignore, int64_t *counts);
void mt_count_regions(const float *logits, size_t stride, size_t regions, const int16_t *labels, size_t count,
                      int32_t ignore, const uint8_t *table, size_t labels_known, int64_t *counts);

#endif
