#include "dispatch.h"
#include "elementary.h"
#include "kernels_losses.h"

// So many voxels at a time stay in the first cache with all they need but the classes.
enum { BLOCK = 256 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// Whether a voxel counts, as a number, and its label, 0 where it does not.
static inline void take_labels(const int16_t *labels, size_t count, int32_t ignore, size_t known, int32_t *label,
                               float *counts) {
  for (size_t i = 0; i < count; i++) {
    int32_t value = labels[i];
    int valid = value >= 0 && value < (int32_t)known && value != ignore;
    label[i] = valid ? value : 0;
    counts[i] = valid ? 1.0f : 0.0f;
  }
}

MT_MULTIVERSION
size_t mt_softmax_sums(const float *logits, size_t stride, size_t classes, const int16_t *labels, size_t count,
                       int32_t ignore, float smoothing, float *probabilities, double *sums, double *entropy,
                       float *voxel_entropy) {
  size_t valid = 0;
  double total = 0;
  for (size_t begin = 0; begin < count; begin += BLOCK) {
    size_t n = smaller(BLOCK, count - begin);
    float top[BLOCK], sum[BLOCK], counts[BLOCK], loss[BLOCK];
    int32_t label[BLOCK];
    take_labels(labels + begin, n, ignore, classes, label, counts);
    for (size_t i = 0; i < n; i++) top[i] = logits[begin + i];
    for (size_t c = 1; c < classes; c++) {
      const float *restrict z = logits + c * stride + begin;
      for (size_t i = 0; i < n; i++) top[i] = z[i] > top[i] ? z[i] : top[i];
    }
    for (size_t i = 0; i < n; i++) sum[i] = 0;
    for (size_t c = 0; c < classes; c++) {
      const float *restrict z = logits + c * stride + begin;
      float *restrict p = probabilities + c * stride + begin;
      for (size_t i = 0; i < n; i++) {
        float e = mt_exp(z[i] - top[i]);
        p[i] = e;
        sum[i] += e;
      }
    }
    for (size_t i = 0; i < n; i++) {
      loss[i] = top[i] + mt_log(sum[i]);
      sum[i] = 1.0f / sum[i];
    }
    if (smoothing > 0) {
      // (1 - s) * (lse - z[label]) + s * (lse - mean z)
      float mean[BLOCK];
      for (size_t i = 0; i < n; i++) mean[i] = 0;
      for (size_t c = 0; c < classes; c++) {
        const float *restrict z = logits + c * stride + begin;
        for (size_t i = 0; i < n; i++) mean[i] += z[i];
      }
      for (size_t i = 0; i < n; i++) {
        float z = logits[(size_t)label[i] * stride + begin + i];
        loss[i] -= (1.0f - smoothing) * z + smoothing / (float)classes * mean[i];
      }
    } else {
      for (size_t i = 0; i < n; i++) loss[i] -= logits[(size_t)label[i] * stride + begin + i];
    }
    for (size_t c = 0; c < classes; c++) {
      float *restrict p = probabilities + c * stride + begin;
      for (size_t i = 0; i < n; i++) p[i] *= sum[i];
      float mass[16] = {0};
      size_t i = 0;
      for (; i + 16 <= n; i += 16) {
        for (size_t lane = 0; lane < 16; lane++) mass[lane] += p[i + lane] * counts[i + lane];
      }
      double all = 0;
      for (; i < n; i++) all += p[i] * counts[i];
      for (size_t lane = 0; lane < 16; lane++) all += mass[lane];
      sums[3 * c + 1] += all;
    }
    double part = 0;
    for (size_t i = 0; i < n; i++) {
      if (counts[i] == 0) {
        loss[i] = 0;
        continue;
      }
      size_t c = (size_t)label[i];
      sums[3 * c] += probabilities[c * stride + begin + i];
      sums[3 * c + 2] += 1;
      part += loss[i];
      valid++;
    }
    total += part;
    if (voxel_entropy) memcpy(voxel_entropy + begin, loss, n * sizeof(float));
  }
  *entropy += total;
  return valid;
}

MT_MULTIVERSION
void mt_softmax_gradient(float *values, size_t stride, size_t classes, const int16_t *labels, size_t count,
                         int32_t ignore, float smoothing, const float *a, const float *b, float weight,
                         const float *voxel_entropy, float threshold) {
  const float spread = smoothing / (float)classes;
  for (size_t begin = 0; begin < count; begin += BLOCK) {
    size_t n = smaller(BLOCK, count - begin);
    float counts[BLOCK], dot[BLOCK], share[BLOCK], own[BLOCK];
    int32_t label[BLOCK];
    take_labels(labels + begin, n, ignore, classes, label, counts);
    for (size_t i = 0; i < n; i++) {
      own[i] = values[(size_t)label[i] * stride + begin + i];
      dot[i] = a[label[i]] * own[i];
      share[i] = weight * counts[i];
    }
    if (voxel_entropy) {
      for (size_t i = 0; i < n; i++) share[i] = voxel_entropy[begin + i] >= threshold ? share[i] : 0.0f;
    }
    for (size_t c = 0; c < classes; c++) {
      const float *restrict p = values + c * stride + begin;
      float slope = b[c];
      for (size_t i = 0; i < n; i++) dot[i] += slope * p[i];
    }
    for (size_t c = 0; c < classes; c++) {
      float *restrict p = values + c * stride + begin;
      float slope = b[c];
      for (size_t i = 0; i < n; i++) p[i] = p[i] * (slope - dot[i]) * counts[i] + share[i] * (p[i] - spread);
    }
    for (size_t i = 0; i < n; i++) {
      values[(size_t)label[i] * stride + begin + i] += counts[i] * own[i] * a[label[i]] - share[i] * (1.0f - smoothing);
    }
  }
}

MT_MULTIVERSION
size_t mt_sigmoid_sums(const float *logits, size_t stride, size_t regions, const int16_t *labels, size_t count,
                       int32_t ignore, const uint8_t *table, size_t labels_known, float *probabilities, double *sums,
                       double *entropy) {
  size_t valid = 0;
  double total = 0;
  for (size_t begin = 0; begin < count; begin += BLOCK) {
    size_t n = smaller(BLOCK, count - begin);
    float counts[BLOCK], member[BLOCK], loss[BLOCK];
    int32_t label[BLOCK];
    take_labels(labels + begin, n, ignore, labels_known, label, counts);
    for (size_t i = 0; i < n; i++) valid += counts[i] != 0;
    for (size_t r = 0; r < regions; r++) {
      const float *restrict z = logits + r * stride + begin;
      float *restrict p = probabilities + r * stride + begin;
      for (size_t i = 0; i < n; i++) member[i] = table[(size_t)label[i] * regions + r] ? counts[i] : 0.0f;
      for (size_t i = 0; i < n; i++) {
        float size = z[i] < 0 ? -z[i] : z[i];
        float e = mt_exp(-size);
        float large = 1.0f / (1.0f + e);
        p[i] = z[i] < 0 ? e * large : large;
        loss[i] = ((z[i] > 0 ? z[i] : 0.0f) + mt_log(1.0f + e)) * counts[i] - z[i] * member[i];
      }
      double inside = 0, mass = 0, size = 0, part = 0;
      for (size_t i = 0; i < n; i++) {
        inside += p[i] * member[i];
        mass += p[i] * counts[i];
        size += member[i];
        part += loss[i];
      }
      sums[3 * r] += inside;
      sums[3 * r + 1] += mass;
      sums[3 * r + 2] += size;
      total += part;
    }
  }
  *entropy += total;
  return valid;
}

MT_MULTIVERSION
void mt_sigmoid_gradient(float *values, size_t stride, size_t regions, const int16_t *labels, size_t count,
                         int32_t ignore, const uint8_t *table, size_t labels_known, const float *a, const float *b,
                         float weight) {
  for (size_t begin = 0; begin < count; begin += BLOCK) {
    size_t n = smaller(BLOCK, count - begin);
    float counts[BLOCK], member[BLOCK];
    int32_t label[BLOCK];
    take_labels(labels + begin, n, ignore, labels_known, label, counts);
    for (size_t r = 0; r < regions; r++) {
      float *restrict p = values + r * stride + begin;
      float inside = a[r], all = b[r];
      for (size_t i = 0; i < n; i++) member[i] = table[(size_t)label[i] * regions + r] ? 1.0f : 0.0f;
      for (size_t i = 0; i < n; i++) {
        float slope = inside * member[i] + all;
        p[i] = counts[i] * (p[i] * (1.0f - p[i]) * slope + weight * (p[i] - member[i]));
      }
    }
  }
}

MT_MULTIVERSION
void mt_count_winners(const float *logits, size_t stride, size_t classes, const int16_t *labels, size_t count,
                      int32_t ignore, int64_t *counts) {
  for (size_t begin = 0; begin < count; begin += BLOCK) {
    size_t n = smaller(BLOCK, count - begin);
    float top[BLOCK];
    int32_t winner[BLOCK];
    for (size_t i = 0; i < n; i++) {
      top[i] = logits[begin + i];
      winner[i] = 0;
    }
    for (size_t c = 1; c < classes; c++) {
      const float *restrict z = logits + c * stride + begin;
      for (size_t i = 0; i < n; i++) {
        int larger = z[i] > top[i];
        winner[i] = larger ? (int32_t)c : winner[i];
        top[i] = larger ? z[i] : top[i];
      }
    }
    for (size_t i = 0; i < n; i++) {
      int32_t label = labels[begin + i];
      if (label < 0 || label >= (int32_t)classes || label == ignore) continue;
      if (label == winner[i]) {
        counts[3 * label] += 1;
      } else {
        counts[3 * winner[i] + 1] += 1;
        counts[3 * label + 2] += 1;
      }
    }
  }
}

MT_MULTIVERSION
void mt_count_regions(const float *logits, size_t stride, size_t regions, const int16_t *labels, size_t count,
                      int32_t ignore, const uint8_t *table, size_t labels_known, int64_t *counts) {
  for (size_t r = 0; r < regions; r++) {
    const float *restrict z = logits + r * stride;
    int64_t found[3] = {0, 0, 0};
    for (size_t i = 0; i < count; i++) {
      int32_t label = labels[i];
      if (label < 0 || label >= (int32_t)labels_known || label == ignore) continue;
      int given = z[i] > 0, member = table[(size_t)label * regions + r] != 0;
      found[0] += given && member;
      found[1] += given && !member;
      found[2] += !given && member;
    }
    for (size_t k = 0; k < 3; k++) counts[3 * r + k] += found[k];
  }
}
