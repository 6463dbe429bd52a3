"""Fits clothes to a body: rings around the torso, weights on the bones, folds and fabric."""

import numpy as np

from reidaug.demo.mannequins.body import BONE, BodyShape, rest_joints
from reidaug.demo.mannequins.surface import Tube, displace, noise, smooth, weights_between
from reidaug.demo.mannequins.wardrobe import Fabric, Outfit, paint

Array = np.ndarray

# Torso of an average man: height, half width, half depth, centre z (metres); the woman's differences.
_TORSO = np.array([
    (1.520, 0.056, 0.056, -0.010), (1.485, 0.064, 0.060, -0.014),
    (1.462, 0.105, 0.068, -0.018), (1.440, 0.148, 0.076, -0.020),
    (1.400, 0.174, 0.092, -0.012), (1.340, 0.176, 0.103, -0.004),
    (1.270, 0.168, 0.106, 0.002), (1.190, 0.154, 0.101, 0.004),
    (1.110, 0.146, 0.100, 0.002), (1.040, 0.152, 0.102, -0.002),
    (0.970, 0.162, 0.106, -0.010), (0.910, 0.168, 0.112, -0.014),
    (0.850, 0.170, 0.110, -0.012), (0.800, 0.150, 0.090, -0.006),
])  # fmt: skip
_FEMALE = np.array([
    (-0.008, -0.008, 0.0), (-0.010, -0.008, 0.0), (-0.014, -0.006, 0.0), (-0.018, -0.008, 0.0), (-0.022, -0.006, 0.004),
    (-0.022, 0.000, 0.012), (-0.020, 0.010, 0.016),
    (-0.022, -0.004, 0.006), (-0.026, -0.010, 0.000), (-0.016, -0.004, -0.004),
    (0.000, 0.004, -0.006), (0.008, 0.006, -0.008), (0.006, 0.004, -0.006), (0.0, 0.0, 0.0),
])  # fmt: skip


class Tailor:
    """What all garments of one person share: measures, outfit and position of the folds."""

    def __init__(self, shape: BodyShape, outfit: Outfit, seed: int) -> None:
        self.shape, self.outfit = shape, outfit
        self.rest = rest_joints(shape)
        self.lift = self.rest["chest"][1] - 1.08
        self.folds = (seed % 997) / 997

    def torso_rows(self, top: float, bottom: float, ease: float, flare: float, layer: float = 0.0) -> Array:
        """Rings of a garment around the torso from height `top` to `bottom` (both for average legs)."""
        shape = self.shape
        rows = _TORSO.copy()
        rows[:, 1:] += shape.female * _FEMALE
        rows[:, 1:3] *= 0.25 + 0.75 * shape.girth
        upper = smooth((rows[:, 0] - 1.05) / 0.25)
        rows[:, 1] *= upper * shape.shoulders + (1 - upper) * shape.hips
        belly = shape.belly * 0.05 * np.exp(-(((rows[:, 0] - 1.08) / 0.13) ** 2))
        rows[:, 2] += belly
        rows[:, 3] += belly
        heights = np.unique(
            np.concatenate([np.linspace(bottom, top, 26), rows[(rows[:, 0] > bottom) & (rows[:, 0] < top), 0]])
        )[::-1]
        profile = np.stack([np.interp(heights, rows[::-1, 0], rows[::-1, column]) for column in (1, 2, 3)], axis=1)
        below = np.clip(0.92 - heights, 0, None)
        if flare >= 0:  # a skirt falls from the hips instead of following the crotch
            hip = np.array([np.interp(0.91, rows[::-1, 0], rows[::-1, column]) for column in (1, 2, 3)])
            profile[heights < 0.91] = hip
        snug = smooth((1.50 - heights) / 0.06)
        over = layer * smooth((1.10 - heights) / 0.08)
        profile[:, :2] += (ease * snug + over + max(flare, 0.0) * below)[:, None]
        return np.stack([0 * heights, heights + self.lift, profile[:, 2], profile[:, 0], profile[:, 1]], axis=1)

    def torso_weights(self, tube: Tube) -> Array:
        """Weights (S, T, 14) of a garment around torso, hips and thighs."""
        y = tube.y[:, 0] - self.lift
        weights = np.repeat(
            weights_between(-y, [(-1.09, "chest"), (9.0, "pelvis")], 0.10)[:, None], len(tube.theta), axis=1
        )
        neck = smooth((y - 1.47) / 0.05)[:, None] * 0.5
        weights *= (1 - neck)[..., None]
        weights[..., BONE["head"]] += neck
        thigh = (0.95 * smooth((0.96 - y) / 0.26) * (1 - 0.6 * smooth((0.62 - y) / 0.4)))[
            :, None
        ]  # long cloth swings less
        left = smooth(tube.points[..., 0] / 0.16 + 0.5)
        weights *= (1 - thigh)[..., None]
        weights[..., BONE["l_thigh"]] += thigh * left
        weights[..., BONE["r_thigh"]] += thigh * (1 - left)
        return weights

    def folds_of(self, tube: Tube, amount: float, size: float = 0.09) -> Tube:
        """Adds slanting folds of `amount` metres to the cloth."""
        slant = np.abs(tube.u) * 0.5 + tube.v
        height = noise(tube.u, slant, size * 1.6, size * 0.7, self.folds) + 0.6 * noise(
            tube.u, tube.v, size * 0.5, size * 1.4, 0.3
        )
        return displace(tube, amount * height)

    def cloth(self, fabric: Fabric, tube: Tube) -> Array:
        """Colours of a fabric on a tube."""
        return paint(fabric, tube.u, tube.v, noise(tube.u, tube.v, 0.05, 0.06, fabric.offset))

    def crease(self, tube: Tube) -> Array:
        """Darkness under the arms and under the chin."""
        drop = 1.47 + self.lift - tube.points[..., 1]
        side = np.abs(np.sin(tube.theta)) ** 4
        return (
            1
            - 0.3 * side * smooth((drop - 0.03) / 0.1) * smooth((0.55 - drop) / 0.3)
            - 0.2 * smooth((0.01 - drop) / 0.05)
        )
