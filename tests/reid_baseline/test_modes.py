"""to_rgb: what each mode of Pillow gives, and which are refused."""

import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_baseline.modes import to_rgb


def pixel(image: Image.Image) -> tuple[int, ...]:
    """The colour of the upper left pixel."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    return tuple(np.asarray(rgb)[0, 0].tolist())


def stored(path: Path, image: Image.Image, **options: object) -> Image.Image:
    image.save(path, **options)
    return Image.open(path)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 9), (77, 77, 77)),
        ("La", (50, 128), (99, 99, 99)),  # 50 * 255 / 128 = 99.6, which Pillow cuts
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("RGBA", (1, 2, 3, 0), (1, 2, 3)),
        ("RGBa", (50, 0, 64, 128), (99, 0, 127)),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
        ("YCbCr", (128, 128, 128), (128, 128, 128)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
    ],
)
def test_eight_bits(mode: str, colour: object, expected: tuple[int, int, int]) -> None:
    assert pixel(Image.new(mode, (2, 2), colour)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("transparency", [None, 0, bytes([0, 128])], ids=["none", "index", "bytes"])
def test_a_palette_gives_its_colours_without_a_warning(tmp_path: Path, transparency: object) -> None:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    options = {} if transparency is None else {"transparency": transparency}
    opened = stored(tmp_path / "a.png", image, **options)
    assert opened.mode == "P" and ("transparency" in opened.info) == bool(options)
    assert pixel(opened) == (10, 20, 30)
    assert pixel(image.convert("PA")) == (10, 20, 30)


def test_a_transparent_grey_is_grey(tmp_path: Path) -> None:
    assert pixel(stored(tmp_path / "a.png", Image.new("L", (2, 2), 77), transparency=77)) == (77, 77, 77)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (128, 0), (129, 1), (32768, 128), (65535, 255)])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled(tmp_path: Path, ending: str, value: int, expected: int) -> None:
    pixels = np.full((4, 2), 65535, np.uint16)
    pixels[0, 0] = value
    opened = stored(tmp_path / f"a.{ending}", Image.fromarray(pixels))
    assert opened.mode in ("I;16", "I") and pixel(opened) == (expected, expected, expected)


def test_byte_orders_and_colours_of_sixteen_bits(tmp_path: Path) -> None:
    big = Image.frombytes("I;16B", (1, 1), bytes([0x80, 0x00]))
    little = Image.frombytes("I;16", (1, 1), bytes([0x00, 0x80]))
    assert pixel(big) == pixel(little) == (128, 128, 128)
    (tmp_path / "a.pgm").write_bytes(b"P5 1 1 4095\n" + bytes([0x08, 0x00]))  # 2048 of 4095
    assert pixel(Image.open(tmp_path / "a.pgm")) == (128, 128, 128)


def tiff(bits: int, data: bytes, photometric: int = 1) -> bytes:
    """A little-endian grey TIFF of 2 x 1 pixels, put together from the specification (TIFF 6.0)."""
    entries = [
        (256, 2),
        (257, 1),
        (258, bits),
        (259, 1),
        (262, photometric),
        (273, 8 + 2 + 9 * 12 + 4),
        (277, 1),
        (278, 1),
    ]
    entries.append((279, len(data)))
    table = b"".join(
        tag.to_bytes(2, "little") + b"\3\0\1\0\0\0" + value.to_bytes(4, "little") for tag, value in entries
    )
    return b"II*\0\10\0\0\0" + len(entries).to_bytes(2, "little") + table + b"\0\0\0\0" + data


def png(colour_type: int, *samples: int) -> bytes:
    """A PNG of one pixel of 16-bit samples, put together from the specification (RFC 2083)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    row = b"\0" + b"".join(sample.to_bytes(2, "big") for sample in samples)
    header = b"\0\0\0\1\0\0\0\1\x10" + bytes([colour_type, 0, 0, 0])
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_colours_and_transparency_of_sixteen_bits() -> None:
    assert pixel(Image.open(BytesIO(png(2, 0x80FF, 0x0100, 0xFFFF)))) == (0x80, 0x01, 0xFF)
    assert pixel(Image.open(BytesIO(png(4, 0x8000, 0)))) == (0x80, 0x80, 0x80)
    assert pixel(Image.open(BytesIO(png(6, 0x8000, 0, 0xFFFF, 0)))) == (0x80, 0, 0xFF)


@pytest.mark.parametrize(("photometric", "expected"), [(1, 128), (0, 127)])
def test_a_tiff_whose_zero_is_white_is_turned_round(photometric: int, expected: int) -> None:
    content = tiff(16, bytes([0x00, 0x80, 0xFF, 0xFF]), photometric)
    assert pixel(Image.open(BytesIO(content))) == (expected, expected, expected)


def test_twelve_bits(tmp_path: Path) -> None:
    """A TIFF that says so is scaled by 4,095; in a file that says 16 they cannot be told from a dark picture."""
    (tmp_path / "a.tif").write_bytes(tiff(12, bytes([0x80, 0x0F, 0xFF])))  # 0x800 and 0xFFF
    assert pixel(Image.open(tmp_path / "a.tif")) == (128, 128, 128)
    with pytest.raises(ValueError, match=r"mode is I.* brightest value 4095 of 65,535: 12 bits in 16\?"):
        pixel(stored(tmp_path / "a.png", Image.fromarray(np.full((2, 2), 4095, np.uint16))))
    assert pixel(stored(tmp_path / "b.png", Image.fromarray(np.zeros((2, 2), np.uint16)))) == (0, 0, 0)


@pytest.mark.parametrize("mode", ["I", "F", "LAB"])
def test_what_has_no_known_white_is_refused(tmp_path: Path, mode: str) -> None:
    opened = stored(tmp_path / "a.tif", Image.new(mode, (2, 2)))
    assert opened.mode == mode
    with pytest.raises(ValueError, match=f"its mode is {mode}, which becomes 8-bit RGB in more than one way"):
        to_rgb(opened)
