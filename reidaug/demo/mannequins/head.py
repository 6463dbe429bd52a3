"""The head of a mannequin: face, ears, hair and hats."""

from collections.abc import Sequence

import numpy as np

from reidaug.demo.mannequins.body import BodyShape
from reidaug.demo.mannequins.surface import (
    Patch,
    Tube,
    bone_weights,
    displace,
    finish,
    make_tube,
    moved,
    noise,
    smooth,
    weights_between,
)
from reidaug.demo.mannequins.wardrobe import Outfit, mix

Array = np.ndarray

# Height above the neck joint (1.49 m), half width, half depth, centre z; metres.
_SKULL = np.array([
    (0.028, 0.008, 0.010, 0.050), (0.034, 0.026, 0.030, 0.046),
    (0.048, 0.043, 0.052, 0.034), (0.075, 0.055, 0.072, 0.022),
    (0.105, 0.064, 0.084, 0.013), (0.135, 0.070, 0.092, 0.007),
    (0.165, 0.073, 0.097, 0.002), (0.195, 0.072, 0.097, -0.002),
    (0.222, 0.064, 0.087, -0.004), (0.242, 0.047, 0.064, -0.004),
    (0.254, 0.024, 0.034, -0.003), (0.258, 0.006, 0.008, -0.002),
])  # fmt: skip
_EYE, _NOSE, _MOUTH, _EAR = 0.150, 0.112, 0.080, 0.130  # heights above the neck joint, metres


def _skull(shape: BodyShape, neck: Array, grow: float, low: float, extra: float = 0.0) -> Tube:
    """The head's surface above height `low`, `grow` metres further out."""
    table = _SKULL[_SKULL[:, 0] >= low][::-1].copy()
    table[:, 0] = np.where(table[:, 0] > 0.2, table[:, 0] + grow * 0.9, table[:, 0]) + extra
    rows = np.column_stack([0 * table[:, 0], table[:, 0], table[:, 3], table[:, 1] + grow, table[:, 2] + grow])
    rows[0, 3:] = 0.006
    rows = rows * shape.head
    rows[:, :3] += neck
    return make_tube(rows, power=2.15)


def _weights(tube: Tube) -> Array:
    return bone_weights(tube, "head")


def _features(tube: Tube, outfit: Outfit, up: Array) -> Array:
    """Colours the face on the skull; `up` (S, T) = height above the neck joint."""
    theta = np.abs(tube.theta)
    colours = np.broadcast_to(np.array(outfit.skin), (*up.shape, 3))
    blush = np.exp(-(((theta - 0.6) / 0.3) ** 2) - ((up - 0.105) / 0.025) ** 2)
    colours = colours * (1 - blush[..., None] * np.array([0.02, 0.09, 0.08]))
    socket = np.exp(-(((theta - 0.38) / 0.26) ** 2) - ((up - _EYE) / 0.014) ** 2)
    colours = colours * (1 - 0.32 * socket[..., None])
    eye = ((theta - 0.38) / 0.16) ** 2 + ((up - _EYE) / 0.0075) ** 2 < 1
    colours = mix(colours, (0.16, 0.12, 0.11), eye * 0.85)
    brow = (np.abs(theta - 0.40) < 0.24) & (np.abs(up - _EYE - 0.022 + 0.01 * (theta - 0.4)) < 0.006)
    colours = mix(colours, outfit.hair, brow * 0.75)
    mouth = (theta < 0.34) & (np.abs(up - _MOUTH) < 0.006)
    colours = mix(colours, (0.58, 0.27, 0.26), mouth * 0.7)
    nostril = np.exp(-((theta / 0.2) ** 2) - ((up - _NOSE + 0.012) / 0.006) ** 2)
    colours = colours * (1 - 0.35 * nostril[..., None])
    if outfit.beard:
        jaw = (up < np.interp(theta, [0, 0.5, 1.3, 1.5], [0.095, 0.092, 0.12, 0.15])) & (theta < 1.6) & (up < 0.16)
        colours = mix(colours, outfit.hair, (jaw & ~mouth) * 0.65)
    if outfit.glasses:
        rim = np.hypot((theta - 0.40) / 0.30, (up - _EYE + 0.002) / 0.020)
        temple = (theta > 0.65) & (theta < 1.6) & (np.abs(up - _EYE - 0.006) < 0.005)
        colours = mix(colours, (0.08, 0.08, 0.09), ((rim > 0.68) & (rim < 1.1) | temple) * 0.85)
    return colours


