"""What a mannequin wears: colours from one small palette, fabrics with patterns in body coordinates, outfits.

Many people share a colour or a kind of garment and differ only in details, which makes them hard to tell apart.
"""

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
Colour = tuple[float, float, float]

# name: (colour 0..1, how common on the upper body, how common on the lower body)
PALETTE: dict[str, tuple[Colour, float, float]] = {
    "black": ((0.09, 0.09, 0.10), 5.0, 6.0),
    "charcoal": ((0.22, 0.22, 0.24), 2.5, 3.0),
    "grey": ((0.52, 0.52, 0.53), 3.0, 1.5),
    "white": ((0.90, 0.90, 0.88), 5.0, 1.0),
    "cream": ((0.84, 0.79, 0.66), 1.0, 1.0),
    "navy": ((0.12, 0.15, 0.30), 3.0, 3.0),
    "denim": ((0.27, 0.37, 0.54), 1.5, 5.0),
    "dark_denim": ((0.15, 0.20, 0.32), 0.8, 4.0),
    "sky": ((0.55, 0.70, 0.86), 2.0, 0.3),
    "blue": ((0.14, 0.32, 0.72), 1.6, 0.4),
    "red": ((0.76, 0.12, 0.13), 2.0, 0.4),
    "wine": ((0.40, 0.10, 0.16), 1.0, 0.5),
    "pink": ((0.90, 0.60, 0.66), 1.3, 0.3),
    "orange": ((0.88, 0.46, 0.16), 0.7, 0.1),
    "yellow": ((0.90, 0.78, 0.25), 0.9, 0.1),
    "green": ((0.18, 0.46, 0.26), 1.0, 0.3),
    "olive": ((0.35, 0.36, 0.21), 1.0, 1.0),
    "khaki": ((0.62, 0.54, 0.40), 1.0, 2.0),
    "brown": ((0.36, 0.24, 0.16), 1.0, 1.0),
    "purple": ((0.42, 0.26, 0.52), 0.8, 0.2),
    "teal": ((0.12, 0.46, 0.48), 0.8, 0.2),
}
SKIN: tuple[Colour, ...] = (
    (0.93, 0.76, 0.65), (0.88, 0.69, 0.56), (0.84, 0.64, 0.50),
    (0.76, 0.56, 0.42), (0.60, 0.42, 0.30), (0.42, 0.28, 0.20),
)  # fmt: skip
SKIN_SHARE = (0.2, 0.28, 0.24, 0.14, 0.08, 0.06)
HAIR: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06), (0.13, 0.09, 0.07), (0.25, 0.16, 0.10),
    (0.42, 0.29, 0.17), (0.68, 0.53, 0.32), (0.62, 0.61, 0.60),
)  # fmt: skip
HAIR_SHARE = (0.44, 0.27, 0.15, 0.07, 0.04, 0.03)
SNEAKERS: tuple[Colour, ...] = (
    (0.88, 0.88, 0.86), (0.88, 0.88, 0.86), (0.12, 0.12, 0.13), (0.12, 0.12, 0.13), (0.5, 0.5, 0.52), (0.16, 0.2, 0.38),
    (0.7, 0.16, 0.16), (0.55, 0.4, 0.28), (0.85, 0.5, 0.55), (0.2, 0.45, 0.7),
)  # fmt: skip
COLOUR_JITTER = 0.025  # standard deviation between garments of one palette colour


@dataclass(frozen=True)
class Fabric:
    """Colour and pattern of one garment."""

    base: Colour
    kind: str = "plain"  # plain, bands, stripes, checks, dots, blotches, denim, heather
    second: Colour = (0.5, 0.5, 0.5)  # colour of the pattern
    third: Colour = (0.5, 0.5, 0.5)  # second colour of the checks
    size: float = 0.04  # metres per repeat
    duty: float = 0.5  # share of a repeat in the second colour
    offset: float = 0.0  # start of the pattern and of the folds


@dataclass(frozen=True)
class Decal:
    """A print on the front or on the back."""

    kind: str  # logo, badge, text, disc, band, panel
    colour: Colour
    drop: float  # metres below the neck of its centre
    size: float  # metres, half its width
    seed: int


