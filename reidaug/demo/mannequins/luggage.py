"""Bags: backpack, shoulder bag and handbag, and their straps over the clothes."""

import numpy as np

from reidaug.demo.mannequins.body import BodyShape
from reidaug.demo.mannequins.surface import Patch, Tube, bone_weights, finish, make_tube, moved
from reidaug.demo.mannequins.wardrobe import Outfit, mix

Array = np.ndarray

# Height, z, half width and half depth of each ring, metres, relative to the point from which the bag hangs.
_BACKPACK = np.array([
    (0.02, 0.0, 0.03, 0.015), (0.0, -0.01, 0.10, 0.05), (-0.10, -0.02, 0.135, 0.07), (-0.26, -0.03, 0.145, 0.085),
    (-0.38, -0.02, 0.14, 0.08), (-0.41, -0.01, 0.10, 0.05), (-0.42, 0.0, 0.03, 0.015),
])  # fmt: skip
_SHOULDER_BAG = np.array([
    (0.0, 0, 0.01, 0.06), (-0.01, 0, 0.035, 0.13),
    (-0.12, 0, 0.05, 0.15), (-0.24, 0, 0.05, 0.145), (-0.26, 0, 0.02, 0.08),
])  # fmt: skip
_HANDBAG = np.array([
    (-0.14, 0, 0.015, 0.08), (-0.15, 0, 0.03, 0.13),
    (-0.26, 0, 0.045, 0.15), (-0.36, 0, 0.045, 0.145), (-0.38, 0, 0.01, 0.08),
])  # fmt: skip


def paint_straps(colours: Array, outfit: Outfit, u: Array, back_u: Array, drop: Array) -> Array:
    """Colours the straps of a bag on the torso.

    Args:
        colours: (S, T, 3) of the garment.
        outfit: which bag.
        u: metres from the front line.
        back_u: metres from the back line.
        drop: metres below the neck.
    """
    front = np.abs(u) < np.abs(back_u)
    strap = np.array(outfit.bag_colours[0]) * 0.8
    if outfit.bag == "backpack":
        on = front & (np.abs(np.abs(u) - 0.105) < 0.022) & (drop > 0.0) & (drop < 0.30)
    elif outfit.bag == "shoulder":  # from the far shoulder down to the bag, in front and behind
        centre = (0.52 * drop - 0.11) * (1.0 if outfit.bag_side else -1.0)
        on = (np.where(front, np.abs(u - centre), np.abs(back_u + centre)) < 0.020) & (drop > 0.0)
    else:
        return colours
    return mix(colours, strap, on * 1.0)


def _box(rows: Array, size: float, offset: Array) -> Tube:
    """A box through rows of height, z, half width and half depth, `size` times as large, moved by `offset`."""
    height, z, width, depth = rows.T
    control = np.column_stack([0 * height, height * size, z, width * size, depth * size])
    return make_tube(moved(control, offset), power=4.0)


def _coloured(tube: Tube, outfit: Outfit, pocket: tuple[float, float]) -> Array:
    """Main colour, a flap on top and a pocket of the second colour on the outer side."""
    main, second = (np.array(colour) for colour in outfit.bag_colours)
    share = tube.v / tube.v.max()
    colours = np.broadcast_to(main, (*tube.u.shape, 3))
    on_pocket = (share > pocket[0]) & (share < pocket[1])
    return mix(colours, 0.5 * main + 0.5 * second, on_pocket * 0.8)


def build_luggage(shape: BodyShape, outfit: Outfit, rest: dict[str, Array], lift: float) -> list[Patch]:
    """Builds the bag of an outfit, fixed to chest, hip or hand; `lift`: metres by which longer legs raise it."""
    if outfit.bag == "backpack":
        tube = _box(_BACKPACK, outfit.bag_size, np.array([0, 1.43 + lift, -0.165 - 0.03 * (shape.girth - 1)]))
        zip_line = np.abs(tube.v / tube.v.max() - 0.5) < 0.015
        colours = mix(_coloured(tube, outfit, (0.55, 0.82)), outfit.bag_colours[1], zip_line * 0.7)
        return [finish(tube, colours, bone_weights(tube, "chest"))]
    if outfit.bag == "shoulder":
        x = (0.235 + 0.12 * (shape.girth - 1)) * (1.0 if outfit.bag_side else -1.0)
        tube = _box(_SHOULDER_BAG, outfit.bag_size, np.array([x, 1.02 + lift, -0.03]))
        return [finish(tube, _coloured(tube, outfit, (0.0, 0.4)), bone_weights(tube, "pelvis"))]
    if outfit.bag == "handbag":
        hand = rest["bag"]
        tube = _box(_HANDBAG, outfit.bag_size, hand)
        patches = [finish(tube, _coloured(tube, outfit, (0.45, 0.7)), bone_weights(tube, "bag"))]
        for z in (-0.06, 0.06):
            ends = [(0, 0, 0.2 * z, 0.006, 0.006), (0, -0.15 * outfit.bag_size, z, 0.006, 0.006)]
            handle = make_tube(moved(ends, hand))
            patches.append(finish(handle, np.array(outfit.bag_colours[0]) * 0.8, bone_weights(handle, "bag")))
        return patches
    return []
