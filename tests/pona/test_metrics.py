"""Image metrics: properties, golden numbers by hand, and independent implementations."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_closing, gaussian_filter, uniform_filter
from torch import Tensor

from pona import PoNAError
from pona.metrics import MASK_LIMBS, l1, mask_ssim, pose_mask, psnr, psnr_wrapped, ssim, ssim_win51
from tests.factories import STANDING

Metric = Callable[[Tensor, Tensor], Tensor]
POSE = STANDING.astype(np.float32)


def pictures(count: int = 3, seed: int = 0, size: tuple[int, int] = (128, 64)) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, *size), dtype=torch.uint8, generator=generator)


def ssim_by_hand(generated: np.ndarray, target: np.ndarray) -> float:
    """Wang et al., eq. 13, with scipy's Gaussian of 11 taps, away from the border as scikit-image has it."""
    span = float(generated.max()) - float(generated.min())
    c1, c2, values = (0.01 * span) ** 2, (0.03 * span) ** 2, []
    for channel in range(3):
        x, y = generated[channel].astype(float), target[channel].astype(float)
        mean = {name: gaussian_filter(image, 1.5, truncate=3.5) for name, image in
                (("x", x), ("y", y), ("xx", x * x), ("yy", y * y), ("xy", x * y))}  # fmt: skip
        var_x, var_y = mean["xx"] - mean["x"] ** 2, mean["yy"] - mean["y"] ** 2
        covariance = mean["xy"] - mean["x"] * mean["y"]
        top = (2 * mean["x"] * mean["y"] + c1) * (2 * covariance + c2)
        values.append(top / ((mean["x"] ** 2 + mean["y"] ** 2 + c1) * (var_x + var_y + c2)))
    return float(np.mean([value[5:-5, 5:-5].mean() for value in values]))


def test_l1_is_a_share_of_full_scale() -> None:
    black, white = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.full((2, 3, 4, 4), 255, dtype=torch.uint8)
    assert l1(black, white).tolist() == [1.0, 1.0]
    a, b = pictures(70, 0, (16, 8)), pictures(70, 1, (16, 8))
    expected = (a.double() - b.double()).abs().mean(dim=(1, 2, 3)) / 255
    assert torch.allclose(l1(a, b), expected)
    assert torch.equal(l1(a, b), l1(b, a)) and not l1(a, a).any()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), noise=st.integers(1, 120))
def test_ssim_agrees_with_the_formula(seed: int, noise: int) -> None:
    target = pictures(1, seed, (32, 16))
    generated = (target.int() + torch.randint(-noise, noise + 1, target.shape)).clamp(0, 255).to(torch.uint8)
    assert ssim(generated, target).item() == pytest.approx(
        ssim_by_hand(generated[0].numpy(), target[0].numpy()), abs=1e-6
    )


def test_ssim_of_equal_images_is_one_and_noise_lowers_it() -> None:
    images = pictures()
    assert torch.allclose(ssim(images, images), torch.ones(3).double())
    assert (ssim(pictures(3, 1), images) < 0.2).all()
    flat = torch.full_like(images, 7)
    assert torch.allclose(ssim(flat, flat), torch.ones(3).double())  # no range of values, and yet no division by zero
    assert ssim(flat, images).isfinite().all()


def test_mask_covers_limbs_and_joints_only() -> None:
    mask = pose_mask(POSE, (128, 64))
    assert all(mask[y, x] for x, y in STANDING)
    assert mask[56, 32]  # between the hips and the shoulders: the trunk is filled
    assert not mask[:5].any() and not mask[120:].any() and not mask[:, :10].any()
    missing = np.full((18, 2), np.nan, dtype=np.float32)
    assert not pose_mask(missing, (128, 64)).any()
    missing[4] = (30, 60)
    yy, xx = np.mgrid[:128, :64]
    disc = (yy - 60) ** 2 + (xx - 30) ** 2 < 16
    assert np.array_equal(pose_mask(missing, (128, 64)), binary_closing(disc, np.ones((5, 5))))


def test_mask_limbs_are_those_of_the_public_code() -> None:
    one_based = """2,3 2,6 3,4 4,5 6,7 7,8 2,9 9,10 10,11 2,12 12,13 13,14 2,1 1,15 15,17 1,16 16,18 2,17 2,18 9,12 12,6
    9,3 17,18"""
    expected = [tuple(int(joint) - 1 for joint in pair.split(",")) for pair in one_based.split()]
    assert sorted(MASK_LIMBS) == sorted(expected)


def test_mask_ssim_sees_the_person_only() -> None:
    target = pictures(2)
    keypoints = torch.from_numpy(np.stack([POSE, POSE]))
    mask = torch.from_numpy(pose_mask(POSE, (128, 64)))
    elsewhere = torch.where(mask, target, pictures(2, 1))
    on_person = torch.where(mask, pictures(2, 1), target)
    assert torch.allclose(mask_ssim(elsewhere, target, keypoints), torch.ones(2).double())
    assert (mask_ssim(on_person, target, keypoints) < 0.9).all()
    assert torch.equal(mask_ssim(on_person, target, keypoints), ssim(on_person * mask, target * mask))


