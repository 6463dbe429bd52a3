"""Rendered people as a data set: layout, determinism, and a folder that appears whole or not at all."""

import os
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import read_annotations
from reidaug.demo.mannequins import MannequinConfig, dataset, write_mannequins
from reidaug.demo.mannequins.dataset import visits
from reidaug.demo.mannequins.shots import Shot, take_shot

CONFIG = MannequinConfig(train_ids=4, test_ids=3, images=8, cameras=4, seed=5, distractors=4, junk=3)
FEWEST = MannequinConfig(train_ids=1, test_ids=1, images=4, seed=1)
READER_PATTERN = re.compile(r"([-\d]+)_c(\d)")  # as torchreid and fast-reid search it in the path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mannequins(tmp_path_factory.mktemp("mannequins") / "people", CONFIG)


def parsed(folder: Path) -> list[tuple[int, int]]:
    """(pid, camid) of each image, read as torchreid does."""
    matches = [READER_PATTERN.search(path.name) for path in sorted(folder.glob("*.jpg"))]
    return [(int(match[1]), int(match[2])) for match in matches if match]


def bytes_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_layout_is_read_like_market1501(root: Path) -> None:
    train, query, gallery = (parsed(root / name) for name in ("bounding_box_train", "query", "bounding_box_test"))
    assert len(train) == 4 * 8
    assert len(query) + len(gallery) == 3 * 8 + 4 + 3
    assert {pid for pid, _ in train} == {1, 2, 3, 4}
    assert {pid for pid, _ in query} == {1001, 1002, 1003}
    assert Counter(pid for pid, _ in gallery)[-1] == 3
    assert Counter(pid for pid, _ in gallery)[0] == 4
    assert {camid for _, camid in train + query + gallery} <= {1, 2, 3, 4}
    assert {path.name for path in root.iterdir()} == {
        "bounding_box_train", "query", "bounding_box_test", "market-annotation-train.csv", "market-annotation-test.csv",
    }  # fmt: skip


def test_one_query_per_identity_and_camera_with_a_match_elsewhere(root: Path) -> None:
    query, gallery = parsed(root / "query"), parsed(root / "bounding_box_test")
    assert max(Counter(query).values()) == 1
    for pid, camid in query:
        assert any(other == pid and elsewhere != camid for other, elsewhere in gallery)
    assert all(len({camid for other, camid in query if other == pid}) >= 2 for pid in (1001, 1002, 1003))


def test_images_are_market1501_jpegs_with_one_row_of_keypoints_each(root: Path) -> None:
    splits = {"train": ["bounding_box_train"], "test": ["bounding_box_test", "query"]}
    for split, folders in splits.items():
        annotations = read_annotations(root / f"market-annotation-{split}.csv")
        names = [path.name for folder in folders for path in (root / folder).glob("*.jpg")]
        assert sorted(annotations.names) == sorted(names)
        seen = annotations.keypoints[np.isfinite(annotations.keypoints).all(axis=2)]
        assert (seen == np.rint(seen)).all()
        assert (seen >= 0).all() and (seen[:, 0] <= 63).all() and (seen[:, 1] <= 127).all()
    for path in root.rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 128))


def test_images_of_one_camera_do_not_share_their_background(root: Path) -> None:
    corners: dict[int, list[np.ndarray]] = {}
    for path in sorted((root / "bounding_box_train").glob("*.jpg")):
        camid = int(READER_PATTERN.search(path.name)[2])
        corners.setdefault(camid, []).append(np.asarray(Image.open(path))[:10, :6].astype(float))
    spread = [np.abs(a - b).mean() for group in corners.values() for a, b in pairwise(group)]
    assert np.mean(spread) > 10


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(root: Path, tmp_path: Path) -> None:
    assert bytes_of(write_mannequins(tmp_path / "again", CONFIG)) == bytes_of(root)
    other = bytes_of(write_mannequins(tmp_path / "other", replace(CONFIG, train_ids=1, test_ids=1, seed=6)))
    first = next(path for path in sorted(other) if path.startswith("bounding_box_train"))
    assert other[first] not in bytes_of(root).values()


