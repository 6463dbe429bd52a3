"""Rendering: keypoints lie where the image shows the joint, and people have no holes."""

from dataclasses import replace

import numpy as np
import pytest

from reidaug.demo.mannequins.body import BONES, Pose
from tests.demo.mannequins.figures import (
    L_ANKLE,
    L_EAR,
    L_ELBOW,
    L_EYE,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    NECK,
    NOSE,
    R_ANKLE,
    R_EAR,
    R_ELBOW,
    R_EYE,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    R_WRIST,
    person,
    picture_of,
)


@pytest.mark.parametrize("yaw", [0.0, 0.5, np.pi, -2.7])
@pytest.mark.parametrize(
    ("bone", "first", "second"),
    [("r_forearm", R_ELBOW, R_WRIST), ("l_forearm", L_ELBOW, L_WRIST), ("r_arm", R_SHOULDER, R_ELBOW),
     ("l_thigh", L_HIP, L_KNEE), ("r_shin", R_KNEE, R_ANKLE), ("l_shin", L_KNEE, L_ANKLE)],
)  # fmt: skip
def test_limb_between_two_joints_has_the_colour_of_its_bone(bone: str, first: int, second: int, yaw: float) -> None:
    figure = person(bottom_kind="trousers")
    of_bone = np.zeros(len(figure.colours))
    for pull in figure.pulls:
        if pull.bone == BONES.index(bone):
            of_bone[pull.surfels] += pull.weights
    colours = np.where(of_bone[:, None] > 0.5, [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]).astype(np.float32)
    pose = Pose(shoulder_abduct=(0.5, 0.5), elbow=(0.3, 0.3), hip_abduct=(0.15, 0.15), hip_flex=(0.25, -0.25))
    picture = picture_of(replace(figure, colours=colours), yaw, pose)
    ends = picture.keypoints[[first, second]]
    x, y = ends.mean(axis=0)
    red, _, blue = picture.colours[int(y), int(x)]
    assert red > 0.4 and red > blue


def test_no_limb_is_hidden_when_the_arms_are_spread() -> None:
    for yaw in (0.0, np.pi):
        keypoints = picture_of(person(), yaw, Pose(shoulder_abduct=(0.6, 0.6))).keypoints
        assert np.isfinite(keypoints[:R_EYE]).all(axis=1)[1:].all()


def test_left_is_left() -> None:
    front, back = picture_of(person(), 0.0).keypoints, picture_of(person(), np.pi).keypoints
    for right, left in ((R_SHOULDER, L_SHOULDER), (R_HIP, L_HIP), (R_KNEE, L_KNEE), (R_ANKLE, L_ANKLE)):
        assert front[right, 0] < front[left, 0] - 4
        assert back[right, 0] > back[left, 0] + 4
    assert front[R_EYE, 0] < front[NOSE, 0] < front[L_EYE, 0]
    assert front[R_EAR, 0] < front[R_EYE, 0] and front[L_EYE, 0] < front[L_EAR, 0]


def test_joints_stand_in_order_from_head_to_foot() -> None:
    keypoints = picture_of(person(), 0.0).keypoints
    heights = keypoints[[R_EYE, NOSE, NECK, R_HIP, R_KNEE, R_ANKLE], 1]
    assert (np.diff(heights) > 0).all()
    np.testing.assert_allclose(keypoints[NECK], keypoints[[R_SHOULDER, L_SHOULDER]].mean(axis=0), atol=0.5)


def test_a_person_who_turns_to_the_left_looks_to_the_right_of_the_image() -> None:
    keypoints = picture_of(person(), np.pi / 2).keypoints
    assert keypoints[NOSE, 0] > keypoints[NECK, 0] + 3


def test_the_back_of_the_head_hides_the_face() -> None:
    face = [NOSE, R_EYE, L_EYE]
    assert np.isfinite(picture_of(person(), 0.0).keypoints[face]).all()
    assert np.isnan(picture_of(person(), np.pi).keypoints[face]).all()


def test_the_body_hides_the_far_arm_but_not_the_near_one() -> None:
    pose = Pose(shoulder_abduct=(0.05, 0.05), elbow=(0.05, 0.05))
    for yaw, near, far in ((np.pi / 2, R_WRIST, L_WRIST), (-np.pi / 2, L_WRIST, R_WRIST)):
        keypoints = picture_of(person(), yaw, pose).keypoints
        assert np.isfinite(keypoints[near]).all() and np.isnan(keypoints[far]).all()


def test_joints_below_the_frame_are_missing() -> None:
    keypoints = picture_of(person(), 0.0, cut=0.4).keypoints
    assert np.isnan(keypoints[[R_ANKLE, L_ANKLE]]).all()
    assert np.isfinite(keypoints[[R_SHOULDER, L_SHOULDER]]).all()


def test_people_have_no_holes() -> None:
    """Inside the outline of a torso, every pixel is covered, also in a box around a part of the body."""
    for cut in (0.0, 0.6):
        picture = picture_of(person(), 0.0, cut=cut)
        (x0, y0), (x1, _) = picture.keypoints[R_SHOULDER], picture.keypoints[L_SHOULDER]
        chest = picture.alpha[int(y0) + 4 : int(y0) + 20, int(x0) + 1 : int(x1)]
        assert chest.size > 150 and (chest == 1).all()
