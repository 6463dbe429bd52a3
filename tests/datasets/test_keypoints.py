"""The keypoint file: byte for byte there and back, (y, x) turned round, broken rows named by line."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import (
    FILES,
    Annotations,
    find_annotations,
    parse_annotations,
    read_annotations,
    read_annotations_of,
    write_annotations,
)
from reidaug.datasets.layouts import open_dataset

HEADER = "name:keypoints_y:keypoints_x"
# The first row of the published training file.
ROW = (
    "0224_c6s1_055726_02.jpg: [8, 23, 23, 43, 60, 23, 43, 60, 64, 92, 118, 65, 89, 108, 5, 6, 7, 8]: "
    "[39, 37, 20, 12, 8, 53, 59, 53, 22, 24, 24, 43, 43, 45, 36, 42, 31, 47]"
)
ONES = str([1] * 18)


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_published_row_is_read_as_x_y(tmp_path: Path) -> None:
    annotations = read_annotations(write(tmp_path / "a.csv", ROW))
    assert annotations.names == ("0224_c6s1_055726_02.jpg",)
    assert annotations.keypoints.shape == (1, 18, 2) and annotations.keypoints.dtype == np.float32
    assert annotations.keypoints[0, 0].tolist() == [39, 8]  # the nose: x 39, y 8
    assert annotations.keypoints[0, 17].tolist() == [47, 8]  # the left ear


def test_minus_one_in_either_coordinate_is_missing(tmp_path: Path) -> None:
    ys, xs = [-1, 5, -1, *[7] * 15], [-1, -1, 5, *[7] * 15]
    keypoints = read_annotations(write(tmp_path / "a.csv", f"a.jpg: {ys}: {xs}")).keypoints[0]
    assert np.isnan(keypoints[:3]).all() and np.isfinite(keypoints[3:]).all()


@settings(max_examples=40, deadline=None)
@given(
    keypoints=hnp.arrays(np.float32, (3, 18, 2), elements=st.integers(0, 255)),
    missing=hnp.arrays(np.bool_, (3, 18)),
    scale=st.sampled_from([1.0, 0.37]),
)
def test_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory, keypoints: np.ndarray, missing: np.ndarray, scale: float
) -> None:
    path = tmp_path_factory.mktemp("trip") / "a.csv"
    keypoints = np.where(missing[..., None], np.float32(np.nan), keypoints * np.float32(scale))
    write_annotations(path, ["a.jpg", "b.jpg", "c.jpg"], keypoints)
    back = read_annotations(path)
    assert back.names == ("a.jpg", "b.jpg", "c.jpg")
    np.testing.assert_array_equal(back.keypoints, keypoints)
    # Independently: the file is y first, JSON, -1 for missing.
    for line, pose in zip(path.read_text().splitlines()[1:], keypoints, strict=True):
        ys, xs = (json.loads(text) for text in line.split(":")[1:])
        expected = np.where(np.isnan(pose), -1, pose)
        assert np.float32(ys).tolist() == expected[:, 1].tolist() and np.float32(xs).tolist() == expected[:, 0].tolist()


def test_whole_numbers_give_the_very_bytes(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", ROW, f"-1_c5s3_086412_11.jpg: {[-1] * 18}: {[-1] * 18}")
    annotations = read_annotations(source)
    write_annotations(tmp_path / "b.csv", annotations.names, annotations.keypoints)
    assert (tmp_path / "b.csv").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("split", ["train", "test"])
def test_published_file_goes_there_and_back(published: Path, tmp_path: Path, split: str) -> None:
    source = find_annotations(published, split)
    annotations = read_annotations(source)
    assert len(annotations) == {"train": 12936, "test": 19732}[split]
    if split == "train":
        assert int(np.isnan(annotations.keypoints).all(axis=(1, 2)).sum()) == 419
    write_annotations(tmp_path / "b.csv", annotations.names, annotations.keypoints)
    assert (tmp_path / "b.csv").read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (f"a.jpg: {[1] * 17}: {ONES}", "keypoints_y holds 17 numbers, expected 18"),
        (f"a.jpg: {ONES}: {[1] * 19}", "keypoints_x holds 19 numbers, expected 18"),
        (f"a.jpg: {ONES}", "2 fields"),
        (f"a.jpg: {ONES}: {ONES}: {ONES}", "4 fields"),
        (f"a.jpg: {ONES}: [1, 2", "keypoints_x is not a list of numbers"),
        (f"a.jpg: {ONES}: 5", "keypoints_x holds 5"),
        (f"a.jpg: {ONES}: {'[' * 100000}", "keypoints_x is not a list"),
        (f"a.jpg: {ONES}: {json.dumps([float('nan')] * 18)}", "other than pixel coordinates"),
        (f"a.jpg: {ONES}: [{'1, ' * 17}{'9' * 400}]", "other than pixel coordinates"),
        (f"a.jpg: {ONES}: {json.dumps([True] * 18)}", "other than pixel coordinates"),
        (f"a.jpg: {ONES}: {json.dumps(['1'] * 18)}", "other than pixel coordinates"),
        (f" : {ONES}: {ONES}", "name is empty"),
        (ROW, "is in line 2 already"),
    ],
)
def test_broken_row_is_named_with_its_line(tmp_path: Path, row: str, expected: str) -> None:
    path = write(tmp_path / "a.csv", ROW, "", row)
    with pytest.raises(ReidAugError, match="line 4") as caught:
        read_annotations(path)
    assert expected in str(caught.value) and "\n" not in str(caught.value)
    annotations, problems = parse_annotations(path)
    assert len(annotations) == 1 and [problem.line for problem in problems] == [4]


def test_every_broken_row_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a.jpg", ROW, "b.jpg", "c.jpg")
    with pytest.raises(ReidAugError, match=r"line 2: .*2 more"):
        read_annotations(path)
    assert [problem.line for problem in parse_annotations(path)[1]] == [2, 4, 5]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "header"), (b"from,to\n", "header"), (b"\xff\xd8\xff\xe0", "not a text file"), (HEADER.encode(), "no rows")],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ReidAugError, match=expected):
        read_annotations(path)


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{ROW}\r\n".encode())
    assert read_annotations(path).keypoints[0, 0].tolist() == [39, 8]


def test_two_rows_that_differ_in_the_ending_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", *(f"{name}: {ONES}: {ONES}" for name in ("b.jpg", "a.PNG", "c", "a.jpg")))
    assert read_annotations(path).names == ("b.jpg", "a.PNG", "c", "a.jpg")
    with pytest.raises(ReidAugError, match=r"two rows for a\.jpg"):
        read_annotations(path).in_jpg(path)


def test_fractions_of_an_image_are_refused(tiny_root: Path) -> None:
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, annotations.keypoints / (64, 128))
    with pytest.raises(ReidAugError, match="all coordinates lie between 0 and 1, expected pixels"):
        read_annotations_of(path, open_dataset(tiny_root).images("train"))


def test_select_gives_nan_for_the_unknown() -> None:
    keypoints = np.arange(72, dtype=np.float32).reshape(2, 18, 2)
    annotations = Annotations(("a.jpg", "b.jpg"), keypoints)
    selected = annotations.select(["b.jpg", "x.jpg", "a.jpg", "b.jpg"])
    np.testing.assert_array_equal(selected[[0, 2, 3]], keypoints[[1, 0, 1]])
    assert np.isnan(selected[1]).all() and annotations.index == {"a.jpg": 0, "b.jpg": 1}
    assert annotations.select([]).shape == (0, 18, 2)


def test_what_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    outside = np.ones((1, 18, 2), dtype=np.float32)
    outside[0, 4, 0] = -1
    with pytest.raises(ReidAugError, match="-1, which means missing"):
        write_annotations(tmp_path / "a.csv", ["a.jpg"], outside)
    with pytest.raises(ReidAugError, match=r"shape \(1, 17, 2\)"):
        write_annotations(tmp_path / "a.csv", ["a.jpg"], outside[:, :17])
    assert not list(tmp_path.iterdir())


def test_file_is_found_in_the_root_or_beside_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(ReidAugError, match=r"no market-annotation-train\.csv in"):
        find_annotations(root, "train")
    for folder in (tmp_path, root):
        (folder / FILES["train"]).touch()
        assert find_annotations(root, "train").parent == folder
