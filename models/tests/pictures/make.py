"""Makes the picture files of this folder, and what other programs (Pillow, ImageMagick, littleCMS) see in them.

Run by hand, in this folder, with Pillow, numpy and ImageMagick's `convert`; the results are committed.
Writes one file a case, `expected/*.pam` (8-bit RGBA) and `cases.tsv`: file, expected picture, largest and mean difference allowed.
"""

import hashlib, io, os, struct, subprocess, zlib
import numpy as np
from PIL import Image, ImageCms, ImageOps

W, H = 37, 23
os.makedirs("expected", exist_ok=True)
cases = []

y, x = np.mgrid[0:H, 0:W].astype(float)
wide = np.stack([x / (W - 1), y / (H - 1), (np.sin(x / 5) + np.cos(y / 4) + 2) / 4], -1)
wide[4:10, 6:15] = [0.9, 0.2, 0.1]
wide[12:20, 20:33] = [0.1, 0.7, 0.95]
rgb16 = np.round(wide * 65535).astype(">u2")
rgb8 = np.round(wide * 255).astype(np.uint8)
grey16 = np.round(wide.mean(-1) * 65535).astype(">u2")
grey8 = np.round(wide.mean(-1) * 255).astype(np.uint8)
alpha8 = np.round(np.clip((x + y) / 40, 0, 1) * 255).astype(np.uint8)
alpha8[:3] = 0
rgba8 = np.dstack([rgb8, alpha8])
base = Image.fromarray(rgb8, "RGB")


def rgba(array):
    array = np.asarray(array, np.uint8)
    if array.ndim == 2:
        array = np.dstack([array] * 3)
    if array.shape[2] == 3:
        array = np.dstack([array, np.full(array.shape[:2], 255, np.uint8)])
    return array


def to8(array16):
    return ((array16.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)


def seen_by_pillow(path):
    image = Image.open(path)
    image.seek(0)
    profile = image.info.get("icc_profile")
    if profile:
        image.load()
        exif = image.getexif()
        image = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
        image.getexif().update(exif)
    image = ImageOps.exif_transpose(image)
    return rgba(np.asarray(image.convert("RGBA")))


def case(name, expected=None, most=0, mean=0.0):
    expected = seen_by_pillow(name) if expected is None else rgba(expected)
    height, width = expected.shape[:2]
    pam = b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" % (width, height) + expected.tobytes()
    stem = hashlib.sha256(pam).hexdigest()[:8]
    open(f"expected/{stem}.pam", "wb").write(pam)
    cases.append(f"{name}\t{stem}\t{most}\t{mean}\n")


def magick(name, array, kind, depth, *options):
    height, width = array.shape[:2]
    subprocess.run(["convert", "-endian", "MSB", "-depth", str(depth), "-size", f"{width}x{height}", f"{kind}:-", *options, name],
                   input=array.tobytes(), check=True)


def pillow(name, image, **options):
    image.save(name, **options)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


# --- colour profiles, written here so that they are nobody's
def icc(space, pcs, tags, kind=b"mntr"):
    body, table, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags:
        content += b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    size = at + len(body)
    d50 = struct.pack(">III", 63190, 65536, 54061)
    head = struct.pack(">I", size) + b"\0" * 4 + b"\x02\x40\0\0" + kind + space + pcs + struct.pack(">6H", 2025, 1, 1, 0, 0, 0)
    head += b"acsp" + b"\0" * 28 + d50 + b"\0" * 48
    return head + struct.pack(">I", len(tags)) + table + body


def xyz(*values):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def text(words):
    return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + b"\0" + b"\0" * 78


def rgb_profile(words, red, green, blue, power):
    return icc(b"RGB ", b"XYZ ", [(b"desc", text(words)), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz(0.9642, 1, 0.8249)),
               (b"rXYZ", xyz(*red)), (b"gXYZ", xyz(*green)), (b"bXYZ", xyz(*blue)),
               (b"rTRC", gamma(power)), (b"gTRC", gamma(power)), (b"bTRC", gamma(power))])


P3 = rgb_profile(b"wide", (0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407), 2.2)
ADOBE = rgb_profile(b"adobe-like", (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.19921875)
GREY = icc(b"GRAY", b"XYZ ", [(b"desc", text(b"grey")), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz(0.9642, 1, 0.8249)), (b"kTRC", gamma(1.8))])


