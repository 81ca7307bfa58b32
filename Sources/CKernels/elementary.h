// Exponential and logarithm in single precision that compilers turn into vector code (polynomials of Cephes; 2 ulp).
#ifndef MICROTOME_ELEMENTARY_H
#define MICROTOME_ELEMENTARY_H

#include <stdint.h>
#include <string.h>

static inline int32_t mt_bits(float value) {
  int32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float mt_float(int32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float mt_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  // Adding 1.5 * 2^23 rounds to an integer, which then is in the low bits.
  const float magic = 12582912.0f;
  float shifted = x * 1.44269504088896341f + magic;
  int32_t n = mt_bits(shifted) - mt_bits(magic);
  float whole = shifted - magic;
  float r = x - whole * 0.693359375f;
  r = r + whole * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  float y = p * r * r + r + 1.0f;
  return y * mt_float((int32_t)((uint32_t)(n + 127) << 23));
}

// For positive numbers; those below the smallest normal one count as that.
static inline float mt_log(float x) {
  x = x < 1.17549435e-38f ? 1.17549435e-38f : x;
  int32_t bits = mt_bits(x);
  float e = (float)((bits >> 23) - 126);
  float m = mt_float((bits & 0x007FFFFF) | 0x3F000000);
  int isSmall = m < 0.707106781186547524f;
  e = isSmall ? e - 1.0f : e;
  m = isSmall ? m + m - 1.0f : m - 1.0f;
  float z = m * m;
  float y = 7.0376836292e-2f;
  y = y * m - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z;
  y = y - 2.12194440e-4f * e;
  y = y - 0.5f * z;
  return m + y + 0.693359375f * e;
}

#endif
