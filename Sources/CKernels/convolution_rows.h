// Convolutions that multiply one by one. Part of convolution_kernels.h.

// One line of a phase: every `stride`-th voxel from `x` on, `count` of them, zero where there is no input; voxels of the line
// lie `pitch` apart.
static void MT_FOR(pick)(
    const float *line, size_t pitch, ptrdiff_t width, ptrdiff_t x, size_t stride, size_t count,
    const MT_FOR(view) * view, MT_FOR(point) *to) {
  size_t i = 0;
  for (; i < count && x < 0; i++, x += (ptrdiff_t)stride) MT_FOR(clear_points)(1, to + i * mt_lanes);
  size_t seen = x < width ? ((size_t)(width - x) + stride - 1) / stride : 0;
  size_t end = count - i < seen ? count : i + seen;
  MT_FOR(copy_points)(line + x * (ptrdiff_t)pitch, stride * pitch, end - i, view, to + i * mt_lanes);
  MT_FOR(clear_points)(count - end, to + end * mt_lanes);
}

// As `pick`, from a line of an image.
static void MT_FOR(pick_image)(
    const float *line, size_t pitch, ptrdiff_t width, ptrdiff_t x, size_t stride, size_t count, MT_FOR(point) *to) {
  for (size_t i = 0; i < count; i++, x += (ptrdiff_t)stride) {
    to[i] = x >= 0 && x < width ? line[x * (ptrdiff_t)pitch] : 0;
  }
}

// What an item takes in, padded with zeros and sorted by phase: voxels that lie a whole number of strides apart along every
// axis, so that what one place of the kernel meets lies in a row. (phases, blocks or channels, Z, Y, X)
static void MT_FOR(sort)(const mt_convolution *c, const mt_phases *phases, size_t z, size_t y, MT_FOR(point) *to) {
  const int is_image = c->image_channels > 0;
  const size_t row = phases->size[2] * (is_image ? 1 : mt_lanes);
  const size_t lines = c->input_size[1], sources = is_image ? 1 : c->input_count;
  for (size_t pz = 0; pz < phases->count[0]; pz++) {
    for (size_t py = 0; py < phases->count[1]; py++) {
      for (size_t px = 0; px < phases->count[2]; px++) {
        for (size_t i = 0; i < sources; i++) {
          const mt_strides strides = is_image ? c->image_strides : c->inputs[i].strides;
          const float *values = is_image ? c->image : c->inputs[i].values;
          size_t blocks = is_image ? c->image_channels : (c->inputs[i].channels + mt_lanes - 1) / mt_lanes;
          for (size_t block = 0; block < blocks; block++) {
            MT_FOR(view) view = {.is_plain = 1};
            if (!is_image) view = MT_FOR(view_of)(&c->inputs[i], block);
            for (size_t iz = 0; iz < phases->size[0]; iz++) {
              ptrdiff_t from_z = (ptrdiff_t)((z + iz) * c->stride[0] + pz) - c->padding[0];
              for (size_t iy = 0; iy < phases->size[1]; iy++, to += row) {
                ptrdiff_t from_y = (ptrdiff_t)((y + iy) * c->stride[1] + py) - c->padding[1];
                if (from_z < 0 || from_z >= (ptrdiff_t)c->input_size[0] || from_y < 0 || from_y >= (ptrdiff_t)lines) {
                  memset(to, 0, row * sizeof(*to));
                  continue;
                }
                const float *line =
                    values + block * strides.block + (size_t)from_z * strides.z + (size_t)from_y * strides.y;
                ptrdiff_t width = (ptrdiff_t)c->input_size[2], x = (ptrdiff_t)px - c->padding[2];
                if (is_image) {
                  MT_FOR(pick_image)(line, strides.x, width, x, c->stride[2], phases->size[2], to);
                } else {
                  MT_FOR(pick)(line, strides.x, width, x, c->stride[2], phases->size[2], &view, to);
                }
              }
            }
          }
        }
      }
    }
  }
}

// The places of the kernel's values, one after the other; returns how many values of one place are multiplied.
static size_t MT_FOR(add_kernel_places)(const mt_convolution *c, const mt_phases *phases, mt_places *places) {
  const int is_image = c->image_channels > 0;
  const size_t in_block = phases->size[0] * phases->size[1] * phases->size[2] * (is_image ? 1 : mt_lanes);
  size_t values = c->image_channels;
  places->count = 0;
  for (size_t kz = 0; kz < c->kernel[0]; kz++) {
    for (size_t ky = 0; ky < c->kernel[1]; ky++) {
      for (size_t kx = 0; kx < c->kernel[2]; kx++) {
        const size_t offset = mt_place_offset(c, phases, kz, ky, kx) * (is_image ? 1 : mt_lanes);
        if (is_image) {
          for (size_t i = 0; i < values; i++) {
            places->lanes[places->count] = 1;
            places->offsets[places->count++] = (uint32_t)(offset + i * in_block);
          }
        } else {
          values = MT_FOR(add_places)(c, offset, in_block, places);
        }
      }
    }
  }
  return values;
}

static void MT_FOR(run_rows)(const mt_convolution *c, size_t item, float *scratch) {
  const mt_phases phases = mt_phases_of(c);
  const mt_row_region region = mt_row_region_of(c, &phases, item);
  const size_t z = region.z, y = region.y, slices = region.slices, lines = region.lines, width = c->output_size[2];
  const mt_strides strides = c->output_strides;
  const int is_image = c->image_channels > 0;
  float *products = scratch;
  MT_FOR(point) *sorted = (MT_FOR(point) *)(scratch + 2 * phases.product_stride);
  MT_FOR(sort)(c, &phases, z, y, sorted);
  mt_places places;
  const size_t values = MT_FOR(add_kernel_places)(c, &phases, &places);
  const size_t block_weights = c->kernel[0] * c->kernel[1] * c->kernel[2] * values * mt_lanes, rows = region.rows;
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
          float *to = c->output + (block + i) * strides.block + (z + slice) * strides.z + (y + line) * strides.y;
          for (size_t x = 0; x < width; x++) STORE(to + x * strides.x, LOAD(from + x * mt_lanes));
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
      const mt_strides strides = c->inputs[i].strides;
      MT_FOR(copy_points)
      (c->inputs[i].values + block * strides.block + z * strides.z + y * strides.y, strides.x, width, &view, to);
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
            const mt_strides strides = c->output_strides;
            float *target = c->output + (block + i) * strides.block + (z * c->stride[0] + kz) * strides.z
                            + (y * c->stride[1] + ky) * strides.y + kx * strides.x;
            for (size_t x = 0; x < width; x++) STORE(target + x * c->stride[2] * strides.x, LOAD(from + x * mt_lanes));
          }
        }
      }
    }
  }
}
