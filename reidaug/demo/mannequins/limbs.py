"""Legs, shoes, arms and hands."""

import numpy as np

from reidaug.demo.mannequins.body import REST_ABDUCTION, SIDES
from reidaug.demo.mannequins.surface import Patch, Tube, bone_weights, finish, make_tube, smooth, weights_between
from reidaug.demo.mannequins.tailor import Tailor
from reidaug.demo.mannequins.wardrobe import mix

Array = np.ndarray

# Metres in front of the ankle, half width and half height there.
_SHOE = (
    (-0.088, 0.012, 0.020), (-0.080, 0.030, 0.038), (-0.045, 0.036, 0.044), (0.0, 0.037, 0.044), (0.045, 0.041, 0.036),
    (0.10, 0.046, 0.027), (0.145, 0.040, 0.021), (0.168, 0.024, 0.015), (0.175, 0.008, 0.010),
)  # fmt: skip


def legs(tailor: Tailor) -> list[Patch]:
    """Both legs in trousers, shorts, tights or bare, with socks or boots."""
    return [_leg(tailor, side, sign) for side, sign in SIDES]


def _leg_tube(tailor: Tailor, side: str, clothed: bool) -> Tube:
    shape, outfit = tailor.shape, tailor.outfit
    hip, knee, ankle = (tailor.rest[f"{side}_{name}"] for name in ("thigh", "shin", "foot"))
    table = np.array([  # height, half width, half depth, centre z
        (hip[1] + 0.05, 0.070, 0.084, -0.012), (hip[1] - 0.05, 0.080, 0.088, -0.006), (hip[1] - 0.2, 0.070, 0.075, 0.0),
        (knee[1] + 0.06, 0.058, 0.062, 0.006), (knee[1] - 0.02, 0.053, 0.057, 0.006),
        (knee[1] - 0.12, 0.053, 0.058, -0.014), (knee[1] - 0.22, 0.044, 0.048, -0.016),
        (0.14, 0.034, 0.038, -0.020), (0.05, 0.034, 0.040, -0.02),
    ])  # fmt: skip
    heights = np.arange(hip[1] + 0.05, 0.05, -0.012)
    width, depth, shift = (np.interp(heights, table[::-1, 0], table[::-1, column]) for column in (1, 2, 3))
    thick = shape.girth * (1 + 0.03 * shape.female)
    cloth = (heights > outfit.bottom_hem) & clothed
    ease = np.interp(heights, [outfit.bottom_hem, hip[1]], [outfit.leg_ease[1], outfit.leg_ease[0]]) + 0.006
    ease = np.where(cloth, ease, 0.0) + np.where(~cloth & (heights < outfit.shoe_height), 0.014, 0.0)
    x = np.interp(heights, [ankle[1], hip[1]], [ankle[0], hip[0]])
    tube = make_tube(np.stack([x, heights, shift, width * thick + ease, depth * thick + ease], axis=1))
    return tailor.folds_of(tube, 0.0035 if clothed and outfit.bottom_hem < 0.3 else 0.001, 0.085)


def _leg(tailor: Tailor, side: str, sign: float) -> Patch:
    outfit = tailor.outfit
    clothed = outfit.bottom_kind in ("trousers", "shorts")
    tube = _leg_tube(tailor, side, clothed)
    hip, knee = tailor.rest[f"{side}_thigh"][1], tailor.rest[f"{side}_shin"][1]
    y = tube.y
    cloth = (y > outfit.bottom_hem) & clothed
    colours = np.where(cloth[..., None], tailor.cloth(outfit.bottom, tube), outfit.legs)
    colours = np.where(((y < outfit.shoe_height) & ~cloth)[..., None], outfit.shoes, colours)
    inner = np.clip(-sign * np.sin(tube.theta), 0, 1) ** 2
    shadow = 1 - 0.35 * inner * smooth((y - 0.3) / 0.5) - 0.3 * smooth((y - hip + 0.06) / 0.08) * clothed
    stops = [(-hip - 0.01, "pelvis"), (-knee, f"{side}_thigh"), (9.0, f"{side}_shin")]
    return finish(tube, colours, weights_between(-y[:, 0], stops, 0.055), shadow=shadow)


def feet(tailor: Tailor) -> list[Patch]:
    """Shoes."""
    patches = []
    for side, _ in SIDES:
        x = tailor.rest[f"{side}_foot"][0]
        control = np.array([(x, high, z - 0.005, wide, high) for z, wide, high in _SHOE])
        tube = make_tube(control, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), power=2.4)
        sole = (tube.points[..., 1] < 0.020) * 1.0
        colours = mix(np.array(tailor.outfit.shoes), tailor.outfit.soles, sole)
        laces = (np.abs(tube.theta) < 0.5) & (tube.axis[:, 2:] > 0.03) & (tube.axis[:, 2:] < 0.09)
        colours = mix(colours, np.array(tailor.outfit.soles) * 0.9, laces * 0.6)
        patches.append(finish(tube, colours, bone_weights(tube, f"{side}_foot")))
    return patches


