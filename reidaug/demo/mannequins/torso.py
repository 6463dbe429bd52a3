"""Garments around the torso: shirt, jacket or coat, seat of the trousers, skirt."""

import numpy as np

from reidaug.demo.mannequins.luggage import paint_straps
from reidaug.demo.mannequins.surface import Patch, bone_weights, displace, finish, make_tube, moved, smooth
from reidaug.demo.mannequins.tailor import Tailor
from reidaug.demo.mannequins.wardrobe import mix, stamp


def top(tailor: Tailor) -> list[Patch]:
    """Shirt or the upper part of a dress, with neckline, prints, buttons and straps of a bag."""
    outfit = tailor.outfit
    layer = 0.0 if outfit.bottom_kind == "dress" else 0.008 + 0.35 * outfit.leg_ease[0]  # falls over the trousers
    tube = make_tube(tailor.torso_rows(1.52, outfit.hem, outfit.ease, -1.0, layer), power=2.3)
    tube = tailor.folds_of(tube, 0.0028 + 0.08 * outfit.ease)
    colours = tailor.cloth(outfit.top, tube)
    drop = (1.47 + tailor.lift) - tube.points[..., 1]
    front = np.abs(tube.theta) < np.pi / 2
    if outfit.front_decal:
        colours = np.where(front[:, None], stamp(colours, outfit.front_decal, tube.u, drop), colours)
    if outfit.back_decal:
        colours = np.where(front[:, None], colours, stamp(colours, outfit.back_decal, tube.back_u, drop))
    if outfit.buttons:
        placket = (np.abs(tube.u) < 0.012) & (drop > 0)
        colours = mix(colours, colours * 0.6 + 0.03, placket * 1.0)
    depth = np.where(front, outfit.neckline, 0.004) + 0.03  # from above the shoulders down to the neckline
    edge = np.hypot(tube.points[..., 0] / (0.078 - 0.01 * tailor.shape.female), np.clip(drop + 0.03, 0, None) / depth)
    if outfit.collar:
        colours = mix(colours, outfit.collar, (edge < 1.25) * 1.0)
    colours = mix(colours, np.array(outfit.skin) * 0.97, ((edge < 1) | (drop < -0.028)) * 1.0)
    if not outfit.outer:
        colours = paint_straps(colours, outfit, tube.u, tube.back_u, drop)
    hem = 1 - 0.25 * (tube.y < tube.y.min() + 0.02)
    return [finish(tube, colours, tailor.torso_weights(tube), shadow=hem * tailor.crease(tube))]


def outer(tailor: Tailor) -> list[Patch]:
    """Jacket, cardigan or coat, perhaps open at the front, perhaps with a hood on the back."""
    outfit = tailor.outfit
    if outfit.outer is None:
        return []
    rows = tailor.torso_rows(
        1.495, outfit.outer_hem, outfit.ease + 0.013, 0.12 if outfit.outer_hem < 0.85 else -1.0, 0.018
    )
    tube = tailor.folds_of(make_tube(rows, power=2.4), 0.0036)
    colours = tailor.cloth(outfit.outer, tube)
    drop = (1.47 + tailor.lift) - tube.points[..., 1]
    gap = outfit.outer_open * (0.35 + 0.65 * smooth(np.abs(drop - 0.1) / 0.3)) + 0.03 * smooth((0.16 - drop) / 0.16)
    mask = np.abs(tube.u) > np.where(outfit.outer_open > 0, gap, 0.045 * smooth((0.06 - drop) / 0.06))
    line = np.abs(np.abs(tube.u) - gap) < 0.012 if outfit.outer_open > 0 else np.abs(tube.u) < 0.007
    colours = mix(colours, colours * 0.55, line * 1.0)
    colours = paint_straps(colours, outfit, tube.u, tube.back_u, drop)
    patches = [finish(tube, colours, tailor.torso_weights(tube), mask, tailor.crease(tube))]
    return [*patches, _hood(tailor)] if outfit.hood else patches


def _hood(tailor: Tailor) -> Patch:
    """A hood that lies on the upper back."""
    rows = [(0, 1.52, -0.05, 0.02, 0.01), (0, 1.51, -0.075, 0.09, 0.05), (0, 1.46, -0.11, 0.11, 0.055)]
    rows += [(0, 1.39, -0.13, 0.075, 0.035), (0, 1.35, -0.125, 0.02, 0.01)]
    tube = make_tube(moved(rows, np.array([0, tailor.lift, 0])))
    shadow = np.where(tube.y < 1.38 + tailor.lift, 0.7, 1.0)
    fabric = tailor.outfit.outer or tailor.outfit.top
    return finish(tube, tailor.cloth(fabric, tube) * 0.92, bone_weights(tube, "chest"), shadow=shadow)


def lower(tailor: Tailor) -> list[Patch]:
    """Seat of the trousers, or skirt, and belt."""
    outfit = tailor.outfit
    if outfit.bottom_kind in ("skirt", "dress"):
        hem = outfit.bottom_hem - tailor.lift * 0.5
        ease, flare = 0.020 + outfit.leg_ease[0], 0.12 + 4.0 * outfit.leg_ease[0] + (0.10 if hem < 0.45 else 0.0)
        tube = make_tube(tailor.torso_rows(1.06, hem, ease, flare), power=2.2)
        pleats = 0.012 * np.cos(tube.theta * 11) * smooth((0.9 - tube.y) / 0.4)
        tube = displace(tailor.folds_of(tube, 0.003), pleats)
    else:
        tube = tailor.folds_of(
            make_tube(tailor.torso_rows(1.05, 0.80, 0.006 + 0.4 * outfit.leg_ease[0], -1.0), power=2.3), 0.003
        )
    colours = tailor.cloth(outfit.bottom, tube)
    if outfit.belt and outfit.bottom_kind != "dress":
        colours = mix(colours, outfit.belt, (tube.y > 1.015 + tailor.lift) * np.ones_like(tube.u))
    crotch = 1 - 0.35 * smooth((0.86 + tailor.lift - tube.y) / 0.06) * (outfit.bottom_kind in ("trousers", "shorts"))
    return [finish(tube, colours, tailor.torso_weights(tube), shadow=crotch * np.ones_like(tube.u))]
