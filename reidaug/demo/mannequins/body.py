"""The skeleton of a mannequin: joints at rest, and the motion of each bone into a pose.

Axes: x to the person's left, y up, z to the front (right-handed). Unit: metres on a body of about 1.75 m.
At rest the person stands upright, legs straight, arms hanging at `REST_ABDUCTION` from the body.
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

BONES = (
    "pelvis", "chest", "head",
    "r_arm", "r_forearm", "r_thigh", "r_shin", "r_foot",
    "l_arm", "l_forearm", "l_thigh", "l_shin", "l_foot",
    "bag",
)  # fmt: skip
BONE = {name: index for index, name in enumerate(BONES)}
PARENT = {
    "chest": "pelvis", "head": "chest",
    "r_arm": "chest", "r_forearm": "r_arm", "r_thigh": "pelvis", "r_shin": "r_thigh", "r_foot": "r_shin",
    "l_arm": "chest", "l_forearm": "l_arm", "l_thigh": "pelvis", "l_shin": "l_thigh", "l_foot": "l_shin",
}  # fmt: skip
SIDES = (("r", -1.0), ("l", 1.0))  # prefix of the bones and sign of x
REST_ABDUCTION = 0.35  # radians between a hanging arm at rest and the vertical


@dataclass(frozen=True)
class BodyShape:
    """Proportions of one person; a factor of 1.0 is average."""

    female: float = 0.0  # 0 = male-like, 1 = female-like outline
    girth: float = 1.0  # thickness of torso and limbs, 0.85 - 1.25
    shoulders: float = 1.0  # width between the shoulders
    hips: float = 1.0  # width of the pelvis
    legs: float = 1.0  # length of the legs against the torso
    head: float = 1.0  # size of the head
    belly: float = 0.0  # 0 - 1, how far the belly protrudes
    bag_side: int = 0  # 0 right hand, 1 left hand: where a handbag hangs


@dataclass(frozen=True)
class Pose:
    """Joint angles in radians; pairs are (right, left). Positive flexion swings a limb to the front."""

    lean: float = 0.0  # torso to the front
    sway: float = 0.0  # torso to the left
    twist: float = 0.0  # shoulders against the hips, to the left
    head_yaw: float = 0.0
    head_pitch: float = 0.0  # down
    shoulder_flex: tuple[float, float] = (0.0, 0.0)
    shoulder_abduct: tuple[float, float] = (0.12, 0.12)
    shoulder_turn: tuple[float, float] = (0.2, 0.2)  # brings a bent forearm in front of the body
    elbow: tuple[float, float] = (0.2, 0.2)
    hip_flex: tuple[float, float] = (0.0, 0.0)
    hip_abduct: tuple[float, float] = (0.03, 0.03)
    knee: tuple[float, float] = (0.05, 0.05)
    foot_pitch: tuple[float, float] = (0.0, 0.0)  # toes down, against the floor


def rest_joints(shape: BodyShape) -> dict[str, Array]:
    """Returns the rest position of each bone's joint, of the wrists and of the hands."""
    leg = 0.90 * shape.legs
    lift = leg - 0.90
    joints: dict[str, Array] = {
        "pelvis": np.array([0.0, leg + 0.05, 0.0]),
        "chest": np.array([0.0, 1.08 + lift, -0.005]),
        "head": np.array([0.0, 1.49 + lift, -0.015]),
    }
    for side, sign in SIDES:
        hip = sign * (0.088 + 0.008 * shape.female) * shape.hips
        shoulder = np.array([sign * (0.182 - 0.022 * shape.female) * shape.shoulders, 1.425 + lift, -0.02])
        along = np.array([sign * np.sin(REST_ABDUCTION), -np.cos(REST_ABDUCTION), 0.0])
        joints[f"{side}_thigh"] = np.array([hip, leg, 0.0])
        joints[f"{side}_shin"] = np.array([hip * 1.0, 0.08 + (leg - 0.08) * 0.5, 0.012])
        joints[f"{side}_foot"] = np.array([hip * 1.0, 0.08, -0.02])
        joints[f"{side}_arm"] = shoulder
        joints[f"{side}_forearm"] = shoulder + 0.285 * along
        joints[f"{side}_wrist"] = shoulder + 0.535 * along
        joints[f"{side}_hand"] = shoulder + 0.62 * along
    joints["bag"] = joints["l_hand" if shape.bag_side else "r_hand"]
    return joints


