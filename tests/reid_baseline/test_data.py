"""load_images: values, order, and files that are no images."""

import numpy as np
import pytest
import torch
from PIL import Image

from reid_baseline import ReIDError, load_images


@pytest.fixture
def picture(tmp_path):
    def write(name, size=(64, 128), mode="RGB"):
        pixels = np.random.default_rng(len(name)).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        path = tmp_path / name
        Image.fromarray(pixels).convert(mode).save(path)
        return path

    return write


def test_pixels_stand_in_the_order_of_the_paths(picture):
    paths = [picture(f"{'x' * k}.png") for k in range(1, 30)]
    images = load_images(paths, (128, 64))
    assert images.shape == (29, 3, 128, 64)
    assert images.dtype == torch.uint8
    assert images.is_contiguous(memory_format=torch.channels_last)
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0), np.asarray(Image.open(path)))


def test_other_sizes_and_modes_become_rgb_of_the_asked_size(picture):
    large, grey = picture("large.png", (100, 200)), picture("grey.png", mode="L")
    images = load_images([large, grey], (128, 64))
    resized = Image.open(large).resize((64, 128), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(images[0].permute(1, 2, 0), np.asarray(resized))
    assert (images[1] == images[1, :1]).all()


def test_progress_ends_with_all(picture):
    calls = []
    load_images([picture("a.png")] * 250, (8, 4), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(100, 250), (200, 250), (250, 250)]


def test_files_that_are_no_images_are_named(tmp_path, picture):
    whole = picture("whole.jpg")
    truncated = tmp_path / "truncated.jpg"
    truncated.write_bytes(whole.read_bytes()[:500])
    text = tmp_path / "text.jpg"
    text.write_text("<html>not found</html>")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    for bad in (truncated, text, empty, tmp_path / "absent.jpg", tmp_path):
        with pytest.raises(ReIDError, match=bad.name):
            load_images([whole, bad], (128, 64))
    with pytest.raises(ReIDError, match="no images"):
        load_images([], (128, 64))
