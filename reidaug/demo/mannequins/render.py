"""Projects posed figures, resolves occlusion, lights the result and computes the keypoints.

Each surfel is splatted onto a canvas of twice the image size, far ones first; shading is done once per
pixel. View axes: x right, y up on the image, z towards the camera; the point 0.9 m above the feet is the origin.
"""

from dataclasses import dataclass

import numpy as np

from reidaug.demo.mannequins.body import BONES, Pose, bone_motions
from reidaug.demo.mannequins.figure import Figure
from reidaug.demo.mannequins.surface import SPACING

Array = np.ndarray
HEIGHT, WIDTH = 128, 64  # pixels of an image
SUPER = 2  # canvas pixels per image pixel
TARGET = 0.9  # metres above the floor at which the lens looks

# How far in front of a joint a surface may be before the joint counts as hidden, metres: the thickness of the limb,
# and more where a pose estimator infers the joint from its surroundings (a far shoulder or hip).
HIDING = np.array([
    0.06, 0.45, 0.45, 0.25, 0.10, 0.45, 0.25, 0.10, 0.45, 0.30, 0.22, 0.45, 0.30, 0.22, 0.05, 0.05, 0.09, 0.09,
])  # fmt: skip


@dataclass(frozen=True)
class Lens:
    """The position of the camera relative to the person."""

    distance: float  # metres
    pitch: float  # radians, positive looks down


@dataclass(frozen=True)
class Light:
    """Light of a place; directions in view axes."""

    sun: tuple[float, float, float]  # unit vector towards the light
    strength: float  # of the directed light
    ambient: float  # of the light from the sky


@dataclass(frozen=True)
class Placed:
    """A figure in a pose at a place."""

    figure: Figure
    pose: Pose
    yaw: float  # radians; 0 faces the camera
    offset: tuple[float, float] = (0.0, 0.0)  # metres to the right and towards the camera


@dataclass(frozen=True)
class View:
    """A placed figure in view axes."""

    points: Array  # (3, N) float32
    normals: Array  # (3, N)
    colours: Array  # (N, 3)
    joints: Array  # (18, 3)
    shadow: Array  # (2, M) where rays from the light through some surfels meet the floor, on the image plane


@dataclass(frozen=True)
class Picture:
    """A rendered foreground."""

    colours: Array  # (128, 64, 3) float32 0..1, multiplied by alpha
    alpha: Array  # (128, 64) float32
    keypoints: Array  # (18, 2) float32 x, y of the first figure, NaN = hidden or cut
    shadow: Array  # (128, 64) float32, 1 = full shadow on the floor


def view_rotation(pitch: float) -> Array:
    """Rotation from world axes into view axes."""
    cos, sin = np.cos(pitch), np.sin(pitch)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])


def _dot(direction: Array, vectors: Array) -> Array:
    """Dot products of one vector (3,) with many (3, N), with the same rounding for any number of threads."""
    return direction[0] * vectors[0] + direction[1] * vectors[1] + direction[2] * vectors[2]


def place(placed: Placed, lens: Lens, light: Light) -> View:
    """Poses a figure and transforms it into view axes."""
    figure = placed.figure
    rotations, offsets = bone_motions(figure.shape, placed.pose, placed.yaw)
    offsets = offsets + np.array([placed.offset[0], -TARGET, placed.offset[1]])
    turn = view_rotation(lens.pitch)
    motions = np.concatenate([turn @ rotations, (offsets @ turn.T)[..., None]], axis=2)  # (14, 3, 4)
    joints = (
        np.einsum("kij,kj->ki", motions[figure.anchor_bones, :, :3], figure.anchors)
        + motions[figure.anchor_bones, :, 3]
    )
    table = np.ascontiguousarray(motions.transpose(1, 2, 0).reshape(12, len(BONES)), dtype=np.float32)
    blended = np.zeros((12, figure.points.shape[1]), dtype=np.float32)
    for pull in figure.pulls:  # no matrix product: its rounding would depend on the number of threads
        blended[:, pull.surfels] += table[:, pull.bone, None] * pull.weights
    motion = blended.reshape(3, 4, -1)  # of every surfel
    points, normals = motion[:, 3], motion[:, 0] * figure.normals[0]
    for axis in range(3):
        points += motion[:, axis] * figure.points[axis]
    for axis in (1, 2):
        normals += motion[:, axis] * figure.normals[axis]
    some = points[:, ::5]
    up = turn[:, 1].astype(np.float32)
    height = _dot(up, some) + TARGET
    sun = np.array(light.sun, dtype=np.float32)
    floor = some - sun[:, None] * (height / max(0.25, float(up @ sun)))
    return View(points, normals, figure.colours, joints, floor[:2] / (lens.distance - floor[2]))


def bounds(view: View, lens: Lens) -> tuple[float, float, float, float]:
    """Returns left, top, right and bottom of a figure on the image plane (y up, unit: distance)."""
    depth = lens.distance - view.points[2, ::3]
    x, y = view.points[0, ::3] / depth, view.points[1, ::3] / depth
    return float(x.min()), float(y.max()), float(x.max()), float(y.min())


