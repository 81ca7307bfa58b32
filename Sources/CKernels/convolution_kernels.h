// The kernels of kernels_convolution.h for one instruction set. Included once for each of them, with
//   MT_FOR(name)  the name of a function for this instruction set
//   MT_WIDE       rows of a product that fit into registers for one block of 16 columns
//   MT_NARROW     the same for two blocks
//   MT_BLOCKS     whether two blocks at once are worth while: 2 or 1
//   MT_OUTER      rows of an outer product whose sums fit into registers: a divisor of 16
//   MT_STEP       how many values of a sum are multiplied at once: 1 float, or 2 bfloat16
//   MT_BF16_UNIT  with MT_STEP 2, whether the processor multiplies bfloat16: 1 or 0

#define MT_INLINE static inline __attribute__((always_inline))
#define MT_UNROLL _Pragma("clang loop unroll(full)")

MT_INLINE mt_vector MT_FOR(load)(const float *from) { return *(const mt_vector *)from; }
MT_INLINE void MT_FOR(store)(float *to, mt_vector value) { *(mt_vector *)to = value; }
#define LOAD MT_FOR(load)
#define STORE MT_FOR(store)

// What products multiply.
#if MT_STEP == 2
typedef uint16_t MT_FOR(point);
#else
typedef float MT_FOR(point);
#endif

MT_INLINE void MT_FOR(store_points)(MT_FOR(point) *to, mt_vector value) {
#if MT_STEP == 1
  STORE(to, value);
#elif MT_BF16_UNIT
  *(__m256bh *)to = _mm512_cvtneps_pbh((__m512)value);
#else
  mt_words bits = (mt_words)value;
  bits += 0x7fff + (bits >> 16 & 1);
  *(mt_halves *)to = __builtin_convertvector(bits >> 16, mt_halves);
#endif
}

// sums + the products of MT_STEP values and as many rows of weights.
MT_INLINE mt_vector MT_FOR(multiply_add)(mt_vector sums, mt_vector weights, const MT_FOR(point) *values) {
#if MT_STEP == 1
  return sums + weights * *values;
#else
  uint32_t pair = *(const uint32_t *)values;
#if MT_BF16_UNIT
  return (mt_vector)_mm512_dpbf16_ps((__m512)sums, (__m512bh)weights, (__m512bh)_mm512_set1_epi32((int)pair));
#else
  mt_words both = (mt_words)weights, values_of_both = (mt_words){0} + pair;
  sums += (mt_vector)(both & 0xffff0000) * (mt_vector)(values_of_both & 0xffff0000);
  return sums + (mt_vector)(both << 16) * (mt_vector)(values_of_both << 16);
#endif
#endif
}

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

// `count` voxels, `stride` apart, as they are seen.
MT_INLINE void MT_FOR(copy)(const float *from, size_t stride, size_t count, const MT_FOR(view) * view, float *to) {
  if (view->is_plain) {
    for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, LOAD(from + i * stride));
  } else {
    for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, MT_FOR(seen)(LOAD(from + i * stride), view));
  }
}

MT_INLINE void MT_FOR(clear)(size_t count, float *to) {
  for (size_t i = 0; i < count; i++) STORE(to + i * mt_lanes, (mt_vector){0});
}

MT_INLINE void MT_FOR(clear_points)(size_t count, MT_FOR(point) *to) {
  memset(to, 0, count * mt_lanes * sizeof(*to));
}

// As `copy`, for a product.
MT_INLINE void MT_FOR(copy_points)(
    const float *from, size_t stride, size_t count, const MT_FOR(view) * view, MT_FOR(point) *to) {
  if (view->is_plain) {
    for (size_t i = 0; i < count; i++) MT_FOR(store_points)(to + i * mt_lanes, LOAD(from + i * stride));
  } else {
    for (size_t i = 0; i < count; i++) {
      MT_FOR(store_points)(to + i * mt_lanes, MT_FOR(seen)(LOAD(from + i * stride), view));
    }
  }
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
#include "convolution_gradients.h"
#if MT_STEP == 1
#include "convolution_features.h"
#endif

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
#undef MT_OUTER
#undef MT_STEP
#undef MT_BF16_UNIT
