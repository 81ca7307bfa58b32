// PNG and TIFF decoding from memory. libpng and libtiff report errors through jumps and callbacks, which Swift cannot
// take; these functions turn them into a message.
#ifndef MICROTOME_IMAGE_CODECS_H
#define MICROTOME_IMAGE_CODECS_H

#include <stddef.h>
#include <stdint.h>

/// What the pixels of a picture or a stack of pictures are.
typedef struct {
  uint32_t width;
  uint32_t height;
  /// Pictures of the same kind in the file.
  uint32_t pages;
  /// Numbers per pixel.
  uint32_t samples;
  /// Bits per number: 1 (held in a byte), 8, 16, 32 or 64.
  uint32_t bits;
  /// 1 unsigned, 2 signed, 3 floating point (as in TIFF).
  uint32_t format;
  /// Whether each page is held sample by sample (RRR GGG BBB), not pixel by pixel (RGB RGB RGB).
  uint32_t planar;
} mt_raster;

enum { MT_MESSAGE_SIZE = 256 };

/// Reads what a PNG file in memory contains after palettes and small bit depths are expanded to 8 bits.
/// Returns 0, or -1 with a `message`.
int mt_png_inspect(const uint8_t *bytes, size_t size, mt_raster *raster, char message[MT_MESSAGE_SIZE]);

/// Decodes into `pixels`, which must hold width * height * samples numbers, 16-bit ones in native byte order.
int mt_png_decode(const uint8_t *bytes, size_t size, const mt_raster *raster, uint8_t *pixels, size_t pixels_size,
                  char message[MT_MESSAGE_SIZE]);

/// Reads what a TIFF file in memory contains; all its pages must agree.
int mt_tiff_inspect(const uint8_t *bytes, size_t size, mt_raster *raster, char message[MT_MESSAGE_SIZE]);

/// Decodes all pages into `pixels`, numbers in native byte order.
int mt_tiff_decode(const uint8_t *bytes, size_t size, const mt_raster *raster, uint8_t *pixels, size_t pixels_size,
                   char message[MT_MESSAGE_SIZE]);

#endif
