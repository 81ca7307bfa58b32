"""Makes small image files under golden/, and golden/expected.json with what nnU-Net's readers and writers do with them.

Needs nnunetv2, SimpleITK, nibabel, tifffile, scikit-image, Pillow. Run in the folder of this script:
    python make_golden.py
"""
import contextlib
import gzip
import io
import json
import os
import shutil
import struct
import zlib

import nibabel
import numpy as np
import SimpleITK as sitk
import tifffile
from PIL import Image
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO, NibabelIOWithReorient
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO, SimpleITKIOWithReorient
from nnunetv2.imageio.tif_reader_writer import Tiff3DIO

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "golden")
shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(OUT)
os.chdir(OUT)
rng = np.random.default_rng(7)
READERS = {r.__name__: r for r in (SimpleITKIO, SimpleITKIOWithReorient, NibabelIO, NibabelIOWithReorient,
                                   NaturalImage2DIO, Tiff3DIO)}
ITK = ["SimpleITKIO", "SimpleITKIOWithReorient"]
NIB = ["NibabelIO", "NibabelIOWithReorient"]
reads, writes = [], []


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    return value if isinstance(value, str) else float(value)


def record(files, readers):
    files = [files] if isinstance(files, str) else files
    for name in readers:
        entry = {"files": files, "reader": name}
        try:
            with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
                voxels, properties = READERS[name]().read_images(files)
            entry |= {"shape": list(voxels.shape), "properties": plain(properties),
                      "voxels": [float(v) for v in voxels.ravel()]}
        except Exception as error:
            entry["error"] = type(error).__name__
        reads.append(entry)


def rotation(a, b, c):
    ca, sa, cb, sb, cc, sc = np.cos(a), np.sin(a), np.cos(b), np.sin(b), np.cos(c), np.sin(c)
    return (np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]]) @ np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
            @ np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]]))


# ---------------------------------------------------------------------------------------------------------- NIfTI
CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}


def nifti(name, dims=(4, 3, 2), pix=(2, 3, 4), code="i2", order="<", q=0, s=0, quat=(0, 0, 0), off=(0, 0, 0), srow=None,
          slope=0, inter=0, qfac=1, units=10, offset=352, raw_dims=None, data=None, readers=None):
    head = bytearray(348)
    struct.pack_into(order + "i", head, 0, 348)
    struct.pack_into(order + "8h", head, 40, *(raw_dims or [len(dims), *dims, *[1] * (7 - len(dims))]))
    kind = np.dtype(code)
    struct.pack_into(order + "hh", head, 70, CODES[code], kind.itemsize * 8)
    struct.pack_into(order + "8f", head, 76, qfac, *pix, *[1] * (7 - len(pix)))
    struct.pack_into(order + "fff", head, 108, offset, slope, inter)
    head[123] = units
    struct.pack_into(order + "hh", head, 252, q, s)
    struct.pack_into(order + "6f", head, 256, *quat, *off)
    if srow is not None:
        struct.pack_into(order + "12f", head, 280, *np.asarray(srow, float).ravel()[:12])
    head[344:348] = b"n+1\0"
    if data is None:
        data = np.arange(np.prod(dims)) - (0 if kind.kind == "u" else 7)
    body = bytes(head) + bytes(max(0, offset - 348) or 4) + np.asarray(data).astype(kind.newbyteorder(order)).tobytes()
    with open(name, "wb") as file:
        file.write(gzip.compress(body, mtime=0) if name.endswith(".gz") else body)
    record(name, readers or ITK + NIB)


S = [[2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30]]
for code in CODES:
    for order in "<>":
        nifti(f"type_{code}_{'le' if order == '<' else 'be'}.nii", code=code, order=order, s=1, srow=S)
