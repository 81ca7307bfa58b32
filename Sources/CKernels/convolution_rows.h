// Convolutions that multiply one by one. Part of convolution_kernels.h.

// One line of a phase: every `stride`-th voxel from `x` on, `count` of them, zero where there is no input.
static void MT_FOR(pick)(
    const float *line, ptrdiff_t width, ptrdiff_t x, size_t stride, size_t count, const MT_FOR(view) * view,
    MT_FOR(point) *to) {
  size_t i = 0;
  for (; i < count && x < 0; i++, x += (ptrdiff_t)stride) MT_FOR(clear_points)(1, to + i * mt_lanes);
  size_t seen = x < width ? ((size_t)(width - x) + stride - 1) / stride : 0;
  size_t end = count - i < seen ? count : i + seen;
  MT_FOR(copy_points)(line + x * mt_lanes, stride * mt_lanes, end - i, view, to + i * mt_lanes);
  MT_FOR(clear_points)(count - end, to + end * mt_lanes);
}

// As `pick`, from a line of an image.
static void MT_FOR(pick_image)(
    const float *line, ptrdiff_t width, ptrdiff_t x, size_t stride, size_t count, MT_FOR(point) *to) {
  for (size_t i = 0; i < count; i++, x += (ptrdiff_t)stride) to[i] = x >= 0 && x < width ? line[x] : 0;
}

// What an item takes in, padded with zeros and sorted by phase: voxels that lie a whole number of strides apart along every
// axis, so that what one place of the kernel meets lies in a row. (phases, blocks or channels, Z, Y, X)
static void MT_FOR(sort)(const mt_convolution *c, const mt_phases *phases, size_t z, size_t y, MT_FOR(point) *to) {
  const int is_image = c->image_channels > 0;
  const size_t row = phases->size[2] * (is_image ? 1 : mt_lanes);
  const size_t pitch = c->input_size[2] * (is_image ? 1 : mt_lanes), sources = is_image ? 1 : c->input_count;
  for (size_t pz = 0; pz < phases->count[0]; pz++) {
    for (size_t py = 0; py < phases->count[1]; py++) {
      for (size_t px = 0; px < phases->count[2]; px++) {
        for (size_t i = 0; i < sources; i++) {
          const float *values = is_image ? c->image : c->inputs[i].values;
          size_t blocks = is_image ? c->image_channels : (c->inputs[i].channels + mt_lanes - 1) / mt_lanes;
          for (size_t block = 0; block < blocks; block++) {
            MT_FOR(view) view = {.is_plain = 1};
            if (!is_image) view = MT_FOR(view_of)(&c->inputs[i], block);
            for (size_t iz = 0; iz < phases->size[0]; iz++) {
              ptrdiff_t from_z = (ptrdiff_t)((z + iz) * c->stride[0] + pz) - (ptrdiff_t)c->padding[0];
              for (size_t iy = 0; iy < phases->size[1]; iy++, to += row) {
                ptrdiff_t from_y = (ptrdiff_t)((y + iy) * c->stride[1] + py) - (ptrdiff_t)c->padding[1];
                if (from_z < 0 || from_z >= (ptrdiff_t)c->input_size[0] || from_y < 0
                    || from_y >= (ptrdiff_t)c->input_size[1]) {
                  memset(to, 0, row * sizeof(*to));
                  continue;
                }
                const float *line =
                    values + ((block * c->input_size[0] + (size_t)from_z) * c->input_size[1] + (size_t)from_y) * pitch;
                ptrdiff_t width = (ptrdiff_t)c->input_size[2], x = (ptrdiff_t)px - (ptrdiff_t)c->padding[2];
                if (is_image) {
                  MT_FOR(pick_image)(line, width, x, c->stride[2], phases->size[2], to);
                } else {
                  MT_FOR(pick)(line, width, x, c->stride[2], phases->size[2], &view, to);
                }
              }
            }
          }
        }
      }
    }
  }
}

