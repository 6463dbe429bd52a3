"""Filling a set: its images, its keypoints, and files that other tools read."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_image
from reidaug.datasets.keypoints import find_annotations, read_annotations, write_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import read_manifest, read_plan
from reidaug.study.records import SynthesisRecord
from reidaug.study.request import ShrinkConfig
from reidaug.study.shrink import shrink
from reidaug.synthesis.completed_set import CompletedSet
from reidaug.synthesis.request import SynthesisOptions
from tests.synthesis.commands import PORTION, complete


class Copyist:
    """In the place of a painter: the condition image of each pose, and notes of what it was asked for."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []

    def generate(self, images: np.ndarray, keypoints: np.ndarray, targets: np.ndarray, of: np.ndarray) -> np.ndarray:
        assert len(images) == len(keypoints) == len({image.tobytes() for image in images})  # each is encoded once
        self.batches.append((len(images), len(targets)))
        return images[of]


@pytest.fixture
def begun(study: Study) -> CompletedSet:
    """A set without any image."""
    data = study.data_of(PORTION)
    plan, annotations = read_plan(study.plan_path(PORTION)), study.unchanged_annotations(PORTION, data)
    root = study.set_root(PORTION, "mine")
    completed = CompletedSet(root, root.parent, data, plan, annotations, SynthesisOptions(batch_size=4))
    completed.folder.mkdir(parents=True)
    return completed


@pytest.mark.parametrize("field", ["name", "condition", "pose"])
def test_a_plan_of_other_images_is_refused(begun: CompletedSet, field: str) -> None:
    """That of `augment` has no fingerprint."""
    row = next(row for row in begun.plan if row.kept == (field == "name"))
    other = replace(row, **{field: "0001_c1s1_999999_00.jpg"})  # type: ignore[arg-type]
    with pytest.raises(ReidAugError, match=r"the plan of .*mine.* names 0001_c1s1_999999_00.jpg, which is no"):
        replace(begun, plan=[other, *begun.plan])


def test_each_missing_image_is_generated_from_its_own_condition_image(begun: CompletedSet) -> None:
    copyist, told = Copyist(), []
    shuffled = sorted(begun.plan, key=lambda row: row.name[::-1])
    generated = begun.fill(shuffled, copyist, told.append)  # type: ignore[arg-type]
    rows = [row for row in begun.plan if row.action == "generate"]
    assert generated == len(rows) == sum(poses for _, poses in copyist.batches) > 8
    encoded = sum(conditions for conditions, _ in copyist.batches)
    assert all(poses == 4 for _, poses in copyist.batches[:-1])
    assert encoded < len({row.condition for row in rows}) + len(copyist.batches)
    assert told == sorted(told) and told[-1] == len(begun.plan)
    for row in rows:
        written, source = (read_image(path) for path in (begun.folder / row.name, begun.original[row.condition].path))
        assert np.abs(written.astype(int) - source).mean() < 3  # JPEG


@pytest.mark.parametrize("world", [1, 2, 3, 4, 50])
def test_shares_are_the_whole_and_have_their_part_of_every_work(begun: CompletedSet, world: int) -> None:
    shares = [begun.share(rank, world) for rank in range(world)]
    names = [row.name for share in shares for row in share]
    assert sorted(names) == [row.name for row in begun.plan]
    for action in ("keep", "generate", "copy"):
        counts = [sum(row.action == action for row in share) for share in shares]
        assert max(counts) - min(counts) <= 1


def test_a_set_is_finished_when_every_image_is_there(begun: CompletedSet) -> None:
    record = SynthesisRecord("a.pt", "abc", "fp32", 95)
    begun.fill(begun.plan[1:], Copyist(), lambda done: None)  # type: ignore[arg-type]
    assert not begun.finish(record) and [path.name for path in begun.root.iterdir()] == ["bounding_box_train"]
    assert begun.missing(begun.plan) == [begun.plan[0]]
    begun.fill(begun.plan[:1], Copyist(), lambda done: None)  # type: ignore[arg-type]
    assert begun.finish(record) and len(read_manifest(begun.root / "manifest.csv")) == 36


