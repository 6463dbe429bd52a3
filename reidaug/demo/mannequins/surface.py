"""Surfaces of bodies and clothes as clouds of small oriented, coloured discs (surfels), made from tubes.

A tube is a row of elliptic rings. Its points have body coordinates (u around, v along, in metres) for the patterns, and
weights on the bones, by which the surface bends at the joints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reidaug.demo.mannequins.body import BONE, BONES

Array = np.ndarray
SPACING = 0.0105  # metres between surfels: about one pixel of the twofold canvas


@dataclass(frozen=True)
class Patch:
    """Surfels of one part at rest."""

    points: Array  # (N, 3) metres
    normals: Array  # (N, 3) unit, outward
    colours: Array  # (N, 3) albedo, 0..1
    weights: Array  # (N, 14) on the bones, rows sum to 1


@dataclass(frozen=True)
class Tube:
    """Rings S x T of a tube without colours."""

    points: Array  # (S, T, 3) metres
    axis: Array  # (S, 3) centre of each ring
    theta: Array  # (T,) angle around: 0 front, positive to the person's left, -pi..pi
    u: Array  # (S, T) metres around, from the front line, positive to the person's left
    v: Array  # (S, T) metres along, from the first ring

    @property
    def back_u(self) -> Array:
        """Metres around from the back line, (S, T); like u positive to the viewer's right."""
        return self.u - np.sign(self.u) * np.abs(self.u[:, -1:]) * len(self.theta) / (len(self.theta) - 1)

    @property
    def y(self) -> Array:
        """Height of each ring's centre, (S, 1)."""
        return self.axis[:, 1:2]


def make_tube(
    rows: Sequence[Sequence[float]] | Array,
    side: Array | None = None,
    front: Array | None = None,
    power: float = 2.0,
) -> Tube:
    """Builds a tube through control rings.

    Args:
        rows: (K, 5): centre x, y, z, half width (along `side`), half depth (along `front`), metres.
        side: unit vector of the width; default +x.
        front: unit vector of angle 0; default +z.
        power: exponent of the superellipse; 2 is an ellipse, more is boxier.
    """
    control = np.asarray(rows, dtype=np.float64)
    side = np.array([1.0, 0.0, 0.0]) if side is None else side
    front = np.array([0.0, 0.0, 1.0]) if front is None else front
    step = np.sqrt((np.diff(control, axis=0) ** 2).sum(axis=1))
    length = np.concatenate([[0.0], np.cumsum(step)])
    count = max(4, int(np.ceil(length[-1] / SPACING)) + 1)
    along = np.linspace(0, length[-1], count)
    rings = np.stack([np.interp(along, length, control[:, column]) for column in range(5)], axis=1)
    for _ in range(2):
        rings[1:-1] = (rings[:-2] + 2 * rings[1:-1] + rings[2:]) / 4
    theta, u = _around(float(np.quantile(rings[:, 3], 0.9)), float(np.quantile(rings[:, 4], 0.9)), power)
    across, ahead = _superellipse(theta, power)
    points = (
        rings[:, None, :3]
        + (rings[:, 3, None] * across)[..., None] * side
        + (rings[:, 4, None] * ahead)[..., None] * front
    )
    v = np.broadcast_to(along[:, None], points.shape[:2])
    return Tube(points=points, axis=rings[:, :3], theta=theta, u=np.broadcast_to(u, points.shape[:2]), v=v)


def _superellipse(theta: Array, power: float) -> tuple[Array, Array]:
    sin, cos = np.sin(theta), np.cos(theta)
    return np.sign(sin) * np.abs(sin) ** (2 / power), np.sign(cos) * np.abs(cos) ** (2 / power)


def _around(width: float, depth: float, power: float) -> tuple[Array, Array]:
    """Angles at even steps around a typical ring, and metres from its front line.

    They are the same for all rings, so stripes run along the tube.
    """
    dense = np.linspace(-np.pi, np.pi, 721)
    across, ahead = _superellipse(dense, power)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(across) * width, np.diff(ahead) * depth))])
    count = max(6, int(np.ceil(length[-1] / SPACING)))
    u = (np.arange(count) + 0.5) / count * length[-1]
    return np.interp(u, length, dense), u - length[-1] / 2


