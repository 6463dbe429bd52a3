"""Keypoints, tables and pairs that people bring: each reader refuses in our words, or gives what can be."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_source
from reidaug.datasets.market1501 import parse_name
from reidaug.datasets.pairs import read_pairs
from reidaug.datasets.pose_files import read_keypoints
from tests.datasets import test_pose_files as forms
from tests.datasets.makers import write_coco, write_table
from tests.datasets.test_coco_boxes import ANNOTATIONS
from tests.hostile.test_study_files import edits

SIZES = {"a.jpg": (128, 64)}
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
TOKENS = [
    *(b"1e999", b"1e308", b"-1", b"NaN", b"null", b"true", b"9" * 400, b"9" * 5000),
    *(b'"x"', b'""', b"[]", b"[[1]]", b"{}", b"../../x", b"a\0b", b"\xff", b"x" * 140_000, b"[" * 3000),
]


def broken(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with some of its numbers replaced by hostile ones, or with some bytes changed."""
    numbers = [match.span() for match in NUMBER.finditer(content)]

    def swap(changes: dict[int, bytes]) -> bytes:
        data = bytearray(content)
        for index in sorted(changes, reverse=True):
            start, end = numbers[index]
            data[start:end] = changes[index]
        return bytes(data)

    swaps = st.dictionaries(st.integers(0, len(numbers) - 1), st.sampled_from(TOKENS), min_size=1, max_size=3)
    return st.one_of(swaps.map(swap), edits(content))


def is_in_our_words(error: ReidAugError, path: Path) -> bool:
    text = str(error)
    return path.name in text and "\n" not in text and len(text) < 1500


@pytest.mark.parametrize(
    "form",
    [forms.public, forms.coco, forms.results, forms.halpe_26, forms.mmpose, forms.yolo, forms.openpose],
    ids=lambda form: form.__name__,
)
def test_poses_are_refused_or_lie_in_their_images(form: Callable[..., Path], tmp_path: Path) -> None:
    path = form(tmp_path, forms.POSE)
    (file,) = [path] if path.is_file() else path.iterdir()

    @settings(settings.get_profile("hostile"))
    @given(broken(file.read_bytes()))
    def read(content: bytes) -> None:
        file.write_bytes(content)
        try:
            keypoints = read_keypoints(path, sizes=SIZES)
        except ReidAugError as error:
            assert is_in_our_words(error, file) or is_in_our_words(error, path), str(error)
            return
        for name, pose in zip(keypoints.names, keypoints.keypoints, strict=True):
            seen = pose[np.isfinite(pose[:, 0])]
            assert (seen >= 0).all() and np.isfinite(seen).all()
            if name in SIZES:
                assert (seen[:, 0] <= 63).all() and (seen[:, 1] <= 127).all()

    read()


TABLE = [
    {"path": "a.png", "pid": "7", "camid": "1", "split": "train"},
    {"path": "b.png", "pid": "8", "camid": "2", "split": "train"},
    {"path": "c.png", "pid": "8", "camid": "3", "split": "query"},
]


@pytest.mark.parametrize("kind", ["table", "coco"])
def test_images_of_tables_are_refused_or_have_names(kind: str, tmp_path: Path) -> None:
    if kind == "table":
        path = write_table(tmp_path / "images.csv", TABLE)
    else:
        path = write_coco(tmp_path / "boxes.json", ANNOTATIONS)

    @settings(settings.get_profile("hostile"))
    @given(broken(path.read_bytes()))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            images = open_source(path).images("train")
        except ReidAugError as error:
            assert is_in_our_words(error, tmp_path), str(error)  # the table, or an image that it names
            return
        assert images
        for image in images:
            assert re.fullmatch(r"\d{4,}_c\d+s\d+_\d{6,}_\d{2}\.(jpg|png)", image.name), image.name
            assert image.box is None or min(image.box[2:]) > 0

    read()


def test_pairs_are_refused_or_of_the_images(tmp_path: Path) -> None:
    names = [f"0002_c1s1_00000{number}_00.jpg" for number in range(4)]
    path = tmp_path / "pairs.csv"
    path.write_text("from,to\n" + "".join(f"{a},{b}\n" for a in names for b in names if a != b))

    @settings(settings.get_profile("hostile"))
    @given(broken(path.read_bytes()))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            pairs = read_pairs(path, parse_name)
        except ReidAugError as error:
            assert is_in_our_words(error, path), str(error)
            return
        assert pairs and all(len(pair) == 2 and all(pair) for pair in pairs)

    read()
