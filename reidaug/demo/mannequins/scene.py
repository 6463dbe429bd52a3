"""Backgrounds: the floor and the wall behind it with objects in front, as the camera's lens sees them.

A scene is drawn once per camera and each image crops a window from it, so two images of one camera share the place but
not the pixels.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reidaug.demo.mannequins.render import TARGET, Lens, view_rotation
from reidaug.demo.mannequins.surface import noise

Array = np.ndarray
Rng = np.random.Generator
Box = tuple[float, float, float, float]  # left, top, right, bottom, pixels
SCENE_HEIGHT, SCENE_WIDTH = 208, 720  # pixels
PIXELS_PER_METRE = 64.0  # at the person's distance

FLOORS = ("asphalt", "paving", "lawn", "concrete", "slabs", "gravel")
WALLS = ("panels", "brick", "shop", "hedge", "railing", "plain")
# Kinds of floor and wall per camera, so that the six places differ.
PLACES = (
    ("gravel", "railing"),
    ("paving", "shop"),
    ("lawn", "hedge"),
    ("asphalt", "brick"),
    ("slabs", "panels"),
    ("concrete", "plain"),
)


def _rays(lens: Lens) -> tuple[Array, Array]:
    """Slopes x and y (up) of every scene pixel on the image plane."""
    scale = PIXELS_PER_METRE * lens.distance
    x = (np.arange(SCENE_WIDTH) + 0.5 - SCENE_WIDTH / 2) / scale
    y = (SCENE_HEIGHT / 2 - np.arange(SCENE_HEIGHT) - 0.5) / scale
    return np.meshgrid(x, y)


def _floor_colours(kind: str, x: Array, z: Array, rng: Rng) -> Array:
    """Colours of the floor at metres x (right) and z (towards the camera)."""
    start = rng.random()
    coarse, fine = noise(x, z, 0.9, 0.9, start), noise(x, z, 0.10, 0.10, start)
    grey = rng.uniform(0.38, 0.62)
    base = np.array([grey, grey * rng.uniform(0.97, 1.01), grey * rng.uniform(0.93, 1.04)])
    if kind == "lawn":
        base = np.array([0.34, 0.46, 0.22]) * rng.uniform(0.8, 1.15)
        return base * (1 + 0.10 * coarse + 0.10 * fine + rng.normal(0, 0.14, x.shape))[..., None]
    speckle = rng.normal(0, {"gravel": 0.16, "asphalt": 0.08}.get(kind, 0.03), x.shape)
    shade = 1 + 0.05 * coarse + {"gravel": 0.06, "asphalt": 0.05}.get(kind, 0.03) * fine + speckle
    if kind in ("paving", "slabs"):
        size = rng.uniform(0.3, 0.5) if kind == "paving" else rng.uniform(0.8, 1.4)
        row = np.floor(z / size)
        column = np.floor(x / size + 0.5 * np.mod(row, 2))
        joint = (np.mod(z / size, 1) < 0.05) | (np.mod(x / size + 0.5 * np.mod(row, 2), 1) < 0.05)
        shade = shade * (1 + 0.06 * np.sin(row * 12.9 + column * 78.2 + start * 9)) * (1 - 0.22 * joint)
        base = base * np.array([1.05, 1.0, 0.93 if rng.random() < 0.5 else 1.0])
    colours = base * shade[..., None]
    if kind in ("asphalt", "concrete") or rng.random() < 0.3:
        slope = rng.uniform(-0.6, 0.6)
        line = np.abs(z + slope * x - rng.uniform(-0.8, 0.8)) < rng.uniform(0.04, 0.1)
        colours = np.where(line[..., None], colours * 0.3 + np.array([0.85, 0.84, 0.78]) * 0.7, colours)
    return colours


def _wall_colours(kind: str, x: Array, y: Array, rng: Rng) -> Array:
    """Colours of the wall at metres x (right) and y (height)."""
    start = rng.random()
    coarse, fine = noise(x, y, 1.2, 1.2, start), noise(x, y, 0.12, 0.12, start)
    tone = np.array([[0.72, 0.70, 0.66], [0.60, 0.62, 0.64], [0.78, 0.74, 0.64], [0.50, 0.52, 0.50]][rng.integers(4)])
    colours = tone * (1 + 0.04 * coarse + 0.03 * fine)[..., None]
    if kind == "hedge":
        leaves = 0.12 * coarse + 0.34 * fine
        colours = np.array([0.20, 0.33, 0.14]) * (1 + leaves + rng.normal(0, 0.2, x.shape))[..., None]
    elif kind == "brick":
        row = np.floor(y / 0.14)
        joint = (np.mod(y / 0.14, 1) < 0.14) | (np.mod(x / 0.42 + 0.5 * np.mod(row, 2), 1) < 0.05)
        brick = (
            np.array([0.56, 0.34, 0.26])
            * (1 + 0.12 * np.sin(row * 7.7 + np.floor(x / 0.42) * 3.3) + 0.06 * fine)[..., None]
        )
        colours = np.where(joint[..., None], 0.62, brick)
    elif kind == "panels":
        joint = (np.mod(x / 1.3 + start, 1) < 0.03) | (np.mod(y / 0.9, 1) < 0.04)
        colours = colours * (1 - 0.35 * joint)[..., None]
    elif kind == "shop":
        pane = np.floor(x / 1.6 + start)
        tint = np.stack([np.sin(pane * a + start * 20) for a in (3.1, 5.3, 7.9)], axis=-1) * 0.22 + 0.45
        inside = (y > 0.5) & (y < 2.3) & (np.mod(x / 1.6 + start, 1) > 0.08)
        colours = np.where(inside[..., None], tint * (1 + 0.14 * coarse + 0.08 * fine)[..., None], colours)
    elif kind == "railing":
        colours = colours * (1 + 0.10 * np.sign(np.sin(x * 40)))[..., None]
        bars = (np.abs(y - 0.95) < 0.05) | (np.abs(y - 0.15) < 0.04) | (np.mod(x / 1.5 + start, 1) < 0.05)
        mesh = (y < 0.95) & ((np.mod(x / 0.13, 1) < 0.18) | (np.mod(y / 0.13, 1) < 0.18))
        colours = np.where(mesh[..., None], (0.25, 0.22, 0.22), colours)
        colours = np.where(bars[..., None], (0.36, 0.16, 0.16), colours)
    return colours * np.clip(0.8 + 0.12 * y, 0.8, 1.1)[..., None]


def _draw_things(image: Image.Image, lens: Lens, back: float, rng: Rng) -> None:
    """Draws posts, boxes, posters and distant people between the person and the wall."""
    draw = ImageDraw.Draw(image)
    turn = view_rotation(lens.pitch)
    scale = PIXELS_PER_METRE * lens.distance

    def spot(x: float, y: float, z: float) -> tuple[float, float]:
        point = turn @ np.array([x, y - TARGET, z])
        away = lens.distance - point[2]
        return SCENE_WIDTH / 2 + scale * point[0] / away, SCENE_HEIGHT / 2 - scale * point[1] / away

    things = [
        (rng.uniform(-6, 6), -rng.uniform(0.6, back), int(rng.choice(4, p=[0.25, 0.2, 0.25, 0.3]))) for _ in range(12)
    ]
    for x, z, kind in sorted(things, key=lambda thing: thing[1]):
        wide, high = [(0.05, 2.6), (0.3, rng.uniform(0.4, 0.9)), (rng.uniform(0.2, 0.7), 1.7), (0.2, 1.45)][kind]
        low, z = (rng.uniform(0.9, 1.3), -back) if kind == 2 else (0.0, z)
        colour, other = (_rgb(rng.normal(0, 14, 3) + rng.normal(105, 50)) for _ in range(2))
        (left, foot), (right, top) = spot(x - wide, low, z), spot(x + wide, high, z)
        right = max(right, left + 1)  # a thin object leans: its top is nearer to a lens that looks down
        if kind == 3:
            _draw_person(draw, (left, top, right, foot), colour, other)
            continue
        draw.rectangle((left, top, right, foot), fill=colour)
        if kind == 2:
            draw.rectangle((left, top, right, top + 0.35 * (foot - top)), fill=other)
        else:
            draw.rectangle((left + 0.65 * (right - left), top, right, foot), fill=_rgb(np.array(colour) * 0.7))


def _rgb(colour: Array) -> tuple[int, int, int]:
    red, green, blue = (int(channel) for channel in np.clip(colour, 15, 235))
    return red, green, blue


def _draw_person(draw: ImageDraw.ImageDraw, box: Box, top_colour: tuple[int, ...], leg_colour: tuple[int, ...]) -> None:
    """Draws a distant person; `box` spans from the shoulders to the feet."""
    left, top, right, foot = box
    wide, high, middle = right - left, foot - top, (left + right) / 2
    leg = max(1, round(0.36 * wide))
    draw.line((middle - 0.1 * wide, top + 0.45 * high, middle - 0.32 * wide, foot), fill=leg_colour, width=leg)
    draw.line((middle + 0.1 * wide, top + 0.45 * high, middle + 0.3 * wide, foot), fill=leg_colour, width=leg)
    draw.rounded_rectangle(
        (left + 0.12 * wide, top, right - 0.12 * wide, top + 0.52 * high), 0.25 * wide, fill=top_colour
    )
    head = 0.21 * wide
    draw.ellipse((middle - head, top - 2.3 * head, middle + head, top + 0.3 * head), fill=(70, 52, 45))


def paint_scene(lens: Lens, place: tuple[str, str], rng: Rng) -> Image.Image:
    """Draws the background of a camera.

    Args:
        lens: the camera.
        place: kinds of floor and wall.
        rng: source of colours and layout.

    Returns:
        RGB image of SCENE_WIDTH x SCENE_HEIGHT; its centre is the point at which the lens looks.
    """
    floor_kind, wall_kind = place
    back = rng.uniform(1.2, 4.0) if wall_kind != "hedge" else rng.uniform(3.0, 6.0)
    x, y = _rays(lens)
    sin, cos = np.sin(lens.pitch), np.cos(lens.pitch)
    drop = np.maximum(sin - y * cos, 1e-3)
    far = (TARGET + lens.distance * sin) / drop
    floor_z = -far * y * sin + (lens.distance - far) * cos
    reach = (lens.distance * cos + back) / (y * sin + cos)
    height = TARGET + reach * y * cos + (lens.distance - reach) * sin
    floor = _floor_colours(floor_kind, far * x, floor_z, rng)
    wall = _wall_colours(wall_kind, reach * x, height, rng)
    colours = np.where((floor_z < -back)[..., None], wall, floor)
    kerb = np.exp(-(((floor_z + back) / 0.15) ** 2)) * (floor_z > -back - 0.05)
    colours = colours * (1 - 0.4 * kerb)[..., None]
    image = Image.fromarray((np.clip(colours, 0, 1) * 255).astype(np.uint8))
    _draw_things(image, lens, back, rng)
    return image.filter(ImageFilter.GaussianBlur(0.6))