def _face(shape: BodyShape, outfit: Outfit, neck: Array) -> list[Patch]:
    tube = _skull(shape, neck, 0.0, 0.0)
    up = (tube.points[..., 1] - neck[1]) / shape.head
    theta = np.abs(tube.theta)
    nose = 0.020 * np.exp(-((theta / 0.16) ** 2)) * np.clip((0.152 - up) / 0.04, 0, 1) * smooth((up - 0.096) / 0.012)
    ear = 0.017 * np.exp(-(((theta - 1.68) / 0.10) ** 2) - ((up - _EAR) / 0.022) ** 4)
    chin = 0.004 * np.exp(-((theta / 0.35) ** 2) - ((up - 0.045) / 0.02) ** 2)
    socket = -0.005 * np.exp(-(((theta - 0.38) / 0.22) ** 2) - ((up - _EYE) / 0.012) ** 2)
    tube = displace(tube, nose + ear + chin + socket)
    under = 1 - 0.35 * smooth((0.055 - up) / 0.03)
    return [finish(tube, _features(tube, outfit, up), _weights(tube), shadow=under)]


def _locks(tube: Tube, outfit: Outfit) -> Array:
    """Colours of hair with strands."""
    strands = noise(tube.u, tube.v, 0.014, 0.10, 0.37)
    return np.array(outfit.hair) * (1 + 0.20 * strands)[..., None] + 0.012 * np.clip(strands, 0, 2)[..., None]


def _hair(shape: BodyShape, outfit: Outfit, neck: Array) -> list[Patch]:
    style = outfit.hair_style
    if style == "bald":
        return []
    grow = {"buzz": 0.005, "crop": 0.012, "short": 0.020, "bun": 0.010, "ponytail": 0.010}.get(style, 0.016)
    low = 0.03 if style in ("bob", "long") else 0.05
    tube = _skull(shape, neck, grow, low)
    up = (tube.points[..., 1] - neck[1]) / shape.head
    theta = np.abs(tube.theta)
    front = 0.172 if outfit.fringe else 0.204
    if style in ("bob", "long"):
        line = np.interp(theta, [0, 0.55, 0.8, 0.95, 1.1], [front, front - 0.01, 0.14, 0.09, 0.03])
    else:
        line = np.interp(
            theta,
            [0, 0.7, 0.95, 1.2, 1.35, 1.9, 2.3, np.pi],
            [front, front - 0.004, 0.18, 0.145, 0.14, 0.14, 0.075, 0.062],
        )
    line = line + 0.006 * noise(tube.u, 0 * tube.u, 0.02, 1.0, 0.11)
    tube = displace(tube, (0.004 if style != "buzz" else 0.001) * noise(tube.u, tube.v, 0.02, 0.07, 0.7))
    patches = [finish(tube, _locks(tube, outfit), _weights(tube), up > line)]
    if style in ("bob", "long"):
        patches.append(_mane(outfit, neck, shape, 0.02 if style == "bob" else -0.20))
    elif style == "ponytail":
        rows = [(0, 0.19, -0.085, 0.012, 0.012), (0, 0.185, -0.125, 0.028, 0.026), (0, 0.10, -0.145, 0.030, 0.026)]
        rows += [(0, 0.0, -0.14, 0.026, 0.02), (0, -0.08, -0.125, 0.008, 0.006)]
        patches.append(_lump(outfit, neck, rows))
    elif style == "bun":
        rows = [
            (0, 0.285, -0.055, 0.01, 0.01),
            (0, 0.275, -0.06, 0.038, 0.036),
            (0, 0.245, -0.065, 0.048, 0.046),
            (0, 0.21, -0.06, 0.03, 0.03),
        ]
        patches.append(_lump(outfit, neck, rows))
    return patches


