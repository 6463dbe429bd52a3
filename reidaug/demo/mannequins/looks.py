"""Draws the look of an identity: body shape and outfit."""

import colorsys
from dataclasses import replace

import numpy as np

from reidaug.demo.mannequins import wardrobe
from reidaug.demo.mannequins.body import BodyShape
from reidaug.demo.mannequins.wardrobe import COLOUR_JITTER, PALETTE, Colour, Decal, Fabric, Outfit

Rng = np.random.Generator

# How common patterns and prints are on the upper body.
TOP_PATTERNS = {
    "plain": 0.5, "bands": 0.14, "stripes": 0.06, "checks": 0.12, "dots": 0.05, "blotches": 0.05, "heather": 0.08,
}  # fmt: skip
PRINTS = {"logo": 0.3, "text": 0.2, "disc": 0.15, "badge": 0.12, "band": 0.13, "panel": 0.1}


def _pick(rng: Rng, options: dict[str, float]) -> str:
    share = np.array(list(options.values()))
    return list(options)[int(rng.choice(len(share), p=share / share.sum()))]


def _colour(rng: Rng, *, lower: bool = False) -> Colour:
    """Draws a colour of the palette, by how common it is on the upper or lower body."""
    name = _pick(rng, {name: low if lower else high for name, (_, high, low) in PALETTE.items()})
    return _jitter(rng, PALETTE[name][0])


def _jitter(rng: Rng, colour: Colour, amount: float = COLOUR_JITTER) -> Colour:
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, amount, 3) + rng.normal(0, amount), 0.03, 0.97)
    return float(red), float(green), float(blue)


def _contrast(rng: Rng, colour: Colour) -> Colour:
    """Draws a colour that contrasts with `colour`."""
    for _ in range(8):
        other = _colour(rng)
        if abs(sum(other) - sum(colour)) > 0.7:
            return other
    return (0.9, 0.9, 0.88) if sum(colour) < 1.5 else (0.1, 0.1, 0.12)


def _fabric(rng: Rng, kinds: dict[str, float], base: Colour | None = None) -> Fabric:
    base = _colour(rng) if base is None else base
    kind = _pick(rng, kinds)
    size = {"bands": (0.03, 0.11), "stripes": (0.02, 0.05), "checks": (0.04, 0.1), "dots": (0.035, 0.07)}
    low, high = size.get(kind, (0.05, 0.1))
    second = _contrast(rng, base)
    return Fabric(
        base=base,
        kind=kind,
        second=second,
        third=_contrast(rng, base) if rng.random() < 0.5 else second,
        size=rng.uniform(low, high),
        duty=float(rng.choice([0.25, 0.4, 0.5])),
        offset=rng.random(),
    )


def _decal(rng: Rng, base: Colour, kinds: dict[str, float], chance: float) -> Decal | None:
    kind, colour, seed = _pick(rng, kinds), _contrast(rng, base), int(rng.integers(1 << 30))
    drop, size = rng.uniform(0.14, 0.24), rng.uniform(0.06, 0.12)
    if kind == "badge":
        drop, size = rng.uniform(0.12, 0.16), 0.045
    elif kind == "band":
        drop, size = rng.uniform(0.12, 0.3), rng.uniform(0.06, 0.14)
    return Decal(kind, colour, drop, size, seed) if rng.random() < chance else None


def recolour(outfit: Outfit, rng: Rng) -> Outfit:
    """Gives most garments colours from outside the palette: their own, turned in hue and changed in strength."""
    top, bottom = _recoloured(outfit.top, rng), _recoloured(outfit.bottom, rng)
    outer = outfit.outer and _recoloured(outfit.outer, rng)
    return replace(outfit, top=top, bottom=top if outfit.bottom_kind == "dress" else bottom, outer=outer)


def _recoloured(fabric: Fabric, rng: Rng) -> Fabric:
    change = rng.random(), rng.uniform(0.3, 1.6), rng.uniform(0.7, 1.3)
    if rng.random() < 0.3:
        return fabric
    base, second, third = (_turned(colour, *change) for colour in (fabric.base, fabric.second, fabric.third))
    return replace(fabric, base=base, second=second, third=third)


