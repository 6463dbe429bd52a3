"""The pixel metrics of a batch: those of `pona.metrics`, with DeepFashion's white border."""

import numpy as np
import pytest
import torch

from pona import metrics
from reidaug.scoring.metrics.metric import Batch
from reidaug.scoring.metrics.pixel import METRIC, pixel_meter


def batch_of(height: int, width: int) -> Batch:
    random = np.random.RandomState(0)
    images, targets = (random.randint(0, 256, (2, height, width, 3)).astype(np.uint8) for _ in range(2))
    keypoints = random.uniform(5, min(height, width) - 5, (2, 18, 2)).astype(np.float32)
    return Batch(images, targets, keypoints, [], True)


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@pytest.mark.parametrize("border", [0, 40])
def test_a_white_border_for_all_but_two(border: int) -> None:
    batch = batch_of(64, 60)
    values = pixel_meter(border).measure(batch)
    white = np.full((2, 64, border, 3), 255, dtype=np.uint8)
    wide = [tensor(np.concatenate([white, part, white], axis=2)) for part in (batch.images, batch.targets)]
    plain = [tensor(batch.images), tensor(batch.targets)]
    poses = torch.from_numpy(batch.keypoints + np.array([border, 0], dtype=np.float32))
    assert tuple(values) == METRIC.per_image == tuple(column.name for column in METRIC.columns)
    assert np.allclose(values["ssim"], metrics.ssim(*wide))
    assert np.allclose(values["mask_ssim"], metrics.mask_ssim(*wide, poses))
    assert np.allclose(values["psnr"], metrics.psnr(*wide))
    assert np.allclose(values["psnr_wrapped"], metrics.psnr_wrapped(*wide))
    assert np.allclose(values["ssim_win51"], metrics.ssim_win51(*plain))
    assert np.allclose(values["l1"], metrics.l1(*plain))


def test_images_smaller_than_the_flat_window_have_no_figure_of_it() -> None:
    values = pixel_meter(0).measure(batch_of(64, 50))
    assert np.isnan(values["ssim_win51"]).all() and np.isfinite(values["ssim"]).all()