def press_profile():
    """Four inks to Lab over a grid of five. Paper is white: littleCMS makes it so anyway, and bends its surroundings."""
    nodes = b""
    for node in range(625):
        c, m, yy, k = node // 125 / 4, node // 25 % 5 / 4, node // 5 % 5 / 4, node % 5 / 4
        light = (100 - 40 * c - 45 * m - 6 * yy + 10 * c * m) * (1 - 0.85 * k)
        a = (-35 * c + 72 * m - 5 * yy) * (1 - k)
        b = (-48 * c - 4 * m + 92 * yy) * (1 - k)
        nodes += bytes([round(np.clip(light, 0, 100) * 2.55), round(np.clip(a + 128, 0, 255)), round(np.clip(b + 128, 0, 255))])
    ramp = bytes(range(256))
    unit = b"".join(struct.pack(">i", 65536 if i % 4 == 0 else 0) for i in range(9))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 5, 0]) + unit + ramp * 4 + nodes + ramp * 3
    return icc(b"CMYK", b"Lab ", [(b"desc", text(b"press")), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz(0.9642, 1, 0.8249)), (b"A2B0", lut)], b"prtr")


PRESS = press_profile()

# --- PNG
magick("rgb8.png", rgb8, "rgb", 8, "-define", "png:color-type=2")
case("rgb8.png", rgb8)
magick("rgb16.png", rgb16, "rgb", 16, "-define", "png:color-type=2", "-define", "png:bit-depth=16")
case("rgb16.png", to8(rgb16))
magick("interlaced.png", rgb8, "rgb", 8, "-interlace", "PNG")
case("interlaced.png", rgb8)
pillow("grey8.png", Image.fromarray(grey8))
case("grey8.png")
magick("grey16.png", grey16, "gray", 16, "-define", "png:color-type=0", "-define", "png:bit-depth=16")
case("grey16.png", to8(grey16))
bilevel = base.convert("1")
pillow("grey1.png", bilevel)
case("grey1.png")
four = (grey8 // 17).astype(np.uint8)
magick("grey4.png", four * 17, "gray", 8, "-define", "png:color-type=0", "-define", "png:bit-depth=4")
case("grey4.png", four * 17)
pillow("grey-alpha.png", Image.merge("LA", [Image.fromarray(grey8), Image.fromarray(alpha8)]))
case("grey-alpha.png")
pillow("rgba.png", Image.fromarray(rgba8))
case("rgba.png")
rgba16 = np.dstack([rgb16, (alpha8.astype(">u2") * 257)]).astype(">u2")
magick("rgba16.png", rgba16, "rgba", 16, "-define", "png:color-type=6", "-define", "png:bit-depth=16")
case("rgba16.png", np.dstack([to8(rgb16), alpha8]))
few = base.quantize(13, dither=Image.Dither.NONE)
pillow("palette4.png", few, bits=4)
case("palette4.png")
many = base.quantize(200, dither=Image.Dither.NONE)
pillow("palette8-transparent.png", many, transparency=bytes([0, 40, 80, 120, 255] * 40))
case("palette8-transparent.png")
pillow("rgb-transparent.png", base, transparency=tuple(int(v) for v in rgb8[5, 7]))
case("rgb-transparent.png")
pillow("exif6.png", base, exif=exif(6))
case("exif6.png")
pillow("p3.png", base, icc_profile=P3)
case("p3.png", most=2, mean=0.5)
pillow("grey-profile.png", Image.fromarray(grey8), icc_profile=GREY)
case("grey-profile.png", most=2, mean=0.5)
pillow("broken-profile.png", base, icc_profile=b"\0\0\1\0nonsense" * 20)
case("broken-profile.png", rgb8)
frames = [base, ImageOps.invert(base), ImageOps.mirror(base)]
pillow("animated.png", frames[0], save_all=True, append_images=frames[1:], duration=50)
case("animated.png", rgb8)

# --- JPEG: what libjpeg-turbo sees
for name, sampling, options in [("444", 0, {}), ("422", 1, {}), ("420", 2, {}), ("420-progressive", 2, {"progressive": True}),
                                ("444-progressive", 0, {"progressive": True}), ("restarts", 2, {"restart_marker_blocks": 2}),
                                ("restarts-progressive", 2, {"restart_marker_rows": 1, "progressive": True}),
                                ("optimised", 0, {"optimize": True}), ("quality-100", 0, {"quality": 100}), ("quality-5", 2, {"quality": 5})]:
    pillow(f"{name}.jpg", base, **{"quality": 90, "subsampling": sampling, **options})
    case(f"{name}.jpg", most=6, mean=0.8)
for name, sampling in [("440", "1x2"), ("411", "4x1")]:
    magick(f"{name}.jpg", rgb8, "rgb", 8, "-quality", "90", "-sampling-factor", sampling)
    case(f"{name}.jpg", most=12, mean=1.5)
pillow("grey.jpg", Image.fromarray(grey8), quality=90)
case("grey.jpg", most=2, mean=0.5)
pillow("grey-progressive.jpg", Image.fromarray(grey8), quality=90, progressive=True)
case("grey-progressive.jpg", most=2, mean=0.5)
pillow("rgb-by-name.jpg", base, quality=95, keep_rgb=True)
case("rgb-by-name.jpg", most=3, mean=0.5)
plain = bytearray(open("rgb-by-name.jpg", "rb").read())
frame, scan = plain.index(b"\xff\xc0"), plain.index(b"\xff\xda")
for i in range(3):
    plain[frame + 10 + 3 * i] = i + 1
    plain[scan + 5 + 2 * i] = i + 1
open("rgb-by-adobe.jpg", "wb").write(plain)
case("rgb-by-adobe.jpg", most=3, mean=0.5)
cmyk = base.convert("CMYK")
inks = np.asarray(cmyk).copy()
inks[..., 3] = (255 - grey8) // 3
cmyk = Image.fromarray(inks, "CMYK")
pillow("cmyk.jpg", cmyk, quality=95)
case("cmyk.jpg", most=3, mean=0.5)
case("ycck.jpg", most=4, mean=0.8)  # the file is committed: Pillow can't write this kind, the crate jpeg-encoder can
pillow("cmyk-profile.jpg", cmyk, quality=95, icc_profile=PRESS)
case("cmyk-profile.jpg", most=20, mean=1.6)  # two ways to interpolate between five nodes an ink
pillow("adobe-rgb.jpg", base, quality=95, subsampling=0, icc_profile=ADOBE)
case("adobe-rgb.jpg", most=6, mean=1.0)
for orientation in range(1, 9):
    pillow(f"exif{orientation}.jpg", base, quality=90, subsampling=0, exif=exif(orientation))
    case(f"exif{orientation}.jpg", most=6, mean=0.8)
pillow("exif6-profile.jpg", base, quality=95, subsampling=0, exif=exif(6), icc_profile=P3)
converted = ImageCms.profileToProfile(Image.open("exif6-profile.jpg"), io.BytesIO(P3), ImageCms.createProfile("sRGB"))
case("exif6-profile.jpg", np.rot90(np.asarray(converted), -1), most=6, mean=1.0)

# --- WebP
pillow("lossy.webp", base, quality=90)
case("lossy.webp", most=12, mean=1.5)
pillow("lossy-alpha.webp", Image.fromarray(rgba8), quality=90, exact=True)
case("lossy-alpha.webp", most=12, mean=1.5)
pillow("lossless.webp", base, lossless=True)
case("lossless.webp", rgb8)
pillow("lossless-alpha.webp", Image.fromarray(rgba8), lossless=True, exact=True)
case("lossless-alpha.webp", rgba8)
pillow("animated.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True, duration=50)
case("animated.webp", rgb8)
pillow("exif8.webp", base, lossless=True, exif=exif(8))
case("exif8.webp")
pillow("p3.webp", base, lossless=True, icc_profile=P3)
case("p3.webp", most=2, mean=0.5)

# --- GIF
pillow("plain.gif", many)
case("plain.gif")
pillow("interlaced.gif", many, interlace=1)
case("interlaced.gif")
pillow("transparent.gif", many, transparency=5)
case("transparent.gif")
pillow("animated.gif", many, save_all=True, append_images=[f.quantize(64) for f in frames[1:]], duration=50)
case("animated.gif")
small = rgb8[4:14, 5:20]
subprocess.run(["convert", "-depth", "8", "-size", "15x10", "rgb:-", "-repage", f"{W}x{H}+5+4", "offset.gif"], input=small.tobytes(), check=True)
placed = np.zeros((H, W, 4), np.uint8)
placed[4:14, 5:20] = np.asarray(Image.open("offset.gif").convert("RGBA"))[4:14, 5:20]
case("offset.gif", placed)

# --- BMP
pillow("rgb.bmp", base)
case("rgb.bmp")
pillow("palette8.bmp", many)
case("palette8.bmp")
pillow("bilevel.bmp", bilevel)
case("bilevel.bmp")
pillow("grey.bmp", Image.fromarray(grey8))
case("grey.bmp")
subprocess.run(["convert", "palette8.bmp", "-compress", "RLE", "rle8.bmp"], check=True)
case("rle8.bmp")
magick("rgb565.bmp", rgb8, "rgb", 8, "-define", "bmp:subtype=RGB565")
case("rgb565.bmp", most=8, mean=2)
magick("rgba.bmp", rgba8, "rgba", 8)
case("rgba.bmp", rgba8)
row = (W * 3 + 3) // 4 * 4
body = b"".join(r[:, ::-1].tobytes().ljust(row, b"\0") for r in rgb8)
open("top-down.bmp", "wb").write(b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, W, -H, 1, 24, 0, len(body), 0, 0, 0, 0) + body)
case("top-down.bmp", rgb8)
body = b"".join(r[:, ::-1].tobytes().ljust(row, b"\0") for r in rgb8[::-1])
open("core.bmp", "wb").write(b"BM" + struct.pack("<IHHI", 26 + len(body), 0, 0, 26) + struct.pack("<IHHHH", 12, W, H, 1, 24) + body)
case("core.bmp", rgb8)

# --- TIFF
for name, compression in [("raw", None), ("lzw", "tiff_lzw"), ("deflate", "tiff_adobe_deflate"), ("packbits", "packbits")]:
    pillow(f"{name}.tif", base, compression=compression)
    case(f"{name}.tif", rgb8)
pillow("big.tif", base, big_tiff=True)
case("big.tif", rgb8)
magick("rgb16.tif", rgb16, "rgb", 16, "-compress", "LZW", "-define", "tiff:predictor=2")
case("rgb16.tif", to8(rgb16))
magick("rgb16-big-endian.tif", rgb16, "rgb", 16, "-define", "tiff:endian=msb")
case("rgb16-big-endian.tif", to8(rgb16))
magick("grey16.tif", grey16, "gray", 16)
case("grey16.tif", to8(grey16))
pillow("bilevel.tif", bilevel)
case("bilevel.tif")
pillow("group4.tif", bilevel, compression="group4")
case("group4.tif")
magick("grey4.tif", four * 17, "gray", 8, "-depth", "4")
case("grey4.tif", four * 17)
white = bytearray(open("bilevel.tif", "rb").read())
at = white.index(struct.pack("<HHI", 262, 3, 1))
white[at + 8] ^= 1
open("white-is-zero.tif", "wb").write(white)
case("white-is-zero.tif", 255 - np.asarray(bilevel.convert("L")))
pillow("palette8.tif", many)
case("palette8.tif")
pillow("palette8-big.tif", many, big_tiff=True)
case("palette8-big.tif")
subprocess.run(["convert", "palette4.png", "-type", "Palette", "-depth", "4", "-compress", "LZW", "palette4.tif"], check=True)
case("palette4.tif")
pillow("cmyk.tif", cmyk, compression="tiff_lzw")
case("cmyk.tif", most=1)
pillow("cmyk-profile.tif", cmyk, icc_profile=PRESS)
case("cmyk-profile.tif", most=20, mean=1.6)
pillow("rgba.tif", Image.fromarray(rgba8))
case("rgba.tif", rgba8)
grey_alpha = Image.merge("LA", [Image.fromarray(grey8), Image.fromarray(alpha8)])
pillow("grey-alpha.tif", grey_alpha)
case("grey-alpha.tif")
associated = bytearray(open("rgba.tif", "rb").read())
at = associated.index(struct.pack("<HHI", 338, 3, 1))
associated[at + 8] = 1
pixels = rgba8.astype(int)
premultiplied = np.dstack([(pixels[..., :3] * pixels[..., 3:] + 127) // 255, pixels[..., 3]]).astype(np.uint8)
at = bytes(associated).index(rgba8.tobytes())
associated[at:at + rgba8.size] = premultiplied.tobytes()
open("premultiplied.tif", "wb").write(associated)
a = premultiplied[..., 3:].astype(int)
straight = np.where(a == 0, premultiplied[..., :3], np.minimum((premultiplied[..., :3].astype(int) * 255 + a // 2) // np.maximum(a, 1), 255))
case("premultiplied.tif", np.dstack([straight, a]).astype(np.uint8))
magick("planar.tif", rgb8, "rgb", 8, "-interlace", "Plane")
case("planar.tif", rgb8)
magick("tiled.tif", rgb8, "rgb", 8, "-define", "tiff:tile-geometry=16x16")
case("tiled.tif", rgb8)
pillow("orientation6.tif", base, tiffinfo={274: 6})
case("orientation6.tif", np.rot90(rgb8, -1))
pillow("p3.tif", base, icc_profile=P3)
case("p3.tif", most=2, mean=0.5)
pillow("pages.tif", base, save_all=True, append_images=frames[1:])
case("pages.tif", rgb8)

open("cases.tsv", "w").writelines(cases)
