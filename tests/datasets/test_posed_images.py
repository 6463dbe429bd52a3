"""Images with poses of every split, by name."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_image
from reidaug.datasets.keypoints import FILES, read_annotations
from tests.cli.commands import error_of
from tests.factories import SPOIL, all_pairs, posed_images_of


def test_images_and_poses_of_every_split(tiny_root: Path) -> None:
    source = posed_images_of(tiny_root.parent)  # the folder around it will do
    train = next(path for path in sorted((tiny_root / "bounding_box_train").iterdir()))
    query = next(path for path in sorted((tiny_root / "query").iterdir()))
    assert {train.name, query.name} <= set(source.by_name)
    images = source.images([query.name, train.name])
    assert np.array_equal(images[0], read_image(query)) and np.array_equal(images[1], read_image(train))
    annotations = read_annotations(tiny_root / FILES["test"])
    assert np.array_equal(source.keypoints([query.name]), annotations.select([query.name]), equal_nan=True)


def test_test_pairs_are_those_of_the_gallery(tiny_root: Path) -> None:
    gallery = {path.name for path in (tiny_root / "bounding_box_test").iterdir()}
    annotations = read_annotations(tiny_root / FILES["test"]).only(gallery)
    expected = [(annotations.names[a], annotations.names[b]) for a, b in all_pairs(annotations).tolist()]
    assert posed_images_of(tiny_root).test_pairs() == expected and len(expected) > 10


def test_usable_poses_have_shoulders_and_hips(tiny_root: Path) -> None:
    source = posed_images_of(tiny_root)
    usable = source.usable()
    assert np.isfinite(source.keypoints(usable)[:, [2, 5, 8, 11]]).all()
    assert 0 < len(usable) < len(source.by_name)  # some training images hide a hip


def test_one_keypoint_file_is_enough_and_none_is_not(tiny_root: Path) -> None:
    (tiny_root / FILES["test"]).unlink()
    source = posed_images_of(tiny_root)
    assert {image.path.parent.name for image in source.by_name.values()} == {"bounding_box_train"}
    with pytest.raises(ReidAugError, match=r"nobody in the gallery of .* has two images"):
        source.test_pairs()
    (tiny_root / FILES["train"]).unlink()
    with pytest.raises(ReidAugError, match=r"no image in .* has keypoints; expected market-annotation-train.csv or"):
        posed_images_of(tiny_root)


def test_a_broken_keypoint_file_is_not_passed_over(tiny_root: Path) -> None:
    path = tiny_root / FILES["test"]
    path.write_text(path.read_text() + "broken.jpg: [1]: [2]\n")
    with pytest.raises(ReidAugError, match=r"market-annotation-test.csv line \d+: broken.jpg: keypoints_y holds 1 num"):
        posed_images_of(tiny_root)


@pytest.mark.parametrize("spoil", SPOIL)
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("command", ["grid", "attention", "score"])
def test_keypoints_of_other_images_are_refused(
    tiny_root: Path, own_folder: Path, command: str, split: str, spoil: Callable[[Path], None]
) -> None:
    spoil(tiny_root / FILES[split])
    error = error_of(command, "--ckpt", "absent.pt", "--data", str(tiny_root))
    assert re.search(rf"{FILES[split]} line \d+: the .* expected x 0 to 63 and y 0 to 127", error)


def test_a_name_that_is_not_there(tiny_root: Path) -> None:
    with pytest.raises(ReidAugError, match=r"no image 'x.jpg' with keypoints in .*; expected a file name, such as 0"):
        posed_images_of(tiny_root).images(["x.jpg"])
