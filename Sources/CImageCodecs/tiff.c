// TIFF through libtiff, which reports errors through global callbacks.
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

#include "image_codecs.h"

typedef struct {
  const uint8_t *bytes;
  size_t size;
  size_t position;
} source;

// The first error on this thread since it was cleared.
static _Thread_local char error_text[MT_MESSAGE_SIZE];

static void remember(const char *module, const char *format, va_list arguments) {
  (void)module;
  if (error_text[0] == 0) vsnprintf(error_text, sizeof error_text, format, arguments);
}

static void install(void) {
  TIFFSetErrorHandler(remember);
  TIFFSetWarningHandler(NULL);
}

static tmsize_t take(thandle_t handle, void *target, tmsize_t count) {
  source *from = (source *)handle;
  size_t rest = from->position < from->size ? from->size - from->position : 0;
  if ((size_t)count > rest) count = (tmsize_t)rest;
  memcpy(target, from->bytes + from->position, (size_t)count);
  from->position += (size_t)count;
  return count;
}

static tmsize_t refuse(thandle_t handle, void *bytes, tmsize_t count) {
  (void)handle;
  (void)bytes;
  (void)count;
  return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
  source *from = (source *)handle;
  if (whence == SEEK_CUR) offset += from->position;
  if (whence == SEEK_END) offset += from->size;
  from->position = (size_t)offset;
  return offset;
}

static int leave(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t length(thandle_t handle) { return ((source *)handle)->size; }

static int failed(char *message, const char *otherwise) {
  snprintf(message, MT_MESSAGE_SIZE, "%s", error_text[0] ? error_text : otherwise);
  return -1;
}

static TIFF *start(source *from, char *message) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
  error_text[0] = 0;
  message[0] = 0;
  // "m": no memory mapping by the library; the bytes are in memory already.
  TIFF *tiff = TIFFClientOpen("", "rm", (thandle_t)from, take, refuse, seek, leave, length, NULL, NULL);
  if (!tiff) failed(message, "is not a TIFF file");
  return tiff;
}

static void describe(TIFF *tiff, mt_raster *raster) {
  uint16_t samples = 1, bits = 1, format = SAMPLEFORMAT_UINT, planar = PLANARCONFIG_CONTIG;
  memset(raster, 0, sizeof *raster);
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &raster->width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &raster->height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
  raster->samples = samples;
  raster->bits = bits;
  raster->format = format == SAMPLEFORMAT_VOID ? SAMPLEFORMAT_UINT : format;
  raster->planar = planar == PLANARCONFIG_SEPARATE && samples > 1;
}

static int same(const mt_raster *a, const mt_raster *b) {
  return a->width == b->width && a->height == b->height && a->samples == b->samples && a->bits == b->bits &&
         a->format == b->format && a->planar == b->planar;
}

int mt_tiff_inspect(const uint8_t *bytes, size_t size, mt_raster *raster, char *message) {
  source from = {bytes, size, 0};
  TIFF *tiff = start(&from, message);
  if (!tiff) return -1;
  describe(tiff, raster);
  uint32_t pages = 1;
  int status = 0;
  while (status == 0 && TIFFReadDirectory(tiff)) {
    mt_raster page;
    describe(tiff, &page);
    if (!same(&page, raster)) {
      strcpy(message, "its pages differ in size or type");
      status = -1;
    }
    if (++pages > 65535) {
      strcpy(message, "it has too many pages");
      status = -1;
    }
  }
  if (status == 0 && error_text[0]) status = failed(message, "");
  raster->pages = pages;
  TIFFClose(tiff);
  return status;
}

// Copies rows of a strip or tile into its place, clipped at the picture's edge.
static void place(uint8_t *plane, const mt_raster *raster, size_t pixel, const uint8_t *piece, uint32_t x, uint32_t y,
                  uint32_t width, uint32_t height) {
  uint32_t columns = raster->width - x < width ? raster->width - x : width;
  uint32_t rows = raster->height - y < height ? raster->height - y : height;
  for (uint32_t row = 0; row < rows; row++)
    memcpy(plane + ((size_t)(y + row) * raster->width + x) * pixel, piece + (size_t)row * width * pixel,
           (size_t)columns * pixel);
}

static int read_tiles(TIFF *tiff, const mt_raster *raster, uint16_t sample, size_t pixel, uint8_t *plane, size_t limit) {
  uint32_t width = 0, height = 0;
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &height);
  tmsize_t size = TIFFTileSize(tiff);
  if (width == 0 || height == 0 || size <= 0 || (size_t)size > limit) return -1;
  if ((size_t)width > (size_t)size / pixel || (size_t)height > (size_t)size / pixel / width) return -1;
  uint8_t *piece = malloc((size_t)size);
  if (!piece) return -1;
  int status = 0;
  for (uint32_t y = 0; status == 0 && y < raster->height; y += height) {
    for (uint32_t x = 0; status == 0 && x < raster->width; x += width) {
      if (TIFFReadTile(tiff, piece, x, y, 0, sample) < 0)
        status = -1;
      else
        place(plane, raster, pixel, piece, x, y, width, height);
      if (width > raster->width - x) break;
    }
    if (height > raster->height - y) break;
  }
  free(piece);
  return status;
}

static int read_strips(TIFF *tiff, const mt_raster *raster, uint16_t sample, size_t pixel, uint8_t *plane) {
  uint32_t rows = 0;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &rows);
  if (rows == 0 || rows > raster->height) rows = raster->height;
  for (uint32_t y = 0; y < raster->height; y += rows) {
    uint32_t count = raster->height - y < rows ? raster->height - y : rows;
    tmsize_t wanted = (tmsize_t)((size_t)count * raster->width * pixel);
    uint32_t strip = TIFFComputeStrip(tiff, y, sample);
    if (TIFFReadEncodedStrip(tiff, strip, plane + (size_t)y * raster->width * pixel, wanted) < wanted) return -1;
  }
  return 0;
}

int mt_tiff_decode(const uint8_t *bytes, size_t size, const mt_raster *raster, uint8_t *pixels, size_t pixels_size,
                   char *message) {
  source from = {bytes, size, 0};
  TIFF *tiff = start(&from, message);
  if (!tiff) return -1;
  size_t pixel = raster->bits / 8 * (raster->planar ? 1 : raster->samples);
  size_t plane = (size_t)raster->width * raster->height * pixel;
  size_t planes = raster->planar ? raster->samples : 1;
  int status = plane == 0 || pixels_size / plane < planes * raster->pages ? -1 : 0;
  for (uint32_t page = 0; status == 0 && page < raster->pages; page++) {
    mt_raster found;
    describe(tiff, &found);
    found.pages = raster->pages;
    if (!same(&found, raster)) status = -1;
    for (size_t sample = 0; status == 0 && sample < planes; sample++) {
      uint8_t *target = pixels + (page * planes + sample) * plane;
      status = TIFFIsTiled(tiff)
                   ? read_tiles(tiff, raster, (uint16_t)sample, pixel, target, pixels_size + (1u << 24))
                   : read_strips(tiff, raster, (uint16_t)sample, pixel, target);
    }
    if (status == 0 && page + 1 < raster->pages && !TIFFReadDirectory(tiff)) status = -1;
  }
  TIFFClose(tiff);
  return status == 0 ? 0 : failed(message, "its pixels cannot be decoded");
}