def _splat(views: list[View], lens: Lens, box: tuple[float, float, float, float]) -> tuple[Array, Array, Array, Array]:
    """Returns for every canvas pixel the winning surfel (-1 = none), and depths, normals and colours of the surfels."""
    points = np.concatenate([view.points for view in views], axis=1) if len(views) > 1 else views[0].points
    normals = np.concatenate([view.normals for view in views], axis=1) if len(views) > 1 else views[0].normals
    colours = np.concatenate([view.colours for view in views]) if len(views) > 1 else views[0].colours
    x, y, z = points
    depth = lens.distance - z
    left, top, right, bottom = box
    rows, columns = HEIGHT * SUPER, WIDTH * SUPER
    # A surfel covers as many pixels as its spacing needs: 2 x 2 for a whole person, more in a box around a part.
    cover = max(2, int(np.ceil(1.35 * SPACING / lens.distance * rows / (top - bottom))))
    column = (x / depth - left) * (columns / (right - left)) - (cover - 1) / 2
    row = (top - y / depth) * (rows / (top - bottom)) - (cover - 1) / 2
    seen = normals[2] * depth > normals[0] * x + normals[1] * y
    seen &= (column >= 0) & (column < columns - cover + 1) & (row >= 0) & (row < rows - cover + 1)
    chosen = np.flatnonzero(seen)
    near = np.clip((z[chosen] + 2.0) * 16000, 0, 65535).astype(np.uint16)
    order = chosen[np.argsort(near, kind="stable")]
    pixel = row[order].astype(np.int32) * columns + column[order].astype(np.int32)
    winner = np.full(rows * columns, -1, dtype=np.int32)
    footprint = (np.arange(cover)[:, None] * columns + np.arange(cover)).ravel().astype(np.int32)
    winner[(pixel[:, None] + footprint).ravel()] = np.repeat(order.astype(np.int32), cover**2)
    return winner, z, normals, colours


def _contact(depth: Array) -> Array:
    """Contact shadow, where something is a little in front, above or beside: (rows, columns) factor."""
    shade = np.ones_like(depth)
    for down, right in ((5, 0), (3, 3), (3, -3)):
        ahead = np.roll(depth, (down, right), axis=(0, 1)) - depth
        shade -= 0.12 * ((ahead > 0.025) & (ahead < 0.4))
    return shade


def _visible(views: list[View], lens: Lens, box: tuple[float, float, float, float], depth: Array) -> Array:
    """Returns the keypoints of the first figure, NaN if hidden or outside."""
    left, top, right, bottom = box
    joints = views[0].joints
    away = lens.distance - joints[:, 2]
    x = (joints[:, 0] / away - left) / (right - left) * WIDTH
    y = (top - joints[:, 1] / away) / (top - bottom) * HEIGHT
    inside = (x >= 0) & (x <= WIDTH - 1) & (y >= 0) & (y <= HEIGHT - 1)
    column = np.clip(x * SUPER, 0, WIDTH * SUPER - 1).astype(int)
    row = np.clip(y * SUPER, 0, HEIGHT * SUPER - 1).astype(int)
    hidden = depth[row, column] - joints[:, 2] > HIDING
    keypoints = np.stack([x, y], axis=1).astype(np.float32)
    keypoints[~inside | hidden] = np.nan
    return keypoints


def _floor_shadow(views: list[View], box: tuple[float, float, float, float]) -> Array:
    left, top, right, bottom = box
    shadow = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    for view in views:
        column = (view.shadow[0] - left) * (WIDTH / (right - left))
        row = (top - view.shadow[1]) * (HEIGHT / (top - bottom))
        inside = (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
        shadow[row[inside].astype(int), column[inside].astype(int)] = 1
    return shadow


def render(views: list[View], lens: Lens, light: Light, box: tuple[float, float, float, float]) -> Picture:
    """Renders figures; the keypoints are those of the first.

    Args:
        views: figures from `place`.
        lens: the camera.
        light: the light.
        box: left, top, right, bottom of the image on the image plane, as from `bounds`.
    """
    rows, columns = HEIGHT * SUPER, WIDTH * SUPER
    winner, z, normals, colours = _splat(views, lens, box)
    hit = np.flatnonzero(winner >= 0)
    surfel = winner[hit]
    depth = np.full((rows, columns), -9.0, dtype=np.float32)
    depth.ravel()[hit] = z[surfel]
    normal = normals[:, surfel]
    size = np.sqrt((normal * normal).sum(axis=0)) + 1e-6
    lit = np.clip(_dot(np.array(light.sun, dtype=np.float32), normal) / size, 0, None)
    up = _dot(view_rotation(lens.pitch)[:, 1].astype(np.float32), normal) / size
    shade = light.ambient * (0.72 + 0.28 * up) + light.strength * lit
    shade *= _contact(depth).ravel()[hit]
    flat = np.zeros((rows * columns, 4), dtype=np.float32)
    flat[hit, :3] = colours[surfel] * shade[:, None]
    flat[hit, 3] = 1
    layer = flat.reshape(rows, columns, 4)
    small = (layer[::2, ::2] + layer[1::2, ::2] + layer[::2, 1::2] + layer[1::2, 1::2]) / SUPER**2
    return Picture(
        colours=small[..., :3],
        alpha=small[..., 3],
        keypoints=_visible(views, lens, box, depth),
        shadow=_floor_shadow(views, box),
    )
