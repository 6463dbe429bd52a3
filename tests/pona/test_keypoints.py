"""Joints, mirroring and heatmaps."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pona import PoNAError, render_heatmaps
from pona.keypoints import FLIP, JOINTS, LIMBS, flip_keypoints


def one_joint(x: float, y: float, joint: int = 0) -> torch.Tensor:
    keypoints = torch.full((1, 18, 2), float("nan"))
    keypoints[0, joint] = torch.tensor([x, y])
    return keypoints


def test_value_follows_the_code_and_not_the_printed_equation() -> None:
    heatmap = render_heatmaps(one_joint(30, 60))[0, 0]
    assert heatmap.shape == (128, 64)
    assert heatmap[60, 30] == 1
    # 6 px away, one sigma: exp(-1/2), where the paper's eq. 1 would give exp(-1).
    assert heatmap[60, 36].item() == pytest.approx(math.exp(-0.5), abs=1e-6)
    assert heatmap[63, 34].item() == pytest.approx(math.exp(-25 / 72), abs=1e-6)


def test_agrees_with_a_naive_loop() -> None:
    keypoints = torch.rand(2, 18, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([16.0, 24.0])
    heatmaps = render_heatmaps(keypoints, size=(24, 16), sigma=2.5)
    for sample, joint, y, x in [(0, 0, 0, 0), (1, 5, 23, 15), (0, 17, 7, 11), (1, 9, 12, 3)]:
        kx, ky = keypoints[sample, joint].tolist()
        naive = math.exp(-((x - kx) ** 2 + (y - ky) ** 2) / (2 * 2.5**2))
        assert heatmaps[sample, joint, y, x].item() == pytest.approx(naive, abs=1e-6)


@pytest.mark.parametrize("sigma", [6.0, None])
def test_missing_joint_is_all_zero(sigma: float | None) -> None:
    heatmaps = render_heatmaps(one_joint(30, 60, joint=4), sigma=sigma)[0]
    assert heatmaps[4].max() == 1
    assert heatmaps.sum() == heatmaps[4].sum()


def test_impulse_is_one_pixel() -> None:
    heatmap = render_heatmaps(one_joint(30.3, 59.8), sigma=None)[0, 0]
    assert heatmap.sum() == 1
    assert heatmap[60, 30] == 1


def test_impulse_outside_the_image_leaves_nothing() -> None:
    assert render_heatmaps(one_joint(70, 60), sigma=None).sum() == 0


@settings(max_examples=20, deadline=None)
@given(x=st.integers(-45, 220), y=st.integers(-3, 260))
def test_impulses_are_what_remains_of_heatmaps_stored_as_integers(x: int, y: int) -> None:
    """The DeepFashion heatmaps of PATN's and PoNA's code: exp(-d^2 / 72) cast to uint8, keypoints in whole pixels."""
    xs, ys = np.meshgrid(np.arange(176), np.arange(256))
    stored = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * 6**2)).astype(np.uint8)
    heatmap = render_heatmaps(one_joint(x, y), size=(256, 176), sigma=None)[0, 0]
    np.testing.assert_array_equal(heatmap.numpy(), stored)
    assert stored.sum() == (0 <= x < 176 and 0 <= y < 256)


@settings(max_examples=30, deadline=None)
@given(x=st.integers(0, 63), y=st.integers(0, 127), joint=st.integers(0, 17))
def test_heatmap_of_mirrored_keypoints_is_mirrored_heatmap_with_sides_swapped(x: int, y: int, joint: int) -> None:
    keypoints = one_joint(x, y, joint)
    expected = render_heatmaps(keypoints).flip(3)[:, list(FLIP)]
    assert torch.equal(render_heatmaps(flip_keypoints(keypoints, 64)), expected)


def test_flip_swaps_sides_and_twice_is_nothing() -> None:
    for joint, other in enumerate(FLIP):
        swapped = JOINTS[joint].replace("right", "L").replace("left", "right").replace("L", "left")
        assert JOINTS[other] == swapped
        assert FLIP[other] == joint
    keypoints = torch.rand(3, 18, 2) * 64
    torch.testing.assert_close(flip_keypoints(flip_keypoints(keypoints, 64), 64), keypoints)


def test_limbs_make_a_tree_over_all_joints() -> None:
    reached = {1}
    for _ in LIMBS:
        reached |= {b for a, b in LIMBS if a in reached} | {a for a, b in LIMBS if b in reached}
    assert len(LIMBS) == 17
    assert reached == set(range(18))


@pytest.mark.parametrize(("shape", "sigma"), [((2, 17, 2), 6.0), ((2, 18, 3), 6.0), ((18,), 6.0), ((2, 18, 2), 0.0)])
def test_wrong_input_is_refused(shape: tuple[int, ...], sigma: float) -> None:
    with pytest.raises(PoNAError, match="expected"):
        render_heatmaps(torch.zeros(shape), sigma=sigma)
