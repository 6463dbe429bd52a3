"""Image files with bytes changed: what the look accepts every reader decodes, and all else is one line of error."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from reid_baseline import ReIDError, load_images
from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import image_size, read_image
from reidaug.datasets.readable import refuse_faulty

HOSTILE = settings.get_profile("hostile")
PIXELS = np.random.RandomState(0).randint(0, 256, (32, 16, 3), dtype=np.uint8)
SAVED: dict[str, tuple[str, str, dict[str, object]]] = {  # format, mode and options of Pillow
    "jpeg": ("JPEG", "RGB", {"quality": 60}),
    "progressive": ("JPEG", "RGB", {"progressive": True}),
    "grey": ("JPEG", "L", {}),
    "cmyk": ("JPEG", "CMYK", {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}),
    "png": ("PNG", "RGB", {}),
    "palette": ("PNG", "P", {"transparency": 3}),
    "alpha": ("PNG", "LA", {}),
    "sixteen": ("PNG", "I;16", {}),
    "bmp": ("BMP", "RGB", {}),
    "gif": ("GIF", "P", {}),
    "webp": ("WEBP", "RGB", {}),
    "tiff": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "strips": ("TIFF", "CMYK", {}),
    "ppm": ("PPM", "RGB", {}),
}


def saved(name: str) -> bytes:
    kind, mode, options = SAVED[name]
    image = Image.fromarray(PIXELS)
    image = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


ORIGINALS = {name: saved(name) for name in SAVED}
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "cut", "end", "double", "number"]),
        st.integers(0, 4000),
        st.integers(0, 255),
    ),
    max_size=5,
)


def changed(content: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    for what, place, value in changes:
        place %= len(content) + 1
        before, after = content[:place], content[place:]
        content = {
            "set": before + bytes([value]) + after[1:],
            "insert": before + bytes([value]) * (1 + value % 7) + after,
            "cut": before + after[value:],
            "end": before,
            "double": before + after[:value] * 2 + after[value:],
            "number": before + struct.pack(">I", 1 << (value % 32)) + after[4:],  # a size or an offset
        }[what]
    return content


def with_right_sums(content: bytes) -> bytes:
    """A PNG whose chunks bear the checksums of their bytes, so that more than the checksum is tried."""
    whole, place = bytearray(content), 8
    while place + 12 <= len(whole):
        length = int.from_bytes(whole[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(whole)


@pytest.mark.parametrize("name", SAVED)
def test_the_look_and_the_readers_agree(name: str, tmp_path: Path) -> None:
    path = tmp_path / "0001_c1s1_000001_00.jpg"

    @HOSTILE
    @given(CHANGES)
    @example([])
    def check(changes: list[tuple[str, int, int]]) -> None:
        content = changed(ORIGINALS[name], changes)
        path.write_bytes(with_right_sums(content) if content[:4] == b"\x89PNG" else content)
        try:
            refuse_faulty([path], tmp_path)
        except ReidAugError as error:
            assert changes and path.name in str(error) and "\n" not in str(error)
            with pytest.raises(ReidAugError, match=path.name):
                read_image(path)
            with pytest.raises(ReIDError, match=path.name):
                load_images([path], (8, 4))
        else:
            pixels = read_image(path)
            assert pixels.dtype == np.uint8 and pixels.shape == (*image_size(path), 3)
            assert load_images([path], (8, 4)).shape == (1, 3, 8, 4)

    check()


@HOSTILE
@given(content=st.binary(max_size=200), start=st.sampled_from([b"", *(content[:12] for content in ORIGINALS.values())]))
def test_what_only_begins_like_an_image_is_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "begins.jpg"
    path.write_bytes(start + content)
    for read in (read_image, image_size, lambda path: refuse_faulty([path], path.parent)):
        try:
            read(path)
        except ReidAugError as error:
            assert "\n" not in str(error)