def _lump(outfit: Outfit, neck: Array, rows: Sequence[Sequence[float]]) -> Patch:
    tube = make_tube(moved(rows, neck))
    return finish(tube, _locks(tube, outfit), _weights(tube))


def _mane(outfit: Outfit, neck: Array, shape: BodyShape, end: float) -> Patch:
    """Hair that hangs behind the face down to `end` metres above the neck joint."""
    rows = [(0, 0.20, -0.010, 0.082, 0.098), (0, 0.13, -0.018, 0.089, 0.100), (0, 0.06, -0.026, 0.092, 0.092)]
    if end > 0:
        rows += [(0, 0.035, -0.026, 0.090, 0.084), (0, end, -0.024, 0.078, 0.07)]
    else:
        rows += [
            (0, 0.0, -0.040, 0.098, 0.080),
            (0, -0.06, -0.056, 0.112, 0.074),
            (0, end + 0.03, -0.062, 0.105, 0.07),
            (0, end, -0.06, 0.09, 0.06),
        ]
    tube = make_tube(moved(np.array(rows) * shape.head, neck), power=2.2)
    tube = displace(tube, 0.004 * noise(tube.u, tube.v, 0.03, 0.2, 0.5))
    up = tube.points[..., 1] - neck[1]
    weights = weights_between(-up[:, 0], [(0.02, "head"), (9.0, "chest")], 0.09)
    opening = np.interp(up, [-0.05, 0.05, 0.2], [1.25, 1.2, 1.15])
    return finish(tube, _locks(tube, outfit), weights, np.abs(tube.theta) > opening, 1 - 0.2 * smooth(-up / 0.2))


def _hat(shape: BodyShape, outfit: Outfit, neck: Array) -> list[Patch]:
    if outfit.hat is None:
        return []
    colour = np.array(outfit.hat_colour)
    crown = _skull(shape, neck, 0.026, 0.13 if outfit.hat == "beanie" else 0.16)
    knit = 1 + 0.05 * np.sign(np.sin(crown.v * 400)) * (outfit.hat == "beanie")
    up = (crown.points[..., 1] - neck[1]) / shape.head
    line = np.where(np.abs(crown.theta) < 1.0, 0.185, 0.150)
    patches = [finish(crown, np.broadcast_to(colour, (*up.shape, 3)) * knit[..., None], _weights(crown), up > line)]
    if outfit.hat != "beanie":
        reach, spread = (0.085, 0.9) if outfit.hat == "cap" else (0.075, 4.0)
        rows = [
            (0, 0.196, 0.0, 0.095, 0.118),
            (0, 0.190, 0.004, 0.10, 0.128),
            (0, 0.172, 0.008, 0.10 + reach, 0.125 + reach),
        ]
        rows += [(0, 0.166, 0.008, 0.10 + reach, 0.125 + reach)]
        brim = make_tube(moved(np.array(rows) * shape.head, neck))
        patches.append(
            finish(brim, colour * 0.85, _weights(brim), np.broadcast_to(np.abs(brim.theta) < spread, brim.u.shape))
        )
    return patches


def build_head(shape: BodyShape, outfit: Outfit, neck: Array) -> tuple[list[Patch], dict[str, Array]]:
    """Builds the head on the neck joint.

    Returns:
        The patches, and the rest positions of nose, eyes and ears.
    """
    size = shape.head
    face = {"nose": neck + np.array([0, _NOSE, 0.112]) * size}
    for side, sign in (("r", -1.0), ("l", 1.0)):
        face[f"{side}_eye"] = neck + np.array([sign * 0.031, _EYE, 0.088]) * size
        face[f"{side}_ear"] = neck + np.array([sign * 0.079, _EAR, -0.006]) * size
    return _face(shape, outfit, neck) + _hair(shape, outfit, neck) + _hat(shape, outfit, neck), face
