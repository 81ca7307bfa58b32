// PNG through libpng, which reports errors by a long jump.
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "image_codecs.h"

typedef struct {
  const uint8_t *bytes;
  size_t size;
  size_t position;
  char *message;
} source;

static void take(png_structp png, png_bytep target, size_t count) {
  source *from = png_get_io_ptr(png);
  if (count > from->size - from->position) png_error(png, "the file ends early");
  memcpy(target, from->bytes + from->position, count);
  from->position += count;
}

static void fail(png_structp png, png_const_charp text) {
  source *from = png_get_error_ptr(png);
  strncpy(from->message, text, MT_MESSAGE_SIZE - 1);
  from->message[MT_MESSAGE_SIZE - 1] = 0;
  png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

// Reads up to the pixels and sets the expansions; the caller has a setjmp in place.
static void prepare(png_structp png, png_infop info, source *from, mt_raster *raster) {
  png_set_user_limits(png, 1u << 20, 1u << 20);
  png_set_chunk_malloc_max(png, 1u << 23);
  png_set_read_fn(png, from, take);
  png_read_info(png, info);
  int color = png_get_color_type(png, info);
  int bits = png_get_bit_depth(png, info);
  raster->bits = (bits == 1 && color == PNG_COLOR_TYPE_GRAY) ? 1 : bits == 16 ? 16 : 8;
  if (color == PNG_COLOR_TYPE_PALETTE) {
    // Without the transparency that a palette may have: nnU-Net's reader drops it too.
    png_set_palette_to_rgb(png);
    png_set_strip_alpha(png);
  } else if (color == PNG_COLOR_TYPE_GRAY && bits == 1) {
    png_set_packing(png);
  } else if (color == PNG_COLOR_TYPE_GRAY && bits < 8) {
    png_set_expand_gray_1_2_4_to_8(png);
  }
  if (bits == 16) png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  raster->width = png_get_image_width(png, info);
  raster->height = png_get_image_height(png, info);
  raster->pages = 1;
  raster->samples = png_get_channels(png, info);
  raster->format = 1;
  raster->planar = 0;
}

static int run(const uint8_t *bytes, size_t size, mt_raster *raster, uint8_t *pixels, size_t pixels_size,
               char *message) {
  source from = {bytes, size, 0, message};
  message[0] = 0;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &from, fail, ignore);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  // Volatile, because it is set between setjmp and a possible long jump.
  png_bytep *volatile rows = NULL;
  if (!info) {
    png_destroy_read_struct(&png, NULL, NULL);
    strcpy(message, "there is not enough memory");
    return -1;
  }
  if (setjmp(png_jmpbuf(png))) {
    free(rows);
    png_destroy_read_struct(&png, &info, NULL);
    return -1;
  }
  prepare(png, info, &from, raster);
  if (pixels) {
    size_t row_size = png_get_rowbytes(png, info);
    if (raster->height == 0 || row_size > pixels_size / raster->height) png_error(png, "the picture changed its size");
    rows = malloc(raster->height * sizeof(png_bytep));
    if (!rows) png_error(png, "there is not enough memory");
    for (size_t y = 0; y < raster->height; y++) rows[y] = pixels + y * row_size;
    png_read_image(png, rows);
    free(rows);
    rows = NULL;
    png_read_end(png, NULL);
  }
  png_destroy_read_struct(&png, &info, NULL);
  return 0;
}

int mt_png_inspect(const uint8_t *bytes, size_t size, mt_raster *raster, char *message) {
  return run(bytes, size, raster, NULL, 0, message);
}

int mt_png_decode(const uint8_t *bytes, size_t size, const mt_raster *raster, uint8_t *pixels, size_t pixels_size,
                  char *message) {
  mt_raster copy = *raster;
  return run(bytes, size, &copy, pixels, pixels_size, message);
}
