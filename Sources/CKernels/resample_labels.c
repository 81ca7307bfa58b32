// Linear interpolation of a segmentation: each label's indicator is interpolated, and the labels compete.
#include "dispatch.h"
#include "kernels_resample.h"

// Ties between labels are decided by the last bit, so each product and sum rounds on its own.
#pragma STDC FP_CONTRACT OFF

/// The distinct labels among at most eight taps, with their summed weights in the order of the taps.
typedef struct {
  int16_t label[8];
  double score[8];
  int count;
} ballot;

static void vote(ballot *votes, int16_t label, double weight) {
  for (int i = 0; i < votes->count; i++) {
    if (votes->label[i] == label) {
      votes->score[i] += weight;
      return;
    }
  }
  votes->label[votes->count] = label;
  votes->score[votes->count++] = weight;
}

/// The label with the largest score; among equals the nearest sample's, else the smallest.
static int16_t winner(const ballot *votes, int16_t nearest) {
  int16_t best = votes->label[0];
  double score = votes->score[0];
  for (int i = 1; i < votes->count; i++) {
    bool preferred = best != nearest && (votes->label[i] == nearest || votes->label[i] < best);
    if (votes->score[i] > score || (votes->score[i] == score && preferred)) {
      best = votes->label[i];
      score = votes->score[i];
    }
  }
  return best;
}

/// The largest label with at least half of the weight (more than half, when `strictly`); 0 when none has.
static int16_t majority(const ballot *votes, bool strictly) {
  bool found = false;
  int16_t best = 0;
  for (int i = 0; i < votes->count; i++) {
    bool enough = strictly ? votes->score[i] > 0.5 : votes->score[i] >= 0.5;
    if (enough && (!found || votes->label[i] > best)) {
      best = votes->label[i];
      found = true;
    }
  }
  return best;
}

/// The label with the largest score in thousandths at half precision, the smallest among equals.
static int16_t half_precision_winner(const ballot *votes) {
  int16_t best = 0;
  float score = -1;
  for (int i = 0; i < votes->count; i++) {
    float share = (float)(_Float16)(float)(votes->score[i] * 1000);
    if (share > score || (share == score && votes->label[i] < best)) {
      best = votes->label[i];
      score = share;
    }
  }
  return best;
}

static int16_t elect(const ballot *votes, mt_label_rule rule, int16_t nearest) {
  switch (rule) {
    case MT_LABEL_AT_LEAST_HALF: return majority(votes, false);
    case MT_LABEL_MORE_THAN_HALF: return majority(votes, true);
    case MT_LABEL_LARGEST_HALF_PRECISION_SHARE: return half_precision_winner(votes);
    default: return winner(votes, nearest);
  }
}

MT_MULTIVERSION
static void mark_agreement(const int16_t *const *rows, size_t count, uint8_t *restrict agree, size_t width) {
  if (count == 1) {
    for (size_t x = 0; x < width; x++) agree[x] = 1;
    return;
  }
  const int16_t *restrict a = rows[0], *restrict b = rows[1];
  if (count == 2) {
    for (size_t x = 0; x < width; x++) agree[x] = a[x] == b[x];
    return;
  }
  const int16_t *restrict c = rows[2], *restrict d = rows[3];
  for (size_t x = 0; x < width; x++) agree[x] = (a[x] == b[x]) & (a[x] == c[x]) & (a[x] == d[x]);
}

void mt_label_row(
    const int16_t *const *rows, const double *row_weights, size_t row_count, const mt_linear_axis *axis,
    const int16_t *nearest_row, const int32_t *nearest_index, mt_label_rule rule, uint8_t *agree, int16_t *result) {
  mark_agreement(rows, row_count, agree, axis->input);
  const int16_t *any = rows[0];
  for (size_t k = 0; k < axis->output; k++) {
    size_t i0 = (size_t)axis->index0[k], i1 = (size_t)axis->index1[k];
    if (agree[i0] & agree[i1] & (any[i0] == any[i1])) {
      result[k] = any[i0];
      continue;
    }
    ballot votes = {.count = 0};
    for (size_t r = 0; r < row_count; r++) {
      vote(&votes, rows[r][i0], row_weights[r] * axis->weight0[k]);
      vote(&votes, rows[r][i1], row_weights[r] * axis->weight1[k]);
    }
    result[k] = elect(&votes, rule, nearest_row[nearest_index[k]]);
  }
}