def _turned(colour: Colour, turn: float, strength: float, light: float) -> Colour:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    saturation, value = min(1.0, saturation * strength + 0.1), min(1.0, max(0.04, value * light))
    return colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)


def sample_shape(rng: Rng) -> BodyShape:
    """Draws the proportions of a person."""
    female = float(np.clip(rng.choice([0.05, 0.95]) + rng.normal(0, 0.1), 0, 1))
    return BodyShape(
        female=female,
        girth=float(np.clip(rng.normal(0.97 - 0.05 * female, 0.07), 0.84, 1.2)),
        shoulders=float(np.clip(rng.normal(1.0, 0.04), 0.9, 1.1)),
        hips=float(np.clip(rng.normal(1.0 + 0.04 * female, 0.05), 0.9, 1.15)),
        legs=float(np.clip(rng.normal(1.0, 0.025), 0.94, 1.06)),
        head=float(np.clip(rng.normal(0.96, 0.03), 0.9, 1.03)),
        belly=float(rng.random() ** 3),
    )


def _lower(rng: Rng, female: bool, skin: Colour) -> dict[str, object]:
    """Draws trousers, shorts or a skirt, and the legs below them."""
    kinds = {"trousers": 0.5, "shorts": 0.17, "skirt": 0.33} if female else {"trousers": 0.76, "shorts": 0.24}
    kind = _pick(rng, kinds)
    base = _colour(rng, lower=True)
    patterns = {"plain": 0.55, "denim": 0.25, "heather": 0.2}
    if kind != "trousers":
        patterns = {"plain": 0.5, "checks": 0.16, "denim": 0.14, "blotches": 0.08, "stripes": 0.06, "dots": 0.06}
    fabric = _fabric(rng, patterns, base)
    if fabric.kind == "denim":
        low = np.clip(np.array(base) + 0.25, 0, 1)
        fabric = replace(fabric, second=(float(low[0]), float(low[1]), float(low[2])))
    hem = {"trousers": rng.choice([0.06, 0.06, 0.1, 0.22]), "shorts": rng.uniform(0.45, 0.68)}.get(
        kind, rng.choice([rng.uniform(0.52, 0.66), rng.uniform(0.15, 0.4)], p=[0.8, 0.2])
    )
    thigh = rng.uniform(0.0, 0.014) if female else rng.uniform(0.004, 0.020)
    legs = skin
    if kind == "skirt" and rng.random() < 0.4:
        legs = _jitter(rng, (0.1, 0.1, 0.11))
    return {
        "bottom": fabric,
        "bottom_kind": kind,
        "bottom_hem": float(hem),
        "leg_ease": (thigh, thigh + rng.uniform(-0.004, 0.024) * (kind == "trousers") + 0.02 * (kind == "shorts")),
        "legs": legs,
    }


def _hair(rng: Rng, female: bool) -> dict[str, object]:
    styles = {"long": 0.42, "ponytail": 0.22, "bob": 0.22, "bun": 0.1, "short": 0.04}
    if not female:
        styles = {"short": 0.55, "crop": 0.25, "buzz": 0.12, "bald": 0.04, "bob": 0.04}
    hats = {"cap": 0.07, "beanie": 0.04, "brim": 0.03, "none": 0.86}
    hat = _pick(rng, hats)
    return {
        "hair_style": _pick(rng, styles),
        "hair": _jitter(rng, wardrobe.HAIR[int(rng.choice(len(wardrobe.HAIR), p=wardrobe.HAIR_SHARE))], 0.004),
        "fringe": bool(rng.random() < (0.45 if female else 0.25)),
        "hat": None if hat == "none" else hat,
        "hat_colour": _colour(rng),
        "glasses": bool(rng.random() < 0.22),
        "beard": bool(not female and rng.random() < 0.15),
    }


