"""MoveNet, as it comes with the package: joints of rendered people, whose true ones are known."""

import numpy as np
import pytest
import torch

from pona.pckh import PoseCounts, count_right_joints
from reidaug.datasets.estimators.movenet import SIZE, WEIGHTS, MoveNet, Network
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import Annotations, read_annotations
from reidaug.datasets.market1501 import split_folder
from reidaug.demo.mannequins import MannequinConfig, write_mannequins

People = tuple[np.ndarray, Annotations]  # (N, 128, 64, 3) uint8, and the true joints

FIRST = """
    27.61 14.1, 31.88 27.48, 43.31 27.62, 46.78 45.01, nan nan, 20.46 27.35, 13.18 47.07, nan nan, 40.53 61.99,
    38.52 87.04, 45.4 110.35, 24.61 61.97, 21.14 89.25, 21.32 115.48, 29.72 11.87, 25.19 12.47, 34.52 12.8, 23.4 14.53
"""  # of the first person below, as they were found when this was written


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    config = MannequinConfig(train_ids=8, test_ids=2, images=4)
    root = write_mannequins(tmp_path_factory.mktemp("people") / "root", config, lambda *_: None)
    truth = read_annotations(root / "market-annotation-train.csv")
    return read_images([split_folder(root, "train") / name for name in truth.names]), truth


@pytest.fixture(scope="module")
def movenet() -> MoveNet:
    return MoveNet.load("cpu")


def test_it_finds_the_joints_of_rendered_people(movenet: MoveNet, people: People) -> None:
    images, truth = people
    found = movenet(images)
    visible = np.isfinite(truth.keypoints).all(axis=2)
    assert len(images) == 32 and visible.mean() > 0.6
    right = np.linalg.norm(found - truth.keypoints, axis=2) < 10
    assert right[visible].mean() > 0.92  # PCK at about 0.1 of the person's height
    counts = count_right_joints(found, truth.keypoints)
    assert PoseCounts(counts.right, counts.visible).pckh > 0.82


def test_stored_joints(movenet: MoveNet, people: People) -> None:
    stored = np.array([point.split() for point in FIRST.split(",")], dtype=np.float32)
    np.testing.assert_allclose(movenet(people[0][:1])[0], stored, atol=0.05)


def test_joints_lie_in_the_pixels_of_the_image_whatever_its_size(movenet: MoveNet, people: People) -> None:
    images = people[0][:8]
    found = movenet(images, 0.0)
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(np.nanmedian(np.abs(movenet(large, 0.0) - (2 * found + 0.5))), 0, atol=1.0)
    wide = np.pad(images, ((0, 0), (0, 0), (96, 32), (0, 0)), mode="edge")  # 128 x 192: the person fills a part of it
    right = np.abs(movenet(wide, 0.0) - found - [96, 0]).max(axis=2) < 8
    assert right.mean() > 0.7


def test_any_batch_size_gives_the_same_bits(movenet: MoveNet, people: People) -> None:
    images = [people[0][0], people[0][1, ::2], people[0][2, :, ::2], *people[0][3:8]]  # of three sizes
    together = movenet(images, 0.1)
    for batch_size in (1, 3):
        np.testing.assert_array_equal(movenet(images, 0.1, batch_size), together)


def test_a_higher_threshold_leaves_fewer_joints_and_moves_none(movenet: MoveNet, people: People) -> None:
    all_of_them, some, none = (movenet(people[0][:8], threshold) for threshold in (0.0, 0.5, 1.0))
    shown = np.isfinite(some)
    assert 0 < shown.sum() < np.isfinite(all_of_them).sum() and np.isnan(none).all()
    np.testing.assert_array_equal(some[shown], all_of_them[shown])
    assert movenet(people[0][:0]).shape == (0, 18, 2)
    inside = all_of_them[np.isfinite(all_of_them)].reshape(-1, 2)
    assert (inside >= 0).all() and (inside <= (63, 127)).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2)])
def test_odd_images_give_no_error(movenet: MoveNet, shape: tuple[int, int]) -> None:
    assert movenet(np.zeros((1, *shape, 3), np.uint8)).shape == (1, 18, 2)


def test_the_mirror_image_has_the_mirrored_joints(movenet: MoveNet, people: People) -> None:
    """Left and right change places, so they do not come from the side of the image."""
    swapped = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
    found, mirrored = movenet(people[0], 0.0), movenet(people[0][:, :, ::-1], 0.0)[:, swapped]
    mirrored[..., 0] = 63 - mirrored[..., 0]
    assert (np.linalg.norm(found - mirrored, axis=2) < 6).mean() > 0.85


def test_the_network_is_as_large_as_its_source() -> None:
    assert sum(weight.numel() for weight in Network().parameters()) == 2_317_974
    with torch.inference_mode():
        points, scores = Network()(torch.zeros(2, 3, SIZE, SIZE))
    assert points.shape == (2, 17, 2) and scores.shape == (2, 17)


def test_the_licence_lies_beside_the_weights() -> None:
    folder = WEIGHTS.parent
    assert "Apache License" in (folder / "movenet-LICENSE.txt").read_text()
    notice = (folder / "movenet-NOTICE.txt").read_text()
    assert "Google" in notice and "lightning/4" in notice and "half precision" in notice