nifti("compressed.nii.gz", s=1, srow=S)
nifti("compressed_f4.nii.gz", code="f4", s=1, srow=S, data=rng.normal(size=24))
nifti("compressed_u1.nii.gz", code="u1", s=1, srow=S)
nifti("nan.nii", code="f4", s=1, srow=S, data=[np.nan, np.inf, -np.inf] * 8)
for k, (slope, inter) in enumerate([(2, -5), (1, 0), (0, 5), (1, 5), (np.nan, 5), (2, np.inf), (-1, 0), (np.inf, 3), (.1, 3.3)]):
    nifti(f"slope_{k}.nii", slope=slope, inter=inter)
for code in ("i4", "f8", "i8", "f4", "u1"):
    nifti(f"slope_{code}.nii.gz", code=code, slope=.1, inter=3.3, data=np.arange(24) * (16777217 if code != "u1" else 1))
nifti("extended.nii", offset=400, s=1, srow=S)
nifti("offset_zero.nii", offset=0, s=1, srow=S, readers=ITK)
nifti("dims_2d.nii", dims=(4, 3), pix=(2, 3), s=1, srow=S)
nifti("dims_2d_q.nii", dims=(4, 3), pix=(2, 3), q=1, off=(5, 6, 7))
nifti("dims_2d_none.nii", dims=(4, 3), pix=(2, 3))
nifti("dims_one_slice.nii", dims=(4, 3, 1), s=1, srow=S)
nifti("dims_4d.nii.gz", dims=(4, 3, 2, 2), pix=(2, 3, 4, 5), s=2, srow=S)
nifti("dims_4d_one.nii", dims=(4, 3, 2, 1), pix=(2, 3, 4, 5), s=2, srow=S)
nifti("dims_5d_ones.nii", dims=(4, 3, 2, 1, 1), pix=(2, 3, 4, 5, 6), s=2, srow=S)
nifti("dims_5d.nii", dims=(4, 3, 1, 1, 2), pix=(2, 3, 4, 5, 6), s=2, srow=S, readers=["SimpleITKIO"])
nifti("dims_garbage_behind.nii", raw_dims=[3, 4, 3, 2, 9, 9, 9, 9], s=1, srow=S)
nifti("none.nii")
nifti("nan_f8_scaled.nii.gz", code="f8", order=">", slope=2, inter=1, data=[np.nan, np.inf, 5] * 8)
nifti("pix_negative_q.nii", pix=(-2, 3, -4), q=1, quat=(.1, .2, .3), off=(5, 6, 7), readers=ITK)
nifti("pix_negative_none.nii", pix=(-2, 3, -4))
nifti("pix_negative.nii", pix=(-2, 3, -4), s=1, srow=S)
nifti("pix_zero.nii", pix=(2, 0, 4), s=1, srow=S)
nifti("metres.nii", units=1, s=1, srow=S)
nifti("micrometres.nii", units=3, q=1, off=(5, 6, 7))
nifti("q_rotated.nii", q=1, quat=(.1, .2, .3), off=(7, 8, 9), pix=(.7, .8, 2.3))
nifti("q_rotated_flipped.nii", q=1, quat=(.1, .2, .3), off=(7, 8, 9), qfac=-1, pix=(.7, .8, 2.3))
nifti("q_qfac_zero.nii", q=1, quat=(.1, .2, .3), off=(7, 8, 9), qfac=0)
nifti("q_half_turn.nii", q=1, quat=(0, 0, 1), off=(7, 8, 9))
nifti("q_nearly_half_turn.nii", q=1, quat=(0, .70710683, .7071068), off=(7, 8, 9))
nifti("q_too_long.nii", q=1, quat=(.8, .7, .3), off=(7, 8, 9))
SHEAR = [[2, .5, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30]]
nifti("sheared.nii", s=1, srow=SHEAR)
nifti("sheared_s1_q1.nii", s=1, q=1, srow=SHEAR, off=(5, 6, 7))
nifti("sheared_s2_q1.nii", s=2, q=1, srow=SHEAR, off=(5, 6, 7))
nifti("barely_sheared.nii", s=1, srow=[[2, 2e-4, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30]])
nifti("too_sheared.nii", s=1, srow=[[2, 5e-4, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30]])
nifti("s_zero.nii", s=1, srow=np.zeros((3, 4)), readers=["SimpleITKIO"])
nifti("s_other_spacing.nii", s=1, srow=[[5, 0, 0, 1], [0, 6, 0, 1], [0, 0, 7, 1]])
for s in (1, 2, 3, 4):
    for q in (1, 2):
        nifti(f"s{s}_q{q}.nii", s=s, q=q, off=(7, 8, 9), srow=S)
