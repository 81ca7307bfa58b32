// Separable B-spline resampling along one axis, for many lines at a time.
#ifndef MICROTOME_KERNELS_RESAMPLE_H
#define MICROTOME_KERNELS_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#endif
