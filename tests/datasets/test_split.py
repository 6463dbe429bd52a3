"""Query and gallery from one folder of people."""

import errno
import os
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.datasets import split as splitting
from reidaug.datasets.dataset import Image
from reidaug.datasets.inspection import inspect_dataset
from reidaug.datasets.keypoints import find_annotations, has_annotations, read_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.request import SplitRequest
from reidaug.datasets.split import divide, write_split
from tests.cli.commands import error_of, runner, values_of
from tests.factories import image_named


@pytest.fixture
def people(tiny_root: Path) -> Path:
    """A root with training images only: 6 people with 6 images by 3 cameras."""
    for split in ("query", "gallery"):
        shutil.rmtree(split_folder(tiny_root, split))
    (tiny_root / "market-annotation-test.csv").unlink()
    return tiny_root


def images_of(cameras: dict[int, list[int]]) -> list[Image]:
    """Images of people: for each the camera of each image."""
    return [
        image_named(f"{pid:04d}_c{camera}s1_{number:06d}_00.jpg")
        for pid, seen_by in cameras.items()
        for number, camera in enumerate(seen_by)
    ]


def test_a_folder_of_people_becomes_a_data_set(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    values = values_of("split", str(people), str(out), "--test-portion", "0.5", "--seed", "3")
    data = open_dataset(out)
    splits = {split: data.images(split) for split in ("train", "query", "gallery")}
    assert not inspect_dataset(out).errors and not [p for p in inspect_dataset(out).problems if p.kind == "no-match"]
    test = {image.pid for image in splits["query"]}
    assert len(test) == 3 == values["test_people"] and test == {image.pid for image in splits["gallery"]}
    assert test.isdisjoint(image.pid for image in splits["train"])
    assert Counter((image.pid, image.camid) for image in splits["query"]) == Counter(
        {(pid, camid): 1 for pid in test for camid in (1, 2, 3)}
    )
    written = {image.name: image.path for images in splits.values() for image in images}
    assert sorted(written) == sorted(os.listdir(split_folder(people, "train")))
    for name, path in written.items():
        assert path.is_symlink() and path.read_bytes() == (split_folder(people, "train") / name).read_bytes()
    original = read_annotations(find_annotations(people, "train"))
    trained = {image.name for image in splits["train"]}
    for file, names in (("train", trained), ("test", set(written) - trained)):
        divided = read_annotations(find_annotations(out, file))
        assert set(divided.names) == names
        np.testing.assert_array_equal(divided.keypoints, original.select(divided.names))


def test_the_seed_draws_people_and_queries_and_copies_need_no_original(people: Path, tmp_path: Path) -> None:
    def names(seed: int, out: str, copy: bool = False) -> list[str]:
        write_split(SplitRequest(people, tmp_path / out, 0.5, seed, copy=copy))
        return sorted(str(path.relative_to(tmp_path / out)) for path in (tmp_path / out).rglob("*.jpg"))

    first = names(0, "a")
    assert names(0, "b", copy=True) == first != names(1, "c")
    shutil.rmtree(people)
    assert all(path.is_file() and not path.is_symlink() for path in (tmp_path / "b").rglob("*.jpg"))


def test_a_plain_folder_will_do_and_keypoints_may_be_absent(people: Path, tmp_path: Path) -> None:
    folder = split_folder(people, "train").rename(tmp_path / "photos")
    assert "reidaug split" in error_of("inspect", str(folder))
    values = values_of("split", str(folder), str(tmp_path / "out"))
    assert values["keypoints"] is False and not has_annotations(tmp_path / "out", "train")
    assert values["train_images"] + values["query_images"] + values["gallery_images"] == 36


def test_inspect_says_how_where_there_are_only_training_images(people: Path) -> None:
    messages = {problem.where: problem.message for problem in inspect_dataset(people).errors}
    assert all("reidaug split" in messages[folder] for folder in ("query", "bounding_box_test"))


def test_every_query_has_a_match_and_whoever_cannot_have_one_is_trained_on() -> None:
    images = images_of({1: [1, 1, 2], 2: [1, 2], 3: [1, 1, 1], 4: [1, 2, 3, 3], 5: [2], 0: [1, 2]})
    for seed in range(20):
        train, query, gallery = divide(images, 1.0, seed, "ignore")
        assert {image.pid for image in train} == {3, 5}
        assert [image.pid for image in query] == [1, 2, 4]  # a camera with one image gives it to the gallery
        cameras = defaultdict(set)
        for image in gallery:
            cameras[image.pid].add(image.camid)
        assert all(cameras[image.pid] - {image.camid} for image in query)
        assert {image.name for image in images if image.pid == 0} <= {image.name for image in gallery}
        assert sorted(train + query + gallery, key=str) == sorted(images, key=str)


def test_without_cameras_people_with_two_images_are_test_people() -> None:
    images = images_of({1: [1, 1, 1], 2: [1, 1], 3: [1], 4: [1]})
    with pytest.raises(ReidAugError, match=r"no person .* two cameras.*--same-camera count"):
        divide(images, 0.5, 0, "ignore")
    train, query, gallery = divide(images, 1.0, 0, "count")
    assert [image.pid for image in query] == [1, 2] and [image.pid for image in train] == [3, 4]
    assert sorted(image.pid for image in gallery) == [1, 1, 2]


def test_what_leaves_nobody_to_train_on_is_refused(people: Path, tmp_path: Path) -> None:
    assert "fewer than two people to train on" in error_of("split", str(people), "out", "--test-portion", "1")
    assert "fewer than two" in error_of("split", str(people), "out", "--test-portion", "0.9")
    assert "no folder" in error_of("split", str(tmp_path / "absent"), "out")
    (tmp_path / "empty").mkdir()
    assert "no image with a name that parses" in error_of("split", str(tmp_path / "empty"), "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    assert "full is there already" in error_of("split", str(people), str(tmp_path / "full"))
    assert "person and camera" in error_of("split", str(people), str(tmp_path / "run_05_c3_x"))
    (split_folder(people, "train") / "x.jpg").touch()
    assert "x.jpg" in error_of("split", str(people), "out")
    assert not Path("out").exists()


def test_an_interruption_leaves_nothing(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "new" / "out"
    out.parent.mkdir()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(splitting, "write_annotations", stop)
        write_split(SplitRequest(people, out))
    assert not list(out.parent.iterdir())
    told: list[tuple[int, int]] = []
    write_split(SplitRequest(people, out), lambda done, total: told.append((done, total)))
    assert told[-1] == (36, 36)


def test_where_links_are_not_possible_images_are_copied(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Mock(side_effect=OSError(errno.EPERM, "Operation not permitted"))
    monkeypatch.setattr(os, "symlink", refused)
    result = runner.invoke(app, ["split", str(tiny_root), str(tmp_path / "out")])
    assert result.exit_code == 0 and result.stderr.count("links are not possible at ") == 1
    images = list((tmp_path / "out").rglob("*.jpg"))
    assert len(images) == 36 and not any(path.is_symlink() for path in images)