nifti("codes_negative.nii", s=-1, q=-1, off=(7, 8, 9), srow=S, readers=["SimpleITKIO"])
for k in range(12):
    order, signs = rng.permutation(3), rng.choice([-1, 1], 3)
    matrix = rotation(*(rng.uniform(-.3, .3, 3))) @ (np.eye(3)[:, order] * signs) @ np.diag([.7, .8, 2.3])
    nifti(f"oblique_{k}.nii", s=1, pix=(.7, .8, 2.3), srow=np.c_[matrix, rng.uniform(-50, 50, 3)])
affine = np.vstack([np.c_[rotation(.3, .2, .1) @ np.diag([.7, .8, 2.3]), [10.1, 20.2, 30.3]], [0, 0, 0, 1]])
image = np.arange(24, dtype="<i2").reshape(4, 3, 2)
nibabel.save(nibabel.Nifti2Image(image, affine), "version2.nii")
nibabel.save(nibabel.Nifti2Image(image.astype(">f8"), affine, nibabel.Nifti2Header(endianness=">")), "version2_be.nii")
for name in ("version2.nii", "version2_be.nii"):
    record(name, NIB)
nibabel.save(nibabel.Nifti1Pair(image, affine), "pair.img")
record("pair.img", ITK + NIB)
record("pair.hdr", ITK)

# ----------------------------------------------------------------------------------------------------------- NRRD
V = (np.arange(24) - 7).astype("<i2")


def nrrd(name, fields, data=V.tobytes(), sizes="4 3 2", kind="short", extra="endian: little\nencoding: raw", end="\n"):
    text = f"NRRD0004\n# made for a test\ntype: {kind}\ndimension: {len(sizes.split())}\nsizes: {sizes}\n{extra}\n{fields}"
    with open(name, "wb") as file:
        file.write((text.strip("\n") + "\n\n").replace("\n", end).encode() + data)
    record(name, ITK if len(sizes.split()) == 3 and "pair" not in name else ["SimpleITKIO"])


IN_SPACE = "space directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)"
D = "space dimension: 3\n" + IN_SPACE
for space in ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior", "LPS", "RAS", "LAS",
              "scanner-xyz", "3D-right-handed"):
    nrrd(f"space_{space}.nrrd", f"space: {space}\n{IN_SPACE}")
nrrd("no_space.nrrd", "spacings: 2 3 4")
nrrd("no_spacing.nrrd", "")
nrrd("spacings_nan.nrrd", "spacings: 2 nan 4")
nrrd("axis_mins.nrrd", "spacings: 2 3 4\naxis mins: 1 2 3")
nrrd("space_dimension.nrrd", D)
R = rotation(.3, -.2, .1) @ np.diag([.7, .8, 2.3])
nrrd("oblique.nrrd", "space: LPS\nspace directions: " + " ".join(f"({R[0, k]!r},{R[1, k]!r},{R[2, k]!r})".replace(
    "np.float64(", "").replace("),", ",").replace("))", ")") for k in range(3)) + "\nspace origin: (1.5,-2.5,3.25)")