def moved(rows: Sequence[Sequence[float]] | Array, offset: Array) -> Array:
    """Returns control rings (K, 5) with their centres moved by `offset` (3,)."""
    control = np.array(rows, dtype=np.float64)
    control[:, :3] += offset
    return control


def displace(tube: Tube, distance: Array) -> Tube:
    """Moves the points outward from the axis by `distance` (S, T) metres."""
    outward = tube.points - tube.axis[:, None]
    outward /= np.linalg.norm(outward, axis=2, keepdims=True) + 1e-9
    return Tube(tube.points + outward * distance[..., None], tube.axis, tube.theta, tube.u, tube.v)


def finish(tube: Tube, colours: Array, weights: Array, mask: Array | None = None, shadow: Array | float = 1.0) -> Patch:
    """Turns a tube into a patch.

    Args:
        tube: the surface.
        colours: (S, T, 3) or broadcastable, 0..1.
        weights: (S, 14) or (S, T, 14).
        mask: (S, T) True where there is cloth; None = everywhere.
        shadow: factor on the colours, for creases that light hardly reaches.
    """
    points = tube.points
    shape = points.shape[:2]
    around = np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)
    along = np.gradient(points, axis=0)
    normals = np.cross(around, along)
    outward = points - tube.axis[:, None]
    flip = np.sign((normals * outward).sum(axis=2).sum()) or 1.0
    normals *= flip / (np.linalg.norm(normals, axis=2, keepdims=True) + 1e-12)
    colours = np.broadcast_to(colours * np.asarray(shadow)[..., None], (*shape, 3))
    weights = np.broadcast_to(weights if weights.ndim == 3 else weights[:, None], (*shape, len(BONES)))
    keep = np.ones(shape, bool) if mask is None else np.broadcast_to(mask, shape)
    return Patch(points[keep], normals[keep], np.clip(colours[keep], 0, 1), weights[keep])


def weights_between(position: Array, stops: Sequence[tuple[float, str]], softness: float) -> Array:
    """Returns weights (S, 14) of bones that follow one another along `position` (S,).

    Args:
        position: coordinate of each ring, ascending or descending.
        stops: (position up to which the bone moves the surface, bone) in ascending order; the last bone has no end.
        softness: half length of the blend at each stop, metres.
    """
    weights = np.zeros((len(position), len(BONES)))
    rest = np.ones(len(position))
    for end, bone in stops[:-1]:
        beyond = smooth((position - end) / (2 * softness) + 0.5)
        weights[:, BONE[bone]] += rest * (1 - beyond)
        rest = rest * beyond
    weights[:, BONE[stops[-1][1]]] += rest
    return weights


def bone_weights(tube: Tube, bone: str) -> Array:
    """Returns the weights (S, 14) of a surface that a single bone moves."""
    weights = np.zeros((len(tube.points), len(BONES)))
    weights[:, BONE[bone]] = 1
    return weights


def smooth(x: Array) -> Array:
    """Smooth step from 0 (x <= 0) to 1 (x >= 1)."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


@lru_cache(maxsize=4)
def noise_table(size: int = 256, feature: float = 24.0, seed: int = 7) -> Array:
    """Returns a tileable table of smooth noise, (size, size), mean 0, standard deviation 1."""
    frequency = np.fft.fftfreq(size)
    window = np.exp(-((frequency[:, None] ** 2 + frequency**2) * (feature * 1.8) ** 2))
    white = np.random.default_rng(seed).standard_normal((size, size))
    table = np.fft.ifft2(np.fft.fft2(white) * window).real
    return table / table.std()


def noise(u: Array, v: Array, u_size: float, v_size: float, offset: float) -> Array:
    """Smooth noise over body coordinates; one bump is about `u_size` x `v_size` metres."""
    table = noise_table()
    column = np.asarray(u / u_size * 24 + offset * 1013).astype(np.int64) & 255
    row = np.asarray(v / v_size * 24 + offset * 619).astype(np.int64) & 255
    return table[row, column]