def arms(tailor: Tailor) -> list[Patch]:
    """Both arms with sleeves, and the hands."""
    patches = []
    for side, sign in SIDES:
        start = tailor.rest[f"{side}_arm"]
        along = np.array([sign * np.sin(REST_ABDUCTION), -np.cos(REST_ABDUCTION), 0.0])
        across = np.array([np.cos(REST_ABDUCTION), sign * np.sin(REST_ABDUCTION), 0.0])
        patches += [_arm(tailor, side, sign, start, along, across), *_hand(tailor, side, start, along, across)]
    return patches


# Metres along the arm from the shoulder, and the radius there.
_ARM_AT = np.array([-0.052, -0.045, -0.025, 0.015, 0.06, 0.15, 0.26, 0.30, 0.35, 0.44, 0.52, 0.55])
_ARM_RADIUS = np.array([0.008, 0.020, 0.032, 0.042, 0.046, 0.044, 0.039, 0.039, 0.040, 0.034, 0.027, 0.026])


def _arm(tailor: Tailor, side: str, sign: float, start: Array, along: Array, across: Array) -> Patch:
    outfit = tailor.outfit
    sleeve = 1.0 if outfit.outer else outfit.sleeve
    end = 0.10 + 0.45 * sleeve if sleeve > 0 else -1.0
    d = np.unique(np.concatenate([_ARM_AT, np.arange(0, 0.545, 0.012)]))
    ease = (0.006 + 0.45 * outfit.ease + (0.012 if outfit.outer else 0)) * np.clip((d + 0.052) / 0.12, 0, 1)
    radius = np.interp(d, _ARM_AT, _ARM_RADIUS * (tailor.shape.girth * (1 - 0.13 * tailor.shape.female)))
    radius = radius + np.where(d < end, ease + 0.014 * (sleeve < 0.6) * np.clip(d / 0.2, 0, 1), 0)
    inward = np.array([-0.010 * sign, -0.012, 0.0]) * smooth((0.2 - d[:, None]) / 0.2)  # below the collar bone
    tube = make_tube(np.column_stack([start + d[:, None] * along + inward, radius, radius * 1.04]), across)
    tube = tailor.folds_of(tube, 0.004 if sleeve > 0.9 else 0.001, 0.06)
    reach = ((tube.axis - start) * along).sum(axis=1, keepdims=True)
    fabric = outfit.outer or outfit.top
    cloth = tailor.cloth(fabric, tube)
    if not outfit.pattern_sleeves and not outfit.outer and fabric.kind != "denim":
        cloth = np.broadcast_to(np.array(fabric.second), cloth.shape)
    cloth = mix(cloth, cloth * 0.65, (np.abs(reach - end) < 0.012) * np.ones_like(tube.u))
    colours = np.where((reach < end)[..., None], cloth, outfit.skin)
    inner = np.clip(-sign * np.sin(tube.theta), 0, 1) ** 2
    shadow = 1 - 0.3 * inner * smooth((0.3 - reach) / 0.25)
    stops = [(-0.02, "chest"), (0.285, f"{side}_arm"), (9.0, f"{side}_forearm")]
    return finish(tube, colours, weights_between(reach[:, 0], stops, 0.045), shadow=shadow)


def _hand(tailor: Tailor, side: str, start: Array, along: Array, across: Array) -> list[Patch]:
    """A flat palm with closed fingers, and a thumb to the front."""
    scale = 1 - 0.1 * tailor.shape.female
    palm = [(0.535, 0.020, 0.024), (0.56, 0.021, 0.034), (0.60, 0.018, 0.042), (0.635, 0.016, 0.040)]
    palm += [(0.68, 0.013, 0.032), (0.705, 0.009, 0.020), (0.712, 0.003, 0.006)]
    front = np.array([0.0, 0.0, 1.0])
    table = [(*(start + d * along + front * 0.012 * (d > 0.62)), wide * scale, deep * scale) for d, wide, deep in palm]
    tips = [(0.555, 0.02, 0.012), (0.60, 0.052, 0.012), (0.63, 0.058, 0.004)]
    thumb = [(*(start + d * along + front * z), radius, radius) for d, z, radius in tips]
    tubes = [make_tube(control, across) for control in (table, thumb)]
    skin = np.array(tailor.outfit.skin) * 0.97
    return [finish(tube, skin, bone_weights(tube, f"{side}_forearm")) for tube in tubes]
