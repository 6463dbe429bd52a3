"""Image files: what Pillow decodes, sizes, and what cannot be read."""

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from reid_baseline import ReIDError, load_images, modes
from reidaug.core.errors import ReidAugError
from reidaug.datasets import images
from reidaug.datasets.dataset import ENDINGS
from reidaug.datasets.images import image_size, read_image, read_images
from reidaug.datasets.market1501 import split_folder


def test_images_are_read_as_pillow_reads_them(tiny_root: Path) -> None:
    paths = sorted(split_folder(tiny_root, "train").iterdir())
    images = read_images(paths)
    assert images.shape == (36, 128, 64, 3) and images.dtype == np.uint8
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(path).convert("RGB")))


def test_another_size_is_refused(tiny_root: Path) -> None:
    paths = sorted(split_folder(tiny_root, "query").iterdir())[:3]
    with Image.open(paths[1]) as image:
        image.resize((48, 96)).save(paths[1])
    one = f"{paths[1]} is 96 x 48 pixels (height x width), expected 128 x 64"
    with pytest.raises(ReidAugError, match=re.escape(one)):
        read_images(paths, size=(128, 64))
    both = f"{paths[1]} is 96 x 48 pixels (height x width) but {paths[0]} is 128 x 64"
    with pytest.raises(ReidAugError, match=re.escape(both)):
        read_images(paths)


def test_grey_images_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (64, 128), 77).save(tmp_path / "a.jpg")
    assert (read_image(tmp_path / "a.jpg") == 77).all() and read_image(tmp_path / "a.jpg").shape == (128, 64, 3)


def test_sixteen_bits_are_read_alike_by_data_sets_and_by_the_baseline(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64 * 128).reshape(128, 64).astype(np.uint16)
    path = tmp_path / "a.jpg"  # a PNG below another name
    Image.fromarray(values).save(path, "PNG")
    assert np.abs(read_image(path)[..., 1] - values / 257).max() <= 0.5
    np.testing.assert_array_equal(load_images([path], (128, 64))[0].permute(1, 2, 0), read_image(path))


def test_a_mode_without_a_known_white_is_refused_with_file_and_mode(tmp_path: Path) -> None:
    Image.new("F", (64, 128)).save(tmp_path / "a.tif")
    for read in (read_image, lambda path: load_images([path], (128, 64))):
        with pytest.raises((ReidAugError, ReIDError), match=r"a\.tif.*mode is F"):
            read(tmp_path / "a.tif")


def test_sizes_are_read_without_decoding(tiny_root: Path) -> None:
    path = next(split_folder(tiny_root, "query").iterdir())
    path.write_bytes(path.read_bytes()[:-300])
    assert image_size(path) == (128, 64)
    path.write_bytes(b"<html>")
    with pytest.raises(ReidAugError, match=f"cannot read the image {path}"):
        image_size(path)


@pytest.mark.parametrize("content", [b"", b"<html>", None], ids=["empty", "html", "truncated"])
def test_unreadable_image_is_named(tiny_root: Path, content: bytes | None) -> None:
    paths = sorted(split_folder(tiny_root, "query").iterdir())
    paths[5].write_bytes(paths[5].read_bytes()[:600] if content is None else content)
    with pytest.raises(ReidAugError, match=f"cannot read the image .*{paths[5].name}") as caught:
        read_images(paths)
    assert "\n" not in str(caught.value)
    with pytest.raises(ReidAugError, match="no such image"):
        read_images([paths[0], tiny_root / "absent.jpg"])
    with pytest.raises(ReidAugError, match="no images"):
        read_images([])


def test_all_unreadable_images_are_counted_and_the_first_named(tiny_root: Path) -> None:
    paths = sorted(split_folder(tiny_root, "query").iterdir())
    for path in paths[2:7]:
        path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ReidAugError, match=r"cannot read 5 images: .*and 2 more; replace or remove them") as caught:
        read_images(paths)
    assert [path.name in str(caught.value) for path in paths[:8]] == [False] * 2 + [True] * 3 + [False] * 3


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 128\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("read", [read_image, lambda path: load_images([path], (128, 64))])
def test_a_file_of_a_format_that_starts_programs_is_no_image(
    read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", Mock(side_effect=AssertionError("started")))
    path = tmp_path / "0001_c1s1_000001_00.jpg"
    path.write_bytes(POSTSCRIPT)
    with pytest.raises((ReidAugError, ReIDError), match="cannot"):
        read(path)


@pytest.mark.parametrize("read", [read_image, image_size, lambda path: load_images([path], (128, 64))])
def test_an_image_of_too_many_pixels_is_refused_by_its_header(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "0001_c1s1_000001_00.png"
    picture = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(picture, "PNG")  # 169 million pixels in 20 kB
    path.write_bytes(picture.getvalue())
    with pytest.raises((ReidAugError, ReIDError), match="13,000 x 13,000 pixels, at most 67,108,864"):
        read(path)


def test_both_readers_take_the_same_formats() -> None:
    assert (images.FORMATS, images.MAX_PIXELS) == (modes.FORMATS, modes.MAX_PIXELS)
    registered = Image.registered_extensions()
    assert {registered[ending] for ending in ENDINGS} == set(images.FORMATS)


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    for read in (read_image, image_size):
        with pytest.raises(ReidAugError, match=r"a\.jpg is a pipe"):
            read(tmp_path / "a.jpg")
