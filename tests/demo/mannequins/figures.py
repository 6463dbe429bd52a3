"""A plain person, and pictures of it."""

from dataclasses import replace

import numpy as np

from reidaug.demo.mannequins.body import Pose
from reidaug.demo.mannequins.figure import Figure, build_figure
from reidaug.demo.mannequins.looks import sample_outfit, sample_shape
from reidaug.demo.mannequins.render import Lens, Light, Picture, Placed, bounds, place, render

LENS = Lens(distance=7.0, pitch=0.15)
FLAT = Light(sun=(0.0, 0.0, 1.0), strength=0.0, ambient=1.0)
NOSE, NECK, R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST, R_HIP, R_KNEE, R_ANKLE = range(11)
L_HIP, L_KNEE, L_ANKLE, R_EYE, L_EYE, R_EAR, L_EAR = range(11, 18)


def person(seed: int = 3, **changes: object) -> Figure:
    rng = np.random.default_rng(seed)
    shape = sample_shape(rng)
    plain = {"bag": None, "hat": None, "hair_style": "short", "fringe": False, "glasses": False, "outer": None}
    outfit = replace(sample_outfit(rng, shape), **{**plain, **changes})
    return build_figure(shape, outfit, seed)


def picture_of(figure: Figure, yaw: float, pose: Pose | None = None, cut: float = 0.0) -> Picture:
    """Renders a figure whole, or without the lower part `cut` of its box."""
    view = place(Placed(figure, pose or Pose(), yaw), LENS, FLAT)
    left, top, right, bottom = bounds(view, LENS)
    high, centre = top - bottom, (left + right) / 2
    top, bottom = top + 0.04 * high, bottom - 0.04 * high + cut * high
    half = (top - bottom) / 4
    return render([view], LENS, FLAT, (centre - half, top, centre + half, bottom))