@dataclass(frozen=True)
class Outfit:
    """Everything that is worn, as plain values."""

    skin: Colour
    top: Fabric
    bottom: Fabric
    sleeve: float  # 0 none, 0.4 short, 0.75, 1 long
    neckline: float  # metres below the neck, at the front
    hem: float  # height of the top's hem, metres above the floor
    ease: float  # looseness of the top, metres
    bottom_kind: str  # trousers, shorts, skirt, dress
    bottom_hem: float  # height of its lower end, metres
    leg_ease: tuple[float, float]  # looseness at the thigh and at the ankle, metres
    legs: Colour  # below the hem: skin, tights or socks
    shoes: Colour
    soles: Colour
    shoe_height: float  # 0.06 shoes .. 0.3 boots, metres
    buttons: bool
    collar: Colour | None
    front_decal: Decal | None
    back_decal: Decal | None
    outer: Fabric | None = None  # jacket, coat or cardigan over the top
    outer_hem: float = 0.9
    outer_open: float = 0.0  # half width of its opening at the front, metres; 0 = closed
    hood: bool = False
    belt: Colour | None = None
    hair_style: str = "short"  # short, buzz, crop, bob, long, ponytail, bun, bald
    hair: Colour = (0.1, 0.1, 0.1)
    fringe: bool = False
    hat: str | None = None  # cap, beanie, brim
    hat_colour: Colour = (0.1, 0.1, 0.1)
    glasses: bool = False
    beard: bool = False
    bag: str | None = None  # backpack, shoulder, handbag
    bag_colours: tuple[Colour, Colour] = field(default=((0.1, 0.1, 0.1), (0.3, 0.3, 0.3)))
    bag_size: float = 1.0
    bag_side: int = 0  # 0 right, 1 left
    pattern_sleeves: bool = True  # False: plain sleeves in the second colour


def mix(first: Array | Colour, second: Array | Colour, share: Array) -> Array:
    """Blends two colours by a share (...,) in 0..1."""
    share = np.asarray(share, dtype=np.float64)[..., None]
    return np.asarray(first) * (1 - share) + np.asarray(second) * share


def paint(fabric: Fabric, u: Array, v: Array, grain: Array) -> Array:
    """Returns the colours (..., 3) of a fabric at body coordinates u (around) and v (along), metres.

    `grain` is smooth noise of the same shape, for blotches and wear.
    """
    size, start = fabric.size, fabric.offset
    across = np.mod(u / size + start, 1.0) < fabric.duty
    along = np.mod(v / size + start, 1.0) < fabric.duty
    share = np.zeros(np.broadcast(u, v).shape)
    if fabric.kind == "bands":
        share = share + along
    elif fabric.kind == "stripes":
        share = share + across
    elif fabric.kind == "dots":
        row = np.floor(v / size)
        du = np.mod(u / size + 0.5 * np.mod(row, 2), 1.0) - 0.5
        share = share + (du**2 + (np.mod(v / size, 1.0) - 0.5) ** 2 < 0.32**2)
    elif fabric.kind == "blotches":
        share = np.clip((grain - 0.1) * 4, 0, 1)
    elif fabric.kind == "denim":
        share = np.clip(0.25 + 0.25 * grain, 0, 1) * 0.5
    colours = mix(fabric.base, fabric.second, share)
    if fabric.kind == "checks":
        colours = mix(colours, fabric.second, 0.5 * across + 0.0 * v)
        colours = mix(colours, fabric.third, 0.5 * along + 0.0 * u)
    elif fabric.kind == "heather":
        colours = colours * (1 + 0.06 * grain[..., None])
    return colours


def stamp(colours: Array, decal: Decal, u: Array, drop: Array) -> Array:
    """Prints a decal onto colours (..., 3); u metres from its middle line, drop metres below the neck."""
    x, y = u / decal.size, (drop - decal.drop) / decal.size
    grid = np.random.default_rng(decal.seed).random((6, 8))
    if decal.kind == "disc":
        radius = np.hypot(x, y)
        share = (radius < 1) & ~((radius > 0.55) & (radius < 0.75))
    elif decal.kind == "text":
        row, column = np.floor((y + 0.5) * 3).astype(int), np.floor((x + 1) * 8).astype(int)
        share = (np.abs(x) < 1) & (np.abs(y) < 0.5) & (row != 1) & (grid[row % 3, column % 8] > 0.25)
    elif decal.kind == "logo":
        cell = grid[np.clip((y * 3 + 3).astype(int), 0, 5), np.clip((np.abs(x) * 4).astype(int), 0, 7)]
        share = (np.hypot(x, y) < 1.05) & (cell > 0.35)
    elif decal.kind == "badge":
        share = (np.abs(x - 1.1) < 0.45) & (np.abs(y) < 0.45)
    elif decal.kind == "band":
        share = (np.abs(y) < 0.5) & (np.abs(x) < 9)
    else:
        share = (np.abs(x) < 1) & (np.abs(y) < 1.2)
    return mix(colours, decal.colour, share.astype(np.float64))
