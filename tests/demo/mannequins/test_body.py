"""Bones: rigid motions, joints that hold together."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reidaug.demo.mannequins.body import BONES, BodyShape, Pose, bone_motions, rest_joints
from reidaug.demo.mannequins.looks import sample_shape
from reidaug.demo.mannequins.poses import sample_pose


@given(st.integers(0, 10_000), st.floats(-3, 3))
@settings(max_examples=40)
def test_poses_move_bones_rigidly_and_stand_on_the_floor(seed: int, yaw: float) -> None:
    rng = np.random.default_rng(seed)
    shape, pose = sample_shape(rng), sample_pose(rng, None, True)
    rotations, offsets = bone_motions(shape, pose, yaw)
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (14, 3, 3)), atol=1e-12
    )
    rest = rest_joints(shape)

    def moved(bone: str, joint: str) -> np.ndarray:
        index = BONES.index(bone)
        return rotations[index] @ rest[joint] + offsets[index]

    for parent, child in (("r_arm", "r_forearm"), ("l_thigh", "l_shin"), ("l_shin", "l_foot"), ("chest", "head")):
        np.testing.assert_allclose(moved(parent, child), moved(child, child), atol=1e-12)  # joints hold together
    assert abs(min(moved(f"{side}_foot", f"{side}_foot")[1] for side in "rl") - 0.08) < 0.09
    for knee in pose.knee + pose.elbow:
        assert -0.01 <= knee < 2.9  # neither bends the wrong way


def test_a_person_at_rest_is_not_moved() -> None:
    shape = BodyShape()
    pose = Pose(shoulder_abduct=(0.35, 0.35), shoulder_turn=(0, 0), elbow=(0, 0), hip_abduct=(0, 0), knee=(0, 0))
    rotations, offsets = bone_motions(shape, pose, 0.0)
    np.testing.assert_allclose(rotations, np.broadcast_to(np.eye(3), (14, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(offsets, 0, atol=1e-12)