static void MT_FOR(run_rows)(const mt_convolution *c, size_t item, float *scratch) {
  const mt_phases phases = mt_phases_of(c);
  const size_t strips = (c->output_size[1] + c->item_rows - 1) / c->item_rows;
  const size_t z = item / strips * c->item_slices, y = item % strips * c->item_rows;
  const size_t slices = c->output_size[0] - z < c->item_slices ? c->output_size[0] - z : c->item_slices;
  const size_t lines = c->output_size[1] - y < c->item_rows ? c->output_size[1] - y : c->item_rows;
  const size_t width = c->output_size[2], voxels = c->output_size[0] * c->output_size[1] * width;
  const int is_image = c->image_channels > 0;
  float *products = scratch;
  MT_FOR(point) *sorted = (MT_FOR(point) *)(scratch + 2 * phases.product_stride);
  MT_FOR(sort)(c, &phases, z, y, sorted);
  mt_places places;
  places.count = 0;
  const size_t in_block = phases.size[0] * phases.size[1] * phases.size[2] * (is_image ? 1 : mt_lanes);
  size_t values = c->image_channels;
  for (size_t kz = 0; kz < c->kernel[0]; kz++) {
    for (size_t ky = 0; ky < c->kernel[1]; ky++) {
      for (size_t kx = 0; kx < c->kernel[2]; kx++) {
        size_t phase = (kz % c->stride[0] * phases.count[1] + ky % c->stride[1]) * phases.count[2] + kx % c->stride[2];
        size_t row = (kz / c->stride[0] * phases.size[1] + ky / c->stride[1]) * phases.size[2] + kx / c->stride[2];
        size_t offset = phase * phases.blocks * in_block + row * (is_image ? 1 : mt_lanes);
        if (is_image) {
          for (size_t i = 0; i < values; i++) {
            places.lanes[places.count] = 1;
            places.offsets[places.count++] = (uint32_t)(offset + i * in_block);
          }
        } else {
          values = MT_FOR(add_places)(c, offset, in_block, &places);
        }
      }
    }
  }
  // Rows between the lines and slices of the result are computed too, and left out.
  const size_t rows = ((slices - 1) * phases.size[1] + lines - 1) * phases.size[2] + width;
  const size_t block_weights = c->kernel[0] * c->kernel[1] * c->kernel[2] * values * mt_lanes;
  const MT_FOR(point) *weights = c->weights;
  for (size_t block = 0; block < c->output_blocks; block += MT_BLOCKS) {
    size_t pair = c->output_blocks - block < MT_BLOCKS ? 1 : MT_BLOCKS;
    MT_FOR(product)
    (sorted, &places, weights + block * block_weights, block_weights,
     c->bias == NULL ? NULL : c->bias + block * mt_lanes, products, phases.product_stride, rows, pair, is_image);
    for (size_t i = 0; i < pair; i++) {
      MT_FOR(moments) moments = {0};
      for (size_t slice = 0; slice < slices; slice++) {
        for (size_t line = 0; line < lines; line++) {
          const float *from =
              products + i * phases.product_stride + (slice * phases.size[1] + line) * phases.size[2] * mt_lanes;
          size_t place = ((z + slice) * c->output_size[1] + y + line) * width;
          memcpy(c->output + ((block + i) * voxels + place) * mt_lanes, from, width * mt_lanes * sizeof(float));
          if (c->statistics != NULL) MT_FOR(gather_moments)(from, width, &moments);
        }
      }
      if (c->statistics == NULL) continue;
      MT_FOR(write_moments)(&moments, c->statistics + (item * c->output_blocks + block + i) * 4 * mt_lanes);
    }
  }
}

static void MT_FOR(convolution_run)(const mt_convolution *c, size_t item, float *scratch) {
  (c->tile > 0 ? MT_FOR(run_tiles) : MT_FOR(run_rows))(c, item, scratch);
}

static void MT_FOR(enlargement_run)(const mt_convolution *c, size_t item, float *scratch) {
  const size_t width = c->input_size[2], z = item / c->input_size[1], y = item % c->input_size[1];
  const size_t row_slots = mt_row_slots_for(width);
  mt_places places;
  places.count = 0;
  const size_t values = MT_FOR(add_places)(c, 0, row_slots * mt_lanes, &places);
  float *products = scratch;
  MT_FOR(point) *row = (MT_FOR(point) *)(scratch + 2 * row_slots * mt_lanes), *to = row;
  for (size_t i = 0; i < c->input_count; i++) {
    for (size_t block = 0; block * mt_lanes < c->inputs[i].channels; block++, to += row_slots * mt_lanes) {
      MT_FOR(view) view = MT_FOR(view_of)(&c->inputs[i], block);
      MT_FOR(copy_points)
      (c->inputs[i].values + ((block * c->input_size[0] + z) * c->input_size[1] + y) * width * mt_lanes, mt_lanes, width,
       &view,
       to);
    }
  }
  const size_t block_weights = values * mt_lanes;
  const MT_FOR(point) *weights = c->weights;
  for (size_t kz = 0; kz < c->kernel[0]; kz++) {
    for (size_t ky = 0; ky < c->kernel[1]; ky++) {
      for (size_t kx = 0; kx < c->kernel[2]; kx++, weights += c->output_blocks * block_weights) {
        for (size_t block = 0; block < c->output_blocks; block += MT_BLOCKS) {
          size_t pair = c->output_blocks - block < MT_BLOCKS ? 1 : MT_BLOCKS;
          MT_FOR(product)
          (row, &places, weights + block * block_weights, block_weights,
           c->bias == NULL ? NULL : c->bias + block * mt_lanes, products, row_slots * mt_lanes, width, pair, 0);
          for (size_t i = 0; i < pair; i++) {
            const float *from = products + i * row_slots * mt_lanes;
            size_t line = ((block + i) * c->output_size[0] + z * c->stride[0] + kz) * c->output_size[1]
                          + y * c->stride[1] + ky;
            float *target = c->output + (line * c->output_size[2] + kx) * mt_lanes;
            for (size_t x = 0; x < width; x++) STORE(target + x * c->stride[2] * mt_lanes, LOAD(from + x * mt_lanes));
          }
        }
      }
    }
  }
}