nrrd("negative.nrrd", "space: LPS\nspace directions: (-2,0,0) (0,3,0) (0,0,-4)\nspace origin: (10,20,30)")
nrrd("axes_swapped.nrrd", "space: RAS\nspace directions: (0,0,2) (-3,0,0) (0,4,0)\nspace origin: (10,20,30)")
nrrd("no_origin.nrrd", "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,4)")
nrrd("remarks.nrrd", f"space: LPS\n{IN_SPACE}\nmeasurement frame: (1,0,0) (0,1,0) (0,0,1)\nkey:=value\n# remark\nkinds: domain domain domain")
nrrd("windows.nrrd", f"space: LPS\n{IN_SPACE}", end="\r\n")
nrrd("big.nrrd", D, V.astype(">i2").tobytes(), extra="endian: big\nencoding: raw")
nrrd("gzip.nrrd", D, gzip.compress(V.tobytes(), mtime=0), extra="endian: little\nencoding: gzip")
nrrd("ascii.nrrd", D, " ".join(map(str, V)).encode(), extra="encoding: ascii")
nrrd("hex.nrrd", D, V.tobytes().hex().encode(), extra="endian: little\nencoding: hex")
nrrd("byte_skip.nrrd", D + "\nbyte skip: 5", b"12345" + V.tobytes())
nrrd("byte_skip_end.nrrd", D + "\nbyte skip: -1", b"12345" + V.tobytes())
nrrd("line_skip.nrrd", D + "\nline skip: 1", b"12345\n" + V.tobytes())
nrrd("no_endian.nrrd", D, extra="encoding: raw")
nrrd("short.nrrd", D, V.tobytes()[:20])
for kind, code in (("signed char", "i1"), ("uchar", "u1"), ("unsigned short", "u2"), ("int32_t", "i4"), ("uint", "u4"),
                   ("longlong", "i8"), ("uint64", "u8"), ("float", "f4"), ("double", "f8")):
    nrrd(f"type_{code}.nrrd", D, np.arange(24).astype("<" + code).tobytes(), kind=kind)
open("voxels.raw", "wb").write(V.tobytes())
nrrd("detached.nhdr", D + "\ndata file: voxels.raw", b"")
nrrd("flat.nrrd", "space dimension: 2\nspace directions: (2,0) (0,3)\nspace origin: (1,2)", sizes="8 3")
nrrd("time_spacings.nrrd", "spacings: 2 3 4 5", sizes="4 3 1 2")
nrrd("time_space.nrrd", "space: left-posterior-superior-time\nspace directions: (2,0,0,0) (0,3,0,0) (0,0,4,0) (0,0,0,5)\n"
     "space origin: (10,20,30,1)", sizes="4 3 1 2")

# ------------------------------------------------------------------------------------------------------ MetaImage


def meta(name, fields, data=V.tobytes(), sizes="4 3 2", kind="MET_SHORT", binary=True, big=False, where="LOCAL"):
    text = (f"ObjectType = Image\nNDims = {len(sizes.split())}\nBinaryData = {binary}\nBinaryDataByteOrderMSB = {big}\n"
            f"{fields}\nDimSize = {sizes}\nElementType = {kind}\nElementDataFile = {where}\n").replace("\n\n", "\n")
    with open(name, "wb") as file:
        file.write(text.encode() + data)
    record(name, ITK if len(sizes.split()) == 3 else ["SimpleITKIO"])


