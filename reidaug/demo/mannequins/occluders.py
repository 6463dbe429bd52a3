"""Objects between the camera and the person."""

import numpy as np
from PIL import Image, ImageDraw

from reidaug.demo.mannequins.render import HEIGHT, WIDTH

Array = np.ndarray
Rng = np.random.Generator
Colour = tuple[int, int, int]
_SCALE = 2  # drawn larger and scaled down, for smooth edges
_WIDE, _HIGH = WIDTH * _SCALE, HEIGHT * _SCALE


def draw_occluder(kind: str, rng: Rng) -> tuple[Array, Array]:
    """Draws an object that hides a part of the image.

    Args:
        kind: a key of `OCCLUDERS`.
        rng: source of colour, size and position.

    Returns:
        Colours (128, 64, 3), 0..1, multiplied by alpha; alpha (128, 64), 0..1.
    """
    image = Image.new("RGBA", (_WIDE, _HIGH), (0, 0, 0, 0))
    tone = rng.uniform(50, 200)
    red, green, blue = (int(channel) for channel in np.clip(tone + rng.normal(0, 14, 3), 10, 245))
    OCCLUDERS[kind](ImageDraw.Draw(image), rng, (red, green, blue))
    small = np.asarray(image.reduce(_SCALE), dtype=np.float32) / 255
    return small[..., :3] * small[..., 3:], small[..., 3]


def _shade(colour: Colour, factor: float) -> Colour:
    return int(factor * colour[0]), int(factor * colour[1]), int(factor * colour[2])


def _pole(draw: ImageDraw.ImageDraw, rng: Rng, colour: Colour) -> None:
    x, half = rng.uniform(0, _WIDE), rng.uniform(3, 8)
    draw.rectangle((x - half, 0, x + half, _HIGH), fill=(*colour, 255))
    draw.rectangle((x + half * 0.3, 0, x + half, _HIGH), fill=(*_shade(colour, 0.7), 255))


def _block(draw: ImageDraw.ImageDraw, rng: Rng, colour: Colour) -> None:
    top, slope = rng.uniform(0.55, 0.92) * _HIGH, rng.uniform(-0.35, 0.35) * _HIGH
    bright = tuple(min(250, channel + 60) for channel in colour)
    for drop, fill in ((0, bright), (26, colour)):
        left, right = top - slope + drop, top + slope + drop
        draw.polygon([(0, left), (_WIDE, right), (_WIDE, _HIGH), (0, _HIGH)], fill=(*fill, 255))


def _bin(draw: ImageDraw.ImageDraw, rng: Rng, colour: Colour) -> None:
    x, top, half = rng.uniform(0, _WIDE), rng.uniform(0.62, 0.85) * _HIGH, rng.uniform(16, 32)
    dark = _shade(colour, 0.7)
    draw.rectangle((x - half, top, x + half, _HIGH), fill=(*colour, 255))
    draw.rectangle((x + half * 0.4, top, x + half, _HIGH), fill=(*dark, 255))
    draw.rectangle((x - half * 1.1, top - 8, x + half * 1.1, top), fill=(*dark, 255))


def _bush(draw: ImageDraw.ImageDraw, rng: Rng, colour: Colour) -> None:
    x = rng.choice([0.0, float(_WIDE)])
    for _ in range(60):
        cx, cy = x + rng.normal(0, 22), _HIGH - abs(rng.normal(0, 55))
        radius, shade = rng.uniform(4, 11), rng.uniform(0.5, 1.3)
        leaf = (*_shade((50, 88, 36), shade), 255)
        draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=leaf)


def _railing(draw: ImageDraw.ImageDraw, rng: Rng, colour: Colour) -> None:
    top = rng.uniform(0.6, 0.8) * _HIGH
    for y in (top, top + 40):
        draw.rectangle((0, y, _WIDE, y + 7), fill=(*colour, 255))
    for x in np.arange(rng.uniform(0, 20), _WIDE, 20):
        draw.rectangle((x, top, x + 4, _HIGH), fill=(*_shade(colour, 0.7), 255))


def _bicycle(draw: ImageDraw.ImageDraw, rng: Rng, colour: Colour) -> None:
    x, y, radius = rng.uniform(-0.2, 0.9) * _WIDE, rng.uniform(0.86, 0.97) * _HIGH, rng.uniform(24, 34)
    other = x + 3.1 * radius
    for centre in (x, other):
        draw.ellipse((centre - radius, y - radius, centre + radius, y + radius), outline=(30, 30, 32, 255), width=5)
        for angle in np.arange(0, np.pi, np.pi / 5):
            dx, dy = radius * np.cos(angle), radius * np.sin(angle)
            draw.line((centre - dx, y - dy, centre + dx, y + dy), fill=(120, 120, 122, 160), width=1)
    seat, bar, crank = (
        (x + 0.9 * radius, y - 1.7 * radius),
        (other - 0.6 * radius, y - 1.9 * radius),
        (x + 1.4 * radius, y),
    )
    for first, second in ((seat, crank), (seat, bar), (crank, bar), ((x, y), crank), ((x, y), seat), ((other, y), bar)):
        draw.line((*first, *second), fill=(*colour, 255), width=5)
    draw.rectangle((seat[0] - 12, seat[1] - 6, seat[0] + 12, seat[1]), fill=(25, 25, 25, 255))
    draw.line((bar[0] - 8, bar[1] - 10, bar[0] + 6, bar[1]), fill=(25, 25, 25, 255), width=5)


OCCLUDERS = {
    "pole": _pole, "block": _block, "bicycle": _bicycle, "bin": _bin, "bush": _bush, "railing": _railing,
}  # fmt: skip
