// The kernels of kernels_convolution.h for one instruction set. Included once for each of them, with
//   MT_FOR(name)  the name of a function for this instruction set
//   MT_WIDE       rows of a product that fit into registers for one block of 16 columns
//   MT_NARROW     the same for two blocks
//   MT_BLOCKS     whether two blocks at once are worth while: 2 or 1

#define MT_INLINE static inline __attribute__((always_inline))
#define MT_UNROLL _Pragma("clang loop unroll(full)")

MT_INLINE mt_vector MT_FOR(load)(const float *from) { return *(const mt_vector *)from; }
MT_INLINE void MT_FOR(store)(float *to, mt_vector value) { *(mt_vector *)to = value; }
#define LOAD MT_FOR(load)
#define STORE MT_FOR(store)

// What a reader sees of one block: features are seen through these where they are loaded.
typedef struct MT_FOR(view) {
  mt_vector scale, shift;
  float slope;
  int is_plain;
} MT_FOR(view);

MT_INLINE MT_FOR(view) MT_FOR(view_of)(const mt_features *features, size_t block) {
  MT_FOR(view) view = {.slope = features->slope, .is_plain = features->scale == NULL};
  if (features->scale != NULL) {
    view.scale = LOAD(features->scale + block * mt_lanes);
    view.shift = LOAD(features->shift + block * mt_lanes);
  }
  return view;
}

MT_INLINE mt_vector MT_FOR(seen)(mt_vector value, const MT_FOR(view) * view) {
  mt_vector moved = value * view->scale + view->shift;
  return __builtin_elementwise_max(moved, moved * view->slope);
}

// `count` voxels as they are seen.
MT_INLINE void MT_FOR(copy)(const float *from, size_t count, const MT_FOR(view) * view, float *to) {
  if (view->is_plain) {
    for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, LOAD(from + i * mt_lanes));
  } else {
    for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, MT_FOR(seen)(LOAD(from + i * mt_lanes), view));
  }
}

MT_INLINE void MT_FOR(clear)(size_t count, float *to) {
  for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, (mt_vector){0});
}

// MARK: Statistics

typedef struct MT_FOR(moments) {
  mt_vector center, sum, squares;
  size_t count;
} MT_FOR(moments);

MT_INLINE void MT_FOR(write_moments)(const MT_FOR(moments) * moments, float *statistics) {
  STORE(statistics, (mt_vector){0} + (float)moments->count);
  STORE(statistics + mt_lanes, moments->center);
  STORE(statistics + 2 * mt_lanes, moments->sum);
  STORE(statistics + 3 * mt_lanes, moments->squares);
}

// One more value, for sums that are to become part of `moments`.
MT_INLINE void MT_FOR(count_in)(
    mt_vector value, const MT_FOR(moments) * moments, mt_vector *sum, mt_vector *squares) {
  mt_vector off = value - moments->center;
  *sum += off;
  *squares += off * off;
}

// Over `count` voxels from `values` on. Sums of 16 are added up, so that rounding stays small.
MT_INLINE void MT_FOR(gather_moments)(const float *values, size_t count, MT_FOR(moments) * moments) {
  if (count == 0) return;
  if (moments->count == 0) moments->center = LOAD(values);
  moments->count += count;
  for (size_t start = 0; start < count; start += 16) {
    size_t end = start + 16 < count ? start + 16 : count;
    mt_vector sum = {0}, squares = {0};
    for (size_t i = start; i < end; i++) {
      MT_FOR(count_in)(LOAD(values + i * mt_lanes), moments, &sum, &squares);
    }
    moments->sum += sum;
    moments->squares += squares;
  }
}

#include "convolution_products.h"
#include "convolution_tiles.h"
#include "convolution_rows.h"
#include "convolution_features.h"

#undef LOAD
#undef STORE
#undef MT_PRODUCT
#undef MT_TILES
#undef MT_INLINE
#undef MT_UNROLL
#undef MT_FOR
#undef MT_WIDE
#undef MT_NARROW
#undef MT_BLOCKS