def _rotation(axis: int, angle: float) -> Array:
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = cos
    matrix[a, b], matrix[b, a] = -sin, sin
    return matrix


def _local_rotations(pose: Pose, yaw: float) -> dict[str, Array]:
    """Returns each bone's rotation relative to its parent."""
    rotations = {
        "pelvis": _rotation(1, yaw),
        "chest": _rotation(1, pose.twist) @ _rotation(0, pose.lean) @ _rotation(2, -pose.sway),
        "head": _rotation(1, pose.head_yaw) @ _rotation(0, pose.head_pitch),
    }
    for i, (side, sign) in enumerate(SIDES):
        hang = _rotation(2, -sign * REST_ABDUCTION)
        rotations[f"{side}_arm"] = (
            _rotation(0, -pose.shoulder_flex[i])
            @ _rotation(2, sign * pose.shoulder_abduct[i])
            @ _rotation(1, -sign * pose.shoulder_turn[i])
            @ hang
        )
        rotations[f"{side}_forearm"] = hang.T @ _rotation(0, -pose.elbow[i]) @ hang
        rotations[f"{side}_thigh"] = _rotation(0, -pose.hip_flex[i]) @ _rotation(2, sign * pose.hip_abduct[i])
        rotations[f"{side}_shin"] = _rotation(0, pose.knee[i])
        rotations[f"{side}_foot"] = _rotation(0, pose.foot_pitch[i] + pose.hip_flex[i] - pose.knee[i])
    return rotations


def bone_motions(shape: BodyShape, pose: Pose, yaw: float) -> tuple[Array, Array]:
    """Returns the motion of every bone from rest into the pose: p' = R p + t.

    Args:
        shape: the person's proportions.
        pose: the joint angles.
        yaw: rotation of the whole person about the vertical, radians; 0 looks along +z.

    Returns:
        R (14, 3, 3) and t (14, 3) in the order of `BONES`; the lower foot is on y = 0, the hips above x = z = 0.
    """
    rest = rest_joints(shape)
    local = _local_rotations(pose, yaw)
    rotation: dict[str, Array] = {"pelvis": local["pelvis"]}
    position: dict[str, Array] = {"pelvis": rest["pelvis"]}
    for bone, parent in PARENT.items():
        rotation[bone] = rotation[parent] @ local[bone]
        position[bone] = position[parent] + rotation[parent] @ (rest[bone] - rest[parent])
    hand = "l" if shape.bag_side else "r"
    forearm = f"{hand}_forearm"
    position["bag"] = position[forearm] + rotation[forearm] @ (rest["bag"] - rest[forearm])
    rotation["bag"] = rotation["pelvis"] @ _rotation(0, -0.3 * pose.shoulder_flex[shape.bag_side])
    soles = []
    for side, _ in SIDES:
        for z in (-0.07, 0.14):
            sole = rest[f"{side}_foot"] * (1, 0, 0) + (0, 0, z)
            soles.append((position[f"{side}_foot"] + rotation[f"{side}_foot"] @ (sole - rest[f"{side}_foot"]))[1])
    drop = np.array([0.0, min(soles), 0.0])
    rotations = np.stack([rotation[bone] for bone in BONES])
    offsets = np.stack([position[bone] - drop - rotation[bone] @ rest[bone] for bone in BONES])
    return rotations, offsets


def keypoint_anchors(shape: BodyShape, face: dict[str, Array]) -> list[tuple[str, Array]]:
    """Returns (bone, rest position) of the 18 OpenPose joints in their order (nose, neck, right arm, ...).

    Args:
        shape: the person's proportions.
        face: rest positions of nose, r_eye, l_eye, r_ear and l_ear.
    """
    rest = rest_joints(shape)
    anchors = [("head", face["nose"]), ("chest", (rest["r_arm"] + rest["l_arm"]) / 2)]
    for side, _ in SIDES:
        anchors += [("chest", rest[f"{side}_arm"]), (f"{side}_arm", rest[f"{side}_forearm"])]
        anchors += [(f"{side}_forearm", rest[f"{side}_wrist"])]
    for side, _ in SIDES:
        anchors += [("pelvis", rest[f"{side}_thigh"]), (f"{side}_thigh", rest[f"{side}_shin"])]
        anchors += [(f"{side}_shin", rest[f"{side}_foot"])]
    return anchors + [("head", face[part]) for part in ("r_eye", "l_eye", "r_ear", "l_ear")]