meta("plain.mha", "")
meta("spacing.mha", "ElementSpacing = 2 3 4")
meta("element_size.mha", "ElementSize = 2 3 4")
meta("both_sizes.mha", "ElementSize = 5 5 5\nElementSpacing = 2 3 4")
meta("negative_spacing.mha", "ElementSpacing = -2 3 4")
meta("zero_spacing.mha", "ElementSpacing = 0 3 4")
meta("matrix.mha", "TransformMatrix = 0 1 0 -1 0 0 0 0 1\nOffset = 1 2 3\nCenterOfRotation = 5 5 5\nElementSpacing = 2 3 4")
meta("orientation.mha", "Orientation = 0 1 0 -1 0 0 0 0 1\nPosition = 1 2 3\nElementSpacing = 2 3 4")
meta("rotation.mha", "Rotation = 0 0 1 -1 0 0 0 1 0\nOrigin = 1 2 3\nElementSpacing = 2 3 4")
meta("acronym.mha", "AnatomicalOrientation = RAS\nElementSpacing = 2 3 4")
packed = zlib.compress(V.tobytes())
meta("compressed.mha", f"CompressedData = True\nCompressedDataSize = {len(packed)}", packed)
meta("big.mha", "", V.astype(">i2").tobytes(), big=True)
meta("slope.mha", "ElementToIntensityFunctionSlope = 2\nElementToIntensityFunctionOffset = 5")
for kind, code in (("CHAR", "i1"), ("UCHAR", "u1"), ("USHORT", "u2"), ("INT", "i4"), ("UINT", "u4"), ("LONG", "i4"),
                   ("ULONG", "u4"), ("LONG_LONG", "i8"), ("ULONG_LONG", "u8"), ("FLOAT", "f4"), ("DOUBLE", "f8")):
    meta(f"type_{kind}.mha", "", np.arange(24).astype("<" + code).tobytes(), kind="MET_" + kind)
meta("flat.mha", "ElementSpacing = 2 3\nOffset = 1 2", sizes="8 3")
meta("time.mha", "ElementSpacing = 2 3 4 5\nOffset = 1 2 3 4", sizes="4 3 1 2")
meta("detached.mhd", "ElementSpacing = 2 3 4", b"", where="voxels.raw")
open("voxels.zraw", "wb").write(packed)
meta("detached_compressed.mhd", f"CompressedData = True\nCompressedDataSize = {len(packed)}", b"", where="voxels.zraw")
open("voxels_behind.raw", "wb").write(b"12345678" + V.tobytes())
meta("header_size.mhd", "HeaderSize = 8", b"", where="voxels_behind.raw")
meta("header_size_end.mhd", "HeaderSize = -1", b"", where="voxels_behind.raw")
for k in range(2):
    open(f"slice{k}.raw", "wb").write(V.tobytes()[24 * k:24 * k + 24])
meta("list.mhd", "", b"slice0.raw\nslice1.raw\n", where="LIST")

# ------------------------------------------------------------------------------------------------- PNG, BMP, TIFF
grey = np.arange(35, dtype="u1").reshape(5, 7) * 7
colour = rng.integers(0, 256, (5, 7, 4)).astype("u1")
pictures = {"grey": Image.fromarray(grey), "grey16": Image.fromarray(grey.astype("u2") * 257), "rgb": Image.fromarray(colour[..., :3]),
            "rgba": Image.fromarray(colour), "palette": Image.fromarray(colour[..., :3]).convert("P", palette=Image.ADAPTIVE),
            "bits": Image.fromarray(grey > 100)}
for name, picture in pictures.items():
    picture.save(f"{name}.png")
    record(f"{name}.png", ["NaturalImage2DIO"] + (["SimpleITKIO"] if name in ("grey", "grey16") else []))
    if name in ("grey", "rgb", "palette"):
        picture.save(f"{name}.bmp")
        record(f"{name}.bmp", ["NaturalImage2DIO"])
