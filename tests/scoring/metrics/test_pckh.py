"""PCKh of a set: joints counted over all images, from an estimator or another program's file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.datasets.estimators.estimator import PoseEstimator
from reidaug.datasets.keypoints import write_annotations
from reidaug.scoring.generated import ImageFiles
from reidaug.scoring.metrics.metric import Batch
from reidaug.scoring.metrics.pckh import file_estimate, image_estimate, pckh_meter
from tests.factories import STANDING, names_of

NAMES = names_of(1, range(3))
PAIRS = [(NAMES[0], NAMES[1]), (NAMES[1], NAMES[2])]
POSES = np.repeat(STANDING[None], 2, axis=0).astype(np.float32)


def batch_of(keypoints: np.ndarray, generated: bool = True) -> Batch:
    images = np.zeros((len(keypoints), 128, 64, 3), dtype=np.uint8)
    return Batch(images, images, keypoints, PAIRS, generated)


@pytest.fixture
def generated(tmp_path: Path) -> ImageFiles:
    (tmp_path / "images").mkdir()
    for condition, target in PAIRS:
        Image.new("RGB", (64, 128)).save(tmp_path / "images" / f"{condition}___{target}.png")
    return ImageFiles(tmp_path / "images", (128, 64))


def test_each_visible_joint_counts_alike() -> None:
    targets, estimated = POSES.copy(), POSES.copy()
    targets[1, 2:8] = np.nan  # 12 of 18 are visible
    estimated[0, 9] += 50
    estimated[0, 10] = np.nan
    estimated[1, 11] += 50
    meter = pckh_meter(lambda batch: estimated)
    values = meter.measure(batch_of(targets))
    assert values["joints_right"].tolist() == [16, 11] and values["joints_visible"].tolist() == [18, 12]
    assert meter.sum_up(values, {}) == {"pckh": pytest.approx(27 / 30)}


def test_without_a_visible_joint_there_is_no_share() -> None:
    meter = pckh_meter(lambda batch: POSES)
    assert np.isnan(meter.sum_up(meter.measure(batch_of(np.full_like(POSES, np.nan))), {})["pckh"])


def test_where_nothing_says_where_the_joints_are_there_is_no_figure() -> None:
    meter = pckh_meter(lambda batch: None)
    values = meter.measure(batch_of(POSES))
    assert values == {} and meter.sum_up(values, values) == {}


def test_an_image_that_comes_up_again_is_estimated_once() -> None:
    class Counting(PoseEstimator):
        seen = 0

        def find(self, images: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            self.seen += len(images)
            points = np.array([image[0, 0, :2] for image in images], dtype=np.float32)
            return np.repeat(points[:, None], 17, axis=1), np.ones((len(images), 17))

    estimator = Counting()
    estimate = image_estimate(estimator)
    for numbers in ([1, 2, 1], [2, 3], [3]):
        images = np.stack([np.full((128, 64, 3), number, np.uint8) for number in numbers])
        joints = estimate(Batch(images, images, POSES, PAIRS, True))
        assert joints[:, 4, 0].tolist() == numbers
    assert estimator.seen == 3


def test_a_file_speaks_of_the_generated_images_alone(generated: ImageFiles, tmp_path: Path) -> None:
    poses = POSES + np.array([[[0, 0]], [[1, 2]]], dtype=np.float32)
    write_annotations(tmp_path / "poses.csv", [generated.file_name(pair) for pair in PAIRS], poses)
    estimate = file_estimate(tmp_path / "poses.csv", generated, PAIRS)
    assert np.array_equal(estimate(batch_of(POSES)), poses)
    assert estimate(batch_of(POSES, generated=False)) is None


def test_files_that_do_not_fit_the_images(generated: ImageFiles, tmp_path: Path) -> None:
    files = [generated.file_name(pair) for pair in PAIRS]
    write_annotations(tmp_path / "poses.csv", files[:1], POSES[:1])
    with pytest.raises(ReidAugError, match=r"poses.csv has no row for .*___.*\(1 of 2 images\)"):
        file_estimate(tmp_path / "poses.csv", generated, PAIRS)
    write_annotations(tmp_path / "poses.csv", files, POSES + np.array([4 * 64, 0], dtype=np.float32))
    with pytest.raises(ReidAugError, match=r"64 pixels wide: were strips of five estimated whole\? --save-images"):
        file_estimate(tmp_path / "poses.csv", generated, PAIRS)(batch_of(POSES))
