"""Draws poses: walking or standing, with arms that swing or act."""

from dataclasses import replace

import numpy as np

from reidaug.demo.mannequins.body import Pose

Rng = np.random.Generator

# What an arm may do besides swinging: flexion, abduction, turn and elbow, in radians.
ARM_ACTIONS: dict[str, tuple[float, float, float, float]] = {
    "phone_ear": (0.55, 0.55, 0.15, 2.45),
    "phone_front": (0.35, 0.12, 0.55, 1.65),
    "pocket": (-0.18, 0.32, 0.45, 0.62),
    "strap": (0.1, 0.18, 0.5, 2.2),
    "fold": (0.3, 0.2, 1.1, 1.55),
    "carry": (0.0, 0.14, 0.1, 0.08),
    "hold": (0.05, 0.14, 0.45, 1.35),
    "hip": (-0.25, 0.75, 0.9, 1.6),
}
WALKING = 0.75  # share of people who walk; the others stand


def _walk(phase: float, stride: float, swing: float) -> Pose:
    """One instant of a walk cycle; stride and swing are amplitudes of hips and shoulders in radians."""
    hips, knees, feet, shoulders, elbows = [], [], [], [], []
    for shift in (0.0, np.pi):
        forth, lift = np.sin(phase + shift), np.cos(phase + shift)
        hips.append(stride * forth + 0.06)
        knees.append(0.1 + 1.9 * stride * max(0.0, lift - 0.25 * forth) ** 1.5 + 0.25 * stride * max(0.0, -forth))
        feet.append(0.9 * stride * max(0.0, -forth) ** 2 - 0.5 * stride * max(0.0, forth) * (lift > -0.3))
        shoulders.append(-swing * forth - 0.02)
        elbows.append(0.22 + 0.5 * swing * max(0.0, -forth))
    return Pose(
        lean=0.05,
        sway=0.02 * float(np.cos(phase)),
        twist=-0.2 * stride * float(np.sin(phase)),
        shoulder_flex=(shoulders[0], shoulders[1]),
        elbow=(elbows[0], elbows[1]),
        hip_flex=(hips[0], hips[1]),
        knee=(knees[0], knees[1]),
        foot_pitch=(feet[0], feet[1]),
    )


def _actions(rng: Rng, bag_side: int | None, straps: bool) -> list[str | None]:
    """Draws what the right and the left arm do; None = swing."""
    action: list[str | None] = [None, None]
    draw = rng.random()
    first = int(rng.integers(2))
    if draw < 0.30:
        names = ["phone_ear", "phone_front", "pocket", "hold", "hip"]
        action[first] = names[rng.choice(5, p=[0.2, 0.3, 0.25, 0.22, 0.03])]
    elif draw < 0.42:
        action = [["pocket", "fold", "phone_front"][rng.integers(3)]] * 2
    elif straps and draw < 0.55:
        action[first] = "strap"
        action[1 - first] = "strap" if rng.random() < 0.4 else None
    if bag_side is not None:
        action[bag_side] = "carry"
    return action


def sample_pose(rng: Rng, bag_side: int | None, straps: bool, stride: float = 1.0) -> Pose:
    """Draws a pose.

    Args:
        rng: source of randomness.
        bag_side: the hand that carries a bag and therefore hangs (0 right, 1 left), or None.
        straps: whether the person wears a backpack and may hold its straps.
        stride: factor on the length of the steps.
    """
    if rng.random() < WALKING:
        pose = _walk(rng.uniform(0, 2 * np.pi), stride * rng.uniform(0.2, 0.43), rng.uniform(0.1, 0.45))
    else:
        pose = _walk(rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.14), rng.uniform(0.0, 0.1))
    actions = _actions(rng, bag_side, straps)
    flex, abduct, turn, elbow = list(pose.shoulder_flex), [0.13, 0.13], [0.25, 0.25], list(pose.elbow)
    for side, action in enumerate(actions):
        if action is not None:
            flex[side], abduct[side], turn[side], elbow[side] = ARM_ACTIONS[action]
            flex[side] += 0.15 * pose.shoulder_flex[side]
        flex[side] += rng.normal(0, 0.06)
        abduct[side] += abs(rng.normal(0, 0.06))
        elbow[side] = max(0.03, elbow[side] + rng.normal(0, 0.1))
    return replace(
        pose,
        lean=pose.lean + rng.normal(0, 0.04),
        sway=pose.sway + rng.normal(0, 0.025),
        head_yaw=rng.normal(0, 0.28),
        head_pitch=0.08 + (0.35 if "phone_front" in actions else 0.0) + rng.normal(0, 0.12),
        shoulder_flex=(flex[0], flex[1]),
        shoulder_abduct=(abduct[0], abduct[1]),
        shoulder_turn=(turn[0], turn[1]),
        elbow=(elbow[0], elbow[1]),
    )
