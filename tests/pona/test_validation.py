"""Validation: figures beside the two guesses, and the pictures that belong to them."""

import json

import pytest
import torch

from pona import PoNAError, PoNAGenerator
from pona.metrics import l1, mask_ssim, ssim
from pona.validation import Samples, Validation, mean_image
from tests.factories import small_data

CPU = torch.device("cpu")


def generator() -> PoNAGenerator:
    torch.manual_seed(0)
    return PoNAGenerator(width=4, blocks=1)


def test_figures_stand_beside_the_two_guesses() -> None:
    data = small_data(6, 32, 16)
    measured = Validation(data, data.images, count=30)(generator(), CPU, "fp32")
    conditions, targets = data.images[data.pairs[:, 0]], data.images[data.pairs[:, 1]]
    poses = data.keypoints[data.pairs[:, 1]]
    mean = mean_image(data.images)
    assert torch.equal(mean, data.images.double().mean(0).round().to(torch.uint8))
    for suffix, guess in (("_copy", conditions), ("_mean", mean.expand_as(targets))):
        assert measured["l1" + suffix] == pytest.approx(l1(guess, targets).mean().item())
        assert measured["ssim" + suffix] == pytest.approx(ssim(guess, targets).mean().item())
        assert measured["mask_ssim" + suffix] == pytest.approx(mask_ssim(guess, targets, poses).mean().item())
    assert measured["l1"] > 0.1 and measured["ssim"] < 0.5


def test_mask_ssim_is_the_mean_over_targets_that_show_a_joint() -> None:
    data = small_data(6, 32, 16)
    data.keypoints[2] = float("nan")
    measured = Validation(data, data.images, count=30)(generator(), CPU, "fp32")
    seen = data.pairs[data.pairs[:, 1] != 2]
    conditions, targets, poses = data.images[seen[:, 0]], data.images[seen[:, 1]], data.keypoints[seen[:, 1]]
    assert measured["mask_ssim_copy"] == pytest.approx(mask_ssim(conditions, targets, poses).mean().item())
    assert 0 < measured["mask_ssim"] < 1  # type: ignore[operator]


def test_no_mask_ssim_where_no_target_shows_a_joint() -> None:
    data = small_data(6, 32, 16)
    data.keypoints[:] = float("nan")
    measured = Validation(data, data.images, count=30)(generator(), CPU, "fp32")
    assert [measured["mask_ssim" + suffix] for suffix in ("", "_copy", "_mean")] == [None] * 3
    assert measured["ssim"] is not None
    json.dumps(measured, allow_nan=False)


def test_samples_are_the_same_pairs_every_time() -> None:
    data = small_data(6, 32, 16)
    validation = Validation(data, data.images, count=20)
    shown: list[Samples] = []
    network = generator()
    for _ in range(2):
        validation(network, CPU, "fp32", shown.append)
    first, second = shown
    assert len(first.generated_images) == 12
    assert torch.equal(first.generated_images, second.generated_images)
    assert torch.equal(first.target_images, second.target_images)
    rows = torch.linspace(0, 19, 12).round().long()
    assert torch.equal(first.condition_images, data.images[validation.pairs[rows, 0]])
    assert torch.equal(first.generated_images, validation.generate(network, CPU, "fp32")[rows])


def test_held_out_images_of_another_size_are_refused() -> None:
    with pytest.raises(PoNAError, match=r"training images are \(32, 16\) pixels.*\(16, 8\)"):
        Validation(small_data(6, 16, 8), small_data(6, 32, 16).images, count=4)
