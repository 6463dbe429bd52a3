"""DeepFashion: its files and people, crop and keypoints as the public code makes them, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pona
from reidaug.core.errors import ReidAugError
from reidaug.datasets.deepfashion import crop_keypoints, find_split, person_of, read_fashion_images
from reidaug.datasets.keypoints import Annotations
from reidaug.datasets.layouts import open_dataset
from tests.cli.commands import picture_of
from tests.factories import (
    FASHION_KEYPOINTS,
    FASHION_NAMES,
    FASHION_PAIRS,
    FASHION_PEOPLE,
    FASHION_VIEWS,
    posed_images_of,
    write_picture,
)


def test_a_whole_image_loses_forty_columns_on_both_sides(fashion_root: Path) -> None:
    paths = [fashion_root / "train" / (FASHION_PEOPLE[0] + view) for view in FASHION_VIEWS[:2]]
    cropped, whole = (np.asarray(Image.open(path)) for path in paths)
    assert (cropped.shape, whole.shape) == ((256, 176, 3), (256, 256, 3))
    pixels = read_fashion_images(paths)
    np.testing.assert_array_equal(pixels[0], cropped)
    np.testing.assert_array_equal(pixels[1], whole[:, 40:216])


def test_joints_that_the_crop_cuts_off_leave_no_heat_as_in_the_public_files() -> None:
    """The published keypoints are not clipped: x runs from -40 to 215."""
    keypoints = np.full((1, 18, 2), 50, dtype=np.float32)
    keypoints[0, :4] = [(-40, 9), (215, 9), (175, 255), (0, 0)]
    cropped, outside = crop_keypoints(Annotations(("a.jpg",), keypoints), Path("k.csv"), 0)
    assert outside == 2
    before, after = (
        pona.render_heatmaps(torch.from_numpy(points), size=(256, 176), sigma=None)
        for points in (keypoints, cropped.keypoints)
    )
    assert (before == after).all() and after.sum() == 16


def test_images_in_another_ending_have_their_published_names(fashion_root: Path) -> None:
    before = open_dataset(fashion_root).images("train")
    for image in before[::2]:
        image.path.rename(image.path.with_suffix(".png"))
    (fashion_root / "train" / f"._{before[1].name}").touch()
    after = open_dataset(fashion_root).images("train")
    assert [(image.name, image.pid) for image in after] == [(image.name, image.pid) for image in before]
    assert {image.path.suffix for image in after} == {".jpg", ".png"}
    assert len(posed_images_of(fashion_root).train) == len(before)
    before[0].path.touch()
    with pytest.raises(ReidAugError, match="in another ending"):
        open_dataset(fashion_root).images("train")


@pytest.mark.parametrize("part", ["train", FASHION_KEYPOINTS, FASHION_PAIRS])
def test_a_missing_part_is_named(fashion_root: Path, part: str) -> None:
    (fashion_root / part).rename(fashion_root / "away")
    with pytest.raises(ReidAugError, match=f"^no {part}.* in .*expected the public DeepFashion layout"):
        find_split(fashion_root, "train")


@pytest.mark.parametrize("size", [(256, 192), (128, 64), (1101, 750)])
def test_another_size_is_named_with_the_file(fashion_root: Path, size: tuple[int, int]) -> None:
    paths = [fashion_root / "train" / name for name in FASHION_NAMES]
    write_picture(paths[4], np.random.RandomState(1), size)
    expected = rf"{paths[4].name} is {size[0]} x {size[1]} pixels .* expected 256 x 176, or 256 x 256"
    with pytest.raises(ReidAugError, match=expected):
        read_fashion_images(paths)


def test_truncated_image_is_named(fashion_root: Path) -> None:
    path = fashion_root / "train" / FASHION_NAMES[4]
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ReidAugError, match=f"cannot read the image {path}"):
        read_fashion_images([path])


def test_people_have_a_number_each_in_both_splits(fashion_root: Path) -> None:
    data = open_dataset(fashion_root)
    for split in ("train", "test"):
        numbers = {(person_of(image.name) + "_", image.pid, image.camid) for image in data.images(split)}
        assert numbers == {(FASHION_PEOPLE[1], 1, 0), (FASHION_PEOPLE[0], 2, 0)}
    with pytest.raises(ReidAugError, match="no query images"):
        data.images("query")


def test_published_test_pairs_are_of_the_test_split(fashion_root: Path) -> None:
    source = posed_images_of(fashion_root)
    assert len(source.test_pairs()) == 12 and {name for pair in source.test_pairs() for name in pair} == set(
        FASHION_NAMES
    )
    assert source.images(FASHION_NAMES[1:2]).shape == (1, 256, 176, 3)


def test_a_grid_of_pairs(fashion_root: Path, own_folder: Path) -> None:
    generator = pona.PoNAGenerator(width=8, blocks=1)
    pona.save_checkpoint("pona.pt", generator, generator.config, {})
    values, picture = picture_of(
        "grid", "--ckpt", "pona.pt", "--data", str(fashion_root), "--layout", "pairs", "--device", "cpu"
    )
    pairs = list(zip(values["persons"], values["poses"], strict=True))
    assert sorted(person.rpartition("_")[0] + "_" for person, _ in pairs) == sorted(FASHION_PEOPLE)
    assert all(a != b and a.rpartition("_")[0] == b.rpartition("_")[0] for a, b in pairs)
    assert picture.shape[1] > 4 * 176 and picture.shape[0] > 2 * 256
