// Moving voxels without looking at them.
#ifndef MICROTOME_KERNELS_LAYOUT_H
#define MICROTOME_KERNELS_LAYOUT_H

#include <stddef.h>

/// result[c * result_stride + r] = source[r * source_stride + c] for a matrix of elements of `size` bytes (1, 2, 4 or 8).
/// Strides count elements.
void mt_transpose(
    const void *source, ptrdiff_t source_stride, void *result, ptrdiff_t result_stride, size_t rows, size_t columns,
    size_t size);

#endif
