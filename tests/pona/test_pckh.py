"""PCKh on joints made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pona import PoNAError
from pona.pckh import count_right_joints
from tests.factories import STANDING

POSE = STANDING.astype(np.float32)[None]  # head joints: x 28..36, y 12..24: a box of 8 x 12 pixels


def test_a_pose_is_its_own() -> None:
    counts = count_right_joints(POSE, POSE)
    assert counts.right.tolist() == [18] and counts.visible.tolist() == [18] and counts.pckh == 1.0


@pytest.mark.parametrize(("shift", "right"), [((3.9, 0), 18), ((4, 0), 0), ((0, 5.9), 18), ((0, -6), 0), ((3.9, 6), 0)])
def test_half_the_head_box_each_way(shift: tuple[float, float], right: int) -> None:
    assert count_right_joints(POSE + np.float32(shift), POSE).right.tolist() == [right]


def test_missing_joints() -> None:
    estimated, target = POSE.copy(), POSE.copy()
    estimated[0, 3] = np.nan  # not found: wrong
    target[0, 4] = np.nan  # not in the target: does not count
    estimated[0, 7] = target[0, 7] = np.nan
    counts = count_right_joints(estimated, target)
    assert counts.right.tolist() == [15] and counts.visible.tolist() == [16]
    assert counts.pckh == 15 / 16


def test_the_box_is_that_of_the_visible_head_joints() -> None:
    target = POSE.copy()
    target[0, [14, 15, 16, 17]] = np.nan  # nose (32, 14) and neck (32, 24) remain: no width, so nothing is near
    assert count_right_joints(target, target).right.tolist() == [0]
    target[0, 14] = (30, 12)  # an eye: 2 x 12 pixels
    assert count_right_joints(target + np.float32((0.9, 0)), target).right.tolist() == [15]
    assert count_right_joints(target + np.float32((1, 0)), target).right.tolist() == [0]


def test_an_image_with_one_head_joint_does_not_count() -> None:
    target = np.repeat(POSE, 2, axis=0)
    target[1, [0, 14, 15, 16, 17]] = np.nan
    counts = count_right_joints(target, target)
    assert counts.right.tolist() == [18, 0] and counts.visible.tolist() == [18, 0]
    assert np.isnan(count_right_joints(target[1:], target[1:]).pckh)


@given(st.lists(st.integers(0, 17), max_size=18), st.floats(-100, 100))
def test_shares_are_micro_averages_and_ignore_where_the_person_stands(missing: list[int], shift: float) -> None:
    target = np.repeat(POSE, 3, axis=0).astype(np.float64)
    target[1, missing] = np.nan
    estimated = target + np.random.RandomState(0).uniform(-8, 8, target.shape)
    counts, moved = count_right_joints(estimated, target), count_right_joints(estimated + shift, target + shift)
    assert counts.pckh == pytest.approx(sum(counts.right) / sum(counts.visible))
    assert abs(counts.right - moved.right).sum() <= 1  # rounding at the very edge


def test_other_shapes_are_refused() -> None:
    with pytest.raises(PoNAError, match=r"\(1, 17, 2\), target keypoints \(1, 18, 2\)"):
        count_right_joints(POSE[:, :17], POSE)