pictures["palette"].save("palette_transparent.png", transparency=bytes([7, 255]))
record("palette_transparent.png", ["NaturalImage2DIO"])
Image.fromarray((grey // 85 * 85)).save("two_bits.png", bits=2)
record("two_bits.png", ["NaturalImage2DIO"])
for code in ("u1", "u2", "i2", "u4", "f4"):
    tifffile.imwrite(f"picture_{code}.tif", (np.arange(35).reshape(5, 7) * 3).astype(code))
    record(f"picture_{code}.tif", ["NaturalImage2DIO"])
tifffile.imwrite("picture_rgb.tif", colour[..., :3], photometric="rgb", compression="zlib")
record("picture_rgb.tif", ["NaturalImage2DIO"])
stack = (np.arange(2 * 20 * 17) % 251).reshape(2, 20, 17)
for code in ("u1", "u2", "i2", "u4", "f4"):
    for packing in (None, "zlib", "lzw"):
        with contextlib.suppress(Exception):
            name = f"stack_{code}_{packing}_0000.tif"
            tifffile.imwrite(name, stack.astype(code), compression=packing, predictor=code == "u2" and packing == "zlib")
            record(name, ["Tiff3DIO"])
tifffile.imwrite("tiled_0000.tif", stack.astype("u2"), tile=(16, 16), compression="zlib")
json.dump({"spacing": [3, 0.5, 0.25]}, open("tiled.json", "w"))
record("tiled_0000.tif", ["Tiff3DIO"])
tifffile.imwrite("big_0000.tif", stack.astype(">u2"), byteorder=">")
record("big_0000.tif", ["Tiff3DIO"])
tifffile.imwrite("narrow_0000.tif", stack[:, :, :3].astype("u1"))
record("narrow_0000.tif", ["Tiff3DIO"])

# -------------------------------------------------------------------------------------------------- several files
record(["type_i2_le.nii", "type_u1_le.nii"], ITK + NIB)
record(["type_i2_le.nii", "none.nii"], ITK[:1] + NIB[:1])
record(["type_i2_le.nii", "dims_one_slice.nii"], ITK + NIB)
record(["type_i2_le.nii", "pix_zero.nii"], ITK + NIB)
record(["grey.png", "rgb.png"], ["NaturalImage2DIO"])
record(["compressed.nii.gz", "compressed_f4.nii.gz", "slope_f8.nii.gz"], ["SimpleITKIO"])

# --------------------------------------------------------------------------------------------------------- writing


def write(source, name, reader, top):
    with contextlib.redirect_stdout(io.StringIO()):
        _, properties = READERS[reader]().read_images([source])
        shape = READERS[reader]().read_images([source])[0].shape[1:]
        labels = np.arange(np.prod(shape)).reshape(shape) % (top + 1)
        labels.ravel()[-1] = top
        READERS[reader]().write_seg(labels.astype("u2"), name, properties)
    writes.append({"source": source, "reader": reader, "file": name, "largest": top})


for top in (3, 254, 255, 300):
    write("type_i2_le.nii", f"written_{top}.nii.gz", "SimpleITKIO", top)
    write("type_i2_le.nii", f"written_nib_{top}.nii.gz", "NibabelIO", top)
for source in [f"oblique_{k}.nii" for k in range(12)] + ["q_rotated_flipped.nii", "none.nii", "s2_q1.nii", "compressed_f4.nii.gz"]:
    stem = source.split(".")[0]
    for reader in ITK + NIB:
        write(source, f"written_{stem}_{reader}.nii", reader, 5)
for ending in ("nrrd", "mha", "mhd"):
    for source, top in (("oblique_1.nii", 3), ("oblique_2.nii", 300), ("dims_2d_q.nii", 3)):
        write(source, f"written_{source.split('.')[0]}.{ending}", "SimpleITKIO", top)
write("dims_2d_q.nii", "written_2d.nii.gz", "SimpleITKIO", 3)
write("grey.png", "written_3.png", "NaturalImage2DIO", 3)
write("grey.png", "written_300.png", "NaturalImage2DIO", 300)
write("grey.bmp", "written_3.bmp", "NaturalImage2DIO", 3)
write("grey.png", "written_3.tif", "NaturalImage2DIO", 3)
write("tiled_0000.tif", "written_stack_3.tif", "Tiff3DIO", 3)
write("tiled_0000.tif", "written_stack_300.tif", "Tiff3DIO", 300)
json.dump({"reads": reads, "writes": writes}, open("expected.json", "w"))
