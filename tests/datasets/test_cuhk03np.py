"""CUHK03-NP: two kinds of boxes, PNG files."""

from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from tests.datasets.makers import write_images

FILES = ["bounding_box_train/0001_c1_1.png", "query/0002_c1_4.png", "bounding_box_test/0002_c2_6.png"]


def test_detected_boxes_are_read_in_place(tmp_path: Path) -> None:
    write_images(tmp_path / "cuhk03-np" / "detected", FILES)
    for path in (tmp_path, tmp_path / "cuhk03-np", tmp_path / "cuhk03-np" / "detected"):
        data = open_dataset(path)
        assert (data.layout.name, data.root) == ("CUHK03-NP", tmp_path / "cuhk03-np" / "detected")
    (image,) = data.images("gallery")
    assert (image.name, image.pid, image.camid, image.path.suffix) == ("0002_c2_6.jpg", 2, 2, ".png")


def test_of_two_kinds_of_boxes_one_must_be_named(tmp_path: Path) -> None:
    for boxes in ("detected", "labeled"):
        write_images(tmp_path / boxes, FILES)
    with pytest.raises(ReidAugError, match=r"two kinds of boxes: give .*/detected or .*/labeled"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path / "labeled").root == tmp_path / "labeled"