def test_a_smaller_set_is_part_of_a_larger_one(root: Path, tmp_path: Path) -> None:
    small = write_mannequins(
        tmp_path / "small", replace(CONFIG, train_ids=2, test_ids=1, images=5, distractors=0, junk=0)
    )
    images = {name.split("/")[1]: data for name, data in bytes_of(root).items() if name.endswith(".jpg")}
    for name, data in bytes_of(small).items():
        if name.endswith(".jpg"):
            assert images[name.split("/")[1]] == data
    large, rows = (
        read_annotations(root / "market-annotation-train.csv"),
        read_annotations(small / "market-annotation-train.csv"),
    )
    np.testing.assert_array_equal(large.select(rows.names), rows.keypoints)


def test_more_people_than_a_thousand_leave_out_the_numbers_of_the_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "take_shot", lambda *_: Shot(b"", np.zeros((18, 2), dtype=np.float32)))
    root = write_mannequins(tmp_path / "many", replace(CONFIG, train_ids=1003, test_ids=2, images=4))
    train, query = (
        {int(path.name[:4]) for path in (root / name).iterdir()} for name in ("bounding_box_train", "query")
    )
    assert train == {*range(1, 1001), 1502, 1503, 1504} and query == {1001, 1002}


@given(st.integers(0, 99), st.integers(1, 1501), st.integers(4, 40), st.integers(2, 6))
def test_visits_are_prefixes_and_give_every_identity_a_query(seed: int, pid: int, images: int, cameras: int) -> None:
    cams = visits(seed, pid, images, cameras)
    assert len(cams) == images and set(cams) <= set(range(1, cameras + 1))
    assert cams == visits(seed, pid, images + 7, cameras)[:images]
    assert sum(count >= 2 for count in Counter(cams).values()) >= 2


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "of_bone").mkdir()
    (tmp_path / "of_bone" / "thesis.txt").write_text("text")
    with pytest.raises(ReidAugError, match="is there already"):
        write_mannequins(tmp_path / "of_bone", CONFIG)
    (tmp_path / "file").write_text("text")
    with pytest.raises(ReidAugError, match="is a file, expected a folder"):
        write_mannequins(tmp_path / "file", CONFIG)
    assert bytes_of(tmp_path) == {"of_bone/thesis.txt": b"text", "file": b"text"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    calls = 0

    def fail_later(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise error
        return take_shot(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(dataset, "take_shot", fail_later)
    with pytest.raises(ReidAugError if isinstance(error, OSError) else KeyboardInterrupt):
        write_mannequins(tmp_path / "out", CONFIG)
    assert calls == 5 and list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_half_made_is_swept_by_the_next_one(tmp_path: Path) -> None:
    def kill(done: int, total: int) -> None:
        if done == 5:
            os._exit(1)

    if not (child := os.fork()):
        write_mannequins(tmp_path / "out", FEWEST, kill)
    os.waitpid(child, 0)
    assert [path.name for path in tmp_path.iterdir()] != [] and not (tmp_path / "out").exists()
    root = write_mannequins(tmp_path / "out", FEWEST)
    assert [*tmp_path.iterdir()] == [root]
    assert bytes_of(root) == bytes_of(write_mannequins(tmp_path / "again", FEWEST))


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    refused: list[str] = []

    def second(done: int, total: int) -> None:
        if done == 1:
            with pytest.raises(ReidAugError) as caught:
                write_mannequins(tmp_path / "out", FEWEST)
            refused.append(str(caught.value))

    write_mannequins(tmp_path / "out", FEWEST, second)
    assert len(refused) == 1 and "out is being made by" in refused[0]


@pytest.mark.parametrize(
    "change",
    [
        {"train_ids": 0},
        {"train_ids": 9499},
        {"test_ids": 502},
        {"images": 3},
        {"cameras": 7},
        {"cameras": 1},
        {"seed": -1},
        {"junk": -1},
    ],
)
def test_values_out_of_range_are_named(tmp_path: Path, change: dict[str, int]) -> None:
    with pytest.raises(ReidAugError, match=next(iter(change))):
        write_mannequins(tmp_path / "out", replace(CONFIG, **change))
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_readers_would_misread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReidAugError):
        write_mannequins(tmp_path / "run_05_c3_x" / "out", CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_image(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_mannequins(tmp_path / "out", FEWEST, lambda done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(1, 9)]  # a tenth of 4 test images rounds to no extras


def test_a_folder_has_the_rights_that_the_user_gives_and_may_have_the_longest_name(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        root = write_mannequins(tmp_path / ("m" * 255), FEWEST)
    finally:
        os.umask(before)
    assert root.stat().st_mode & 0o777 == 0o700 and [*tmp_path.iterdir()] == [root]
