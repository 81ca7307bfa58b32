"""Makes `blosc/`: arrays of known content, in the codecs and with the filters that are read. Needs blosc2."""

import os

import blosc2
import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "blosc")
SHAPE = (3, 13, 21, 18)


def values(dtype):
    """The flat index times 37 modulo 101, less 7; channel 1 is all zeros, channel 2 all fives."""
    array = (np.arange(np.prod(SHAPE)) * 37 % 101 - 7).astype(dtype).reshape(SHAPE)
    array[1] = 0
    array[2] = 5
    return array


def main():
    os.makedirs(FOLDER, exist_ok=True)
    codec, filters = blosc2.Codec, blosc2.Filter
    for name, dtype, kind, filter in [
        ("lz4hc_plain", "<f4", codec.LZ4HC, filters.NOFILTER),
        ("lz4_shuffle", "<f4", codec.LZ4, filters.SHUFFLE),
        ("lz4hc_shuffle", "<i2", codec.LZ4HC, filters.SHUFFLE),
        ("lz4_bitshuffle", "<i2", codec.LZ4, filters.BITSHUFFLE),
        ("zlib_shuffle", "<f4", codec.ZLIB, filters.SHUFFLE),
        ("lz4_bytes", "|i1", codec.LZ4, filters.NOFILTER),
        ("zstd_shuffle", "<f4", codec.ZSTD, filters.SHUFFLE),
    ]:
        path = f"{FOLDER}/{name}.b2nd"
        if os.path.exists(path):
            os.remove(path)
        blosc2.asarray(
            values(dtype), urlpath=path, mode="w", chunks=(1, 8, 16, 18), blocks=(1, 4, 8, 10),
            cparams=blosc2.CParams(codec=kind, clevel=5, filters=[filter], nthreads=1))
    # What nnU-Net leaves for the next stage of a cascade: (Z, Y, X), all parameters the library's own.
    path = f"{FOLDER}/stage.b2nd"
    if os.path.exists(path):
        os.remove(path)
    labels = (np.arange(9 * 16 * 12) // 5 % 3).astype(np.uint8).reshape(9, 16, 12)
    blosc2.asarray(labels, urlpath=path, chunks=None, blocks=None)


if __name__ == "__main__":
    main()