def _outer(rng: Rng, top: Fabric) -> dict[str, object]:
    """Draws a jacket, cardigan or coat, or nothing."""
    kind = _pick(rng, {"none": 0.62, "jacket": 0.22, "cardigan": 0.08, "coat": 0.08})
    base = _contrast(rng, top.base) if rng.random() < 0.7 else _colour(rng)
    fabric = _fabric(rng, {"plain": 0.72, "heather": 0.14, "checks": 0.08, "denim": 0.06}, base)
    hem = {"jacket": rng.uniform(0.86, 0.96), "cardigan": rng.uniform(0.7, 0.9)}.get(kind, rng.uniform(0.45, 0.66))
    is_open = kind == "cardigan" or rng.random() < 0.55
    gap = rng.uniform(0.03, 0.085) if is_open else 0.0
    hood = bool(rng.random() < 0.35)
    return {} if kind == "none" else {"outer": fabric, "outer_hem": float(hem), "outer_open": gap, "hood": hood}


def _bag(rng: Rng) -> dict[str, object]:
    kind = _pick(rng, {"none": 0.5, "backpack": 0.24, "shoulder": 0.14, "handbag": 0.12})
    main = _colour(rng)
    return {
        "bag": None if kind == "none" else kind,
        "bag_colours": (main, _contrast(rng, main)),
        "bag_size": rng.uniform(0.8, 1.2),
        "bag_side": int(rng.integers(2)),
    }


def sample_outfit(rng: Rng, shape: BodyShape) -> Outfit:
    """Draws what a person of this shape wears; depends on `rng` only."""
    female = shape.female > 0.5
    skin = _jitter(rng, wardrobe.SKIN[int(rng.choice(len(wardrobe.SKIN), p=wardrobe.SKIN_SHARE))], 0.012)
    top = _fabric(rng, TOP_PATTERNS)
    lower = _lower(rng, female, skin)
    dress = lower["bottom_kind"] == "skirt" and rng.random() < 0.35
    outer = _outer(rng, top)  # the order of the draws must not change: a seed gives the same person in every version
    plain = top.kind in ("plain", "heather")
    long_sleeve = rng.random() < 0.35
    shoe = _pick(rng, {"sneaker": 0.5, "dark": 0.35, "boot": 0.15})
    sneaker = wardrobe.SNEAKERS[int(rng.integers(len(wardrobe.SNEAKERS)))]
    shoe_colour = {"sneaker": sneaker, "dark": (0.1, 0.09, 0.09), "boot": (0.24, 0.16, 0.11)}[shoe]
    outfit = Outfit(
        skin=skin,
        top=top,
        sleeve=1.0
        if long_sleeve
        else float(rng.choice([0.0, 0.3, 0.4, 0.5], p=[0.12 * female, 0.18, 0.6, 0.22 - 0.12 * female])),
        neckline=rng.uniform(0.01, 0.1 if female else 0.05),
        hem=rng.uniform(0.84, 0.96),
        ease=rng.uniform(0.004, 0.018) if female else rng.uniform(0.008, 0.026),
        **lower,  # type: ignore[arg-type]
        shoes=_jitter(rng, shoe_colour),
        soles=(0.85, 0.85, 0.83) if shoe == "sneaker" else (0.13, 0.12, 0.12),
        shoe_height=rng.uniform(0.14, 0.36) if shoe == "boot" else 0.07,
        buttons=bool(rng.random() < 0.3),
        collar=_contrast(rng, top.base) if rng.random() < 0.15 else None,
        front_decal=_decal(rng, top.base, PRINTS, 0.5 if plain else 0.0),
        back_decal=_decal(rng, top.base, PRINTS, 0.2 if plain else 0.0),
        belt=(0.12, 0.1, 0.09) if rng.random() < 0.25 else None,
        pattern_sleeves=bool(rng.random() < 0.85),
        **outer,  # type: ignore[arg-type]
        **_hair(rng, female),  # type: ignore[arg-type]
        **_bag(rng),  # type: ignore[arg-type]
    )
    return replace(outfit, bottom=top, bottom_kind="dress", hem=1.0) if dress else outfit