@pytest.mark.parametrize("metric", [l1, ssim])
def test_what_is_no_pair_of_images_is_refused(metric: Metric) -> None:
    images = pictures(2)
    with pytest.raises(PoNAError, match="float32"):
        metric(images.float(), images)
    with pytest.raises(PoNAError, match="not equal"):
        metric(images, images[:1])
    with pytest.raises(PoNAError, match="at least 11"):
        ssim(images[:, :, :8], images[:, :, :8])


def test_psnr_by_numpy_and_by_hand() -> None:
    a, b = pictures(70, 0, (16, 8)), pictures(70, 1, (16, 8))
    squared = ((a.numpy().astype(float) - b.numpy()) ** 2).mean(axis=(1, 2, 3))
    assert np.allclose(psnr(a, b), 20 * np.log10(255) - 10 * np.log10(squared), atol=1e-12)
    assert torch.equal(psnr(a, b), psnr(b, a)) and psnr(a, a).isinf().all()
    black, white = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    assert psnr(black, white).item() == 0.0


def test_wrapped_psnr_is_what_uint8_arithmetic_gives() -> None:
    a, b = pictures(2, 0, (16, 8)), pictures(2, 1, (16, 8))
    wrapped = np.mean((a.numpy() - b.numpy()) ** 2, axis=(1, 2, 3))  # numpy's uint8 wraps both times
    assert np.allclose(psnr_wrapped(a, b), 10 * np.log10(255**2 / wrapped), atol=1e-12)


def test_wrapped_psnr_makes_28_dB_of_14() -> None:
    """The paper's figure on Market-1501 against what such images have."""
    target = torch.full((1, 3, 128, 64), 128, dtype=torch.uint8)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    generated = (target + 49.2 * noise).round().clamp(0, 255).to(torch.uint8)
    assert psnr(generated, target).item() == pytest.approx(14.3, abs=0.1)
    assert psnr_wrapped(generated, target).item() == pytest.approx(28.1, abs=0.2)


def test_ssim_of_the_wide_window_agrees_with_the_formula() -> None:
    """Wang et al., eq. 13, with a flat window and the covariance of a sample, away from the border."""
    target = pictures(1, 0, (64, 60))
    generated = (target.float() * 0.6 + 30).to(torch.uint8)
    c1, c2, count = 0.01**2, 0.03**2, 51 * 51
    values = []
    for x, y in zip(target[0].numpy() / 255, generated[0].numpy() / 255, strict=True):
        mean = {k: uniform_filter(v, 51) for k, v in (("x", x), ("y", y), ("xx", x * x), ("yy", y * y), ("xy", x * y))}
        scale = count / (count - 1)
        var_x, var_y = (scale * (mean[k + k] - mean[k] ** 2) for k in "xy")
        covariance = scale * (mean["xy"] - mean["x"] * mean["y"])
        top = (2 * mean["x"] * mean["y"] + c1) * (2 * covariance + c2)
        value = top / ((mean["x"] ** 2 + mean["y"] ** 2 + c1) * (var_x + var_y + c2))
        values.append(value[25:-25, 25:-25].mean())
    assert ssim_win51(generated, target).item() == pytest.approx(float(np.mean(values)), abs=1e-9)
    assert ssim_win51(target, target).item() == pytest.approx(1)
    with pytest.raises(PoNAError, match=r"\(50, 60\) pixels, expected at least 51"):
        ssim_win51(target[..., :50, :], target[..., :50, :])


@pytest.mark.parametrize("metric", [l1, psnr, psnr_wrapped, ssim, ssim_win51])
def test_metrics_do_not_depend_on_the_batch(metric: Metric) -> None:
    a, b = pictures(5, 0), pictures(5, 1)
    alone = torch.cat([metric(a[row : row + 1], b[row : row + 1]) for row in range(5)])
    assert torch.equal(metric(a, b), alone)


@pytest.mark.parametrize("metric", [l1, psnr, psnr_wrapped, ssim, ssim_win51])
def test_metrics_refuse_two_sizes(metric: Metric) -> None:
    with pytest.raises(PoNAError, match="not equal"):
        metric(pictures(size=(64, 64)), pictures(size=(128, 64)))


def test_a_pose_without_joints_has_no_mask_ssim() -> None:
    a, b = pictures(2, 0), pictures(2, 1)
    poses = torch.from_numpy(np.stack([POSE, np.full_like(POSE, np.nan)]))
    values = mask_ssim(a, b, poses)
    assert values[0].isfinite() and values[1].isnan()
