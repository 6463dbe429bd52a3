"""The pixels of an image file as 8-bit RGB, in whatever mode Pillow opens it."""

from pathlib import Path

import numpy as np
from PIL import Image

# What Pillow may open, whatever a file is called; for others it would start programs (PostScript: Ghostscript).
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MAX_PIXELS = 2**26  # 200 MB of RGB; more is no picture of a person
_PLAIN = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LA", "PA", "RGBA")
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_BITS, _PHOTOMETRIC = 258, 262  # tags of TIFF 6.0: bits of a sample, and 0 where 0 is white


def open_image(path: Path | str) -> Image.Image:
    """Opens an image of one of `FORMATS`, without decoding it.

    Raises:
        OSError: as Pillow's, also for other formats.
        ValueError: more than `MAX_PIXELS`.
    """
    image = Image.open(path, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise ValueError(f"{image.width:,} x {image.height:,} pixels, at most {MAX_PIXELS:,} in all are read")
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """An opened image in 8 bits of red, green and blue.

    - 1, L: grey; P: the colours of its palette; CMYK, YCbCr, HSV: as Pillow converts them.
    - LA, PA, RGBA, and a palette or a colour that is transparent: what is stored below the transparency. La and RGBa,
      which are multiplied by it, are divided by it first.
    - I;16, I;16L, I;16B, I;16N, and I of a PNG or PGM: 16 bits, 0 to 65,535 (of a TIFF of 12 bits 0 to 4,095), scaled
      to 0 to 255 and rounded. Where no value of 16 bits is above 4,095 they may as well be 12 or 10 bits.
    - RGB and LA of 16 bits: Pillow itself keeps the upper 8.

    Raises:
        ValueError: the mode has no known white (F, other I, such dark 16 bits) or cannot be converted (LAB); the
            message names the mode but not the file.
    """
    image.info.pop("transparency", None)  # before Pillow decodes: it would warn, and drop it all the same
    if image.mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[image.mode])
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.mode not in _PLAIN:
        raise ValueError(f"its mode is {image.mode}, which becomes 8-bit RGB in more than one way; save it as such")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    """(H, W) uint8 of an image of 16 bits."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS, (16,))[0]
    values = np.asarray(image).astype(np.float64)
    if bits == 16 and 0 < values.max() < 4096:
        raise ValueError(
            f"its mode is {image.mode} and its brightest value {values.max():.0f} of 65,535: 12 bits in 16?; save it "
            "as 8-bit RGB"
        )
    eight = np.rint(values * (255 / (2**bits - 1))).astype(np.uint8)
    return 255 - eight if tags.get(_PHOTOMETRIC) == 0 else eight
