// Rows of bytes as runs of equal values, and runs as components.
#ifndef MICROTOME_KERNELS_RUNS_H
#define MICROTOME_KERNELS_RUNS_H

#include <stddef.h>
#include <stdint.h>

/// Voxels start..<end of a row, all of one label.
typedef struct {
  int32_t row;
  int32_t start;
  int32_t end;
  int32_t label;
} mt_run;

/// Writes the runs of bytes that are not 0 (that are 0, when `inverted`), all with label 1, and returns their number.
/// `runs` has room for `count` + 1.
size_t mt_mask_runs(const uint8_t *voxels, size_t count, int32_t row, int inverted, mt_run *runs);

/// Writes the runs of equal bytes that the table of 256 selects (an entry is 0 or 1, that of byte 0 is 0) and returns their
/// number. `runs` has room for `count` + 1.
size_t mt_label_runs(const uint8_t *voxels, size_t count, int32_t row, const uint8_t *is_selected, mt_run *runs);

/// Unites the runs a..<end_a of one row with those of runs b..<end_b of another that have the same label and are not further
/// apart along the row than `reach` allows (0: a common face; 1: a common corner). Of two united trees, the root that comes
/// first stays the root.
void mt_join_runs(const mt_run *runs, int32_t *parents, size_t a, size_t end_a, size_t b, size_t end_b, int32_t reach);

/// Replaces parents, none of which comes after its child, by the numbers of the trees: 0, 1, ... in the order of their roots.
/// Returns how many there are.
size_t mt_number_trees(int32_t *parents, size_t count);

#endif