def test_keypoints_of_the_set_are_those_that_its_images_show(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    complete(study, checkpoint)
    root = study.set_root(PORTION, "pona")
    original, written = (read_annotations(find_annotations(folder, "train")) for folder in (tiny_root, root))
    shown = [row.condition if row.action == "copy" else row.name for row in read_manifest(root / "manifest.csv")]
    names = [row.name for row in read_manifest(root / "manifest.csv")]
    np.testing.assert_array_equal(written.select(names), original.select(shown))


def test_images_follow_the_reading_rules_of_torchreid_and_fast_reid(study: Study, checkpoint: Path) -> None:
    complete(study, checkpoint)
    pattern = re.compile(r"([-\d]+)_c(\d)")  # both search the whole path
    root = study.set_root(PORTION, "pona")
    for split in ("train", "query", "gallery"):
        paths = list(split_folder(root, split).glob("*.jpg"))
        assert paths
        for path in paths:
            pid, camid = map(int, pattern.search(str(path.absolute())).groups())  # type: ignore[union-attr]
            assert f"{pid:04d}_c{camid}" in path.name or path.name.startswith(f"-1_c{camid}")
            assert -1 <= pid <= 1501 and 1 <= camid <= 6


def test_images_of_another_size_are_refused_at_any_batch_size(
    study: Study, tiny_root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    folder = split_folder(tiny_root, "train")
    keypoints = find_annotations(tiny_root, "train")
    annotations = read_annotations(keypoints)
    for path in sorted(folder.glob("*.jpg"))[-6:]:  # all of one person
        Image.open(path).resize((32, 64)).save(path)
        annotations.keypoints[annotations.index[path.name]] /= 2
    write_annotations(keypoints, annotations.names, annotations.keypoints)
    other = Study(tmp_path / "other")
    shrink(open_dataset(tiny_root), other, ShrinkConfig(PORTION))
    with pytest.raises(ReidAugError, match=r"is 64 x 32 pixels .* expected 128 x 64"):
        complete(other, checkpoint, batch_size=1)
    assert other.unfinished_sets(PORTION) == ["pona"]


def test_a_finished_set_becomes_one_that_can_be_moved(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    complete(study, checkpoint)
    query = split_folder(study.set_root(PORTION, "pona"), "query")
    assert query.is_symlink()
    complete(study, checkpoint, copy=True)
    assert not query.is_symlink()
    assert sorted(path.name for path in query.iterdir()) == sorted(os.listdir(split_folder(tiny_root, "query")))
    complete(study, checkpoint)
    assert not query.is_symlink()


def test_batch_size_changes_only_rounding(study: Study, checkpoint: Path) -> None:
    complete(study, checkpoint, name="one", batch_size=1, precision="fp32")
    complete(study, checkpoint, name="many", batch_size=7, precision="fp32")
    one, many = (split_folder(study.set_root(PORTION, name), "train") for name in ("one", "many"))
    for path in one.iterdir():
        first, second = (np.asarray(Image.open(folder / path.name)).astype(int) for folder in (one, many))
        assert np.abs(first - second).mean() < 0.1  # another kernel, seen through JPEG; two persons differ by 15


def test_truncated_condition_image_is_named_and_leaves_no_manifest(
    study: Study, tiny_root: Path, checkpoint: Path
) -> None:
    row = next(row for row in read_plan(study.plan_path(PORTION)) if row.action == "generate")
    broken = split_folder(tiny_root, "train") / row.condition
    broken.write_bytes(broken.read_bytes()[:-300])
    shrink(open_dataset(tiny_root), study, ShrinkConfig(PORTION), force=True)
    with pytest.raises(ReidAugError, match=re.escape(row.condition)):
        complete(study, checkpoint)
    assert study.sets(PORTION) == ["none"]
