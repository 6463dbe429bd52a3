"""One image of one identity: person, camera, pose, bounding box and occluder."""

from dataclasses import dataclass, field, fields, replace

import numpy as np
from PIL import Image, ImageFilter

from reidaug.demo.mannequins.body import Pose
from reidaug.demo.mannequins.camera import Camera, develop, encode, make_camera, make_varied_camera
from reidaug.demo.mannequins.figure import Figure, build_figure
from reidaug.demo.mannequins.looks import recolour, sample_outfit, sample_shape
from reidaug.demo.mannequins.occluders import draw_occluder
from reidaug.demo.mannequins.poses import sample_pose
from reidaug.demo.mannequins.render import HEIGHT, WIDTH, Picture, Placed, View, bounds, place, render
from reidaug.demo.mannequins.scene import PIXELS_PER_METRE, SCENE_HEIGHT, SCENE_WIDTH
from reidaug.demo.mannequins.wardrobe import Outfit

Array = np.ndarray
Rng = np.random.Generator
Box = tuple[float, float, float, float]  # left, top, right, bottom on the image plane, y up

# Together with the constants in `camera` these set the difficulty of the data set.
LOOKALIKE = 0.30  # share of identities that wear one of the common outfits
COMMON_OUTFITS = 8  # per kind of body
OCCLUDED = 0.10  # share of images with an occluder
CROWDED = 0.16  # share of images with a second person
PASSERS = 10  # how many other people there are
PLACES_KEPT = 12  # in memory
CUT = 0.05  # share of boxes that cut off a part of the body
TURN = 0.35  # standard deviation of the yaw within one pass through a camera, radians

# How often a pose estimator finds nobody in an image, or misses a visible joint (nose, neck, right arm, ...).
FAILURE = 0.025
MISS = np.array([
    0.03, 0.0, 0.004, 0.04, 0.12, 0.004, 0.04, 0.12, 0.004, 0.02, 0.08, 0.004, 0.02, 0.08, 0.03, 0.03, 0.04, 0.04,
])  # fmt: skip

# What a person in a common outfit keeps from their own.
OWN = (
    "skin", "shoes", "soles", "hair", "hair_style", "fringe", "hat", "hat_colour", "glasses", "beard",
    "bag", "bag_colours", "bag_size", "bag_side", "front_decal", "back_decal",
)  # fmt: skip

IDENTITY, STRANGER, PASSER, COMMON, SHOT, PASS, PLACE, COLOURS = range(1, 9)  # streams of random numbers


@dataclass(frozen=True)
class Shot:
    """A finished image."""

    jpeg: bytes
    keypoints: Array  # (18, 2) float32 whole pixels, NaN = missing


@dataclass
class Studio:
    """Cameras and people of one seed, created when first needed."""

    seed: int
    varied: bool = False  # each person has places and colours of their own
    cameras: dict[tuple[int, ...], Camera] = field(default_factory=dict)
    people: dict[tuple[int, int], Figure] = field(default_factory=dict)

    def camera(self, number: int, kind: int, person: int) -> Camera:
        """Camera 1..6, or that of one person."""
        key = (number, kind, person) if self.varied else (number,)
        if key not in self.cameras:
            if len(self.cameras) > PLACES_KEPT:
                self.cameras.clear()
            if self.varied:
                self.cameras[key] = make_varied_camera(np.random.default_rng([self.seed, PLACE, *key]))
            else:
                self.cameras[key] = make_camera(number)
        return self.cameras[key]

    def person(self, kind: int, number: int) -> Figure:
        """A person of a kind (IDENTITY, STRANGER or PASSER); depends on seed, kind and number only."""
        key = (kind, number)
        if key not in self.people:
            if len(self.people) > PASSERS + 24:
                oldest = next(key for key in self.people if key[0] != PASSER)
                del self.people[oldest]
            self.people[key] = self._make_person(kind, number)
        return self.people[key]

    def _make_person(self, kind: int, number: int) -> Figure:
        rng = np.random.default_rng([self.seed, kind, number])
        shape = sample_shape(rng)
        outfit = sample_outfit(rng, shape)
        if rng.random() < LOOKALIKE and not self.varied:
            which = [self.seed, COMMON, int(rng.integers(COMMON_OUTFITS)), int(shape.female > 0.5)]
            other = sample_outfit(np.random.default_rng(which), shape)
            outfit = _in_clothes_of(outfit, other)
        if self.varied:
            outfit = recolour(outfit, np.random.default_rng([self.seed, COLOURS, kind, number]))
        return build_figure(replace(shape, bag_side=outfit.bag_side), outfit, int(rng.integers(1 << 30)))


def _in_clothes_of(outfit: Outfit, other: Outfit) -> Outfit:
    """The person of `outfit` in the garments of `other`, with their own body, shoes, prints and bag."""
    kept = {field.name: getattr(outfit, field.name) for field in fields(outfit) if field.name in OWN}
    if other.bottom_kind != "dress":
        kept["hem"] = outfit.hem
    if other.legs == other.skin:
        kept["legs"] = outfit.skin
    return replace(other, **kept)


def _pose(figure: Figure, rng: Rng) -> Pose:
    outfit = figure.outfit
    stride = 0.75 if outfit.bottom_kind in ("skirt", "dress") else 1.0
    return sample_pose(rng, outfit.bag_side if outfit.bag == "handbag" else None, outfit.bag == "backpack", stride)


def _frame(view: View, camera: Camera, rng: Rng, partial: bool) -> Box:
    """Draws the detector's box around a figure; a partial one shows a part of the body only."""
    left, top, right, bottom = bounds(view, camera.lens)
    high = top - bottom
    centre = (left + right) / 2 + rng.normal(0, 0.02) * high
    top += max(-0.02, rng.normal(0.022, 0.025)) * high
    bottom -= max(-0.03, rng.normal(0.05, 0.03)) * high
    if partial:
        zoom, shift = rng.uniform(0.35, 0.8), rng.uniform(-0.45, 0.45)
        middle = (top + bottom) / 2 + shift * high * 0.8
        top, bottom = middle + zoom * high / 2, middle - zoom * high / 2
        centre += rng.normal(0, 0.12) * high
    elif rng.random() < CUT:
        if rng.random() < 0.8:
            bottom += rng.uniform(0.06, 0.30) * high
        else:
            top -= rng.uniform(0.03, 0.12) * high
    half = (top - bottom) * float(np.clip(rng.normal(0.435, 0.035), 0.36, 0.54)) / 2
    return centre - half, top, centre + half, bottom


def _background(camera: Camera, box: Box, rng: Rng) -> Array:
    """Crops a window of the box's size from the camera's scene, somewhere along the path."""
    left, top, right, bottom = (value * PIXELS_PER_METRE * camera.lens.distance for value in box)
    along = rng.uniform(-1, 1) * (SCENE_WIDTH / 2 - (right - left))
    x0, x1 = SCENE_WIDTH / 2 + along + left, SCENE_WIDTH / 2 + along + right
    y0, y1 = SCENE_HEIGHT / 2 - top, SCENE_HEIGHT / 2 - bottom
    x0, x1 = float(np.clip(x0, 0, SCENE_WIDTH - 8)), float(np.clip(x1, 8, SCENE_WIDTH))
    y0, y1 = float(np.clip(y0, 0, SCENE_HEIGHT - 16)), float(np.clip(y1, 16, SCENE_HEIGHT))
    window = camera.scene.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box=(x0, y0, x1, y1))
    return np.asarray(window, dtype=np.float32) / 255


def _compose(camera: Camera, picture: Picture, background: Array, rng: Rng) -> tuple[Array, Array]:
    """Composes background, shadow, people and perhaps an occluder; returns the colours and the occluder's alpha."""
    shadow = Image.fromarray((picture.shadow * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))
    dark = np.asarray(shadow, dtype=np.float32)[..., None] / 255
    colours = background * (1 - (0.25 + 0.6 * camera.light.strength) * dark)
    colours = picture.colours + colours * (1 - picture.alpha[..., None])
    covered = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    if rng.random() < OCCLUDED:
        kind = camera.occluders[int(rng.integers(len(camera.occluders)))]
        thing, covered = draw_occluder(kind, rng)
        colours = thing + colours * (1 - covered[..., None])
    return colours, covered


def _estimate(keypoints: Array, covered: Array, rng: Rng) -> Array:
    """Removes joints that are occluded or that an estimator misses, and rounds to whole pixels."""
    keypoints = np.rint(keypoints)
    missed = rng.random(len(MISS)) < MISS
    failed = rng.random() < FAILURE
    seen = np.isfinite(keypoints[:, 0])
    column, row = np.where(seen, keypoints[:, 0], 0).astype(int), np.where(seen, keypoints[:, 1], 0).astype(int)
    keypoints[missed | failed | (covered[row, column] > 0.5)] = np.nan
    return keypoints


def take_shot(
    studio: Studio, kind: int, number: int, index: int, camid: int, passage: int, partial: bool = False
) -> Shot:
    """Takes one image.

    Args:
        studio: cameras and people.
        kind: IDENTITY or STRANGER.
        number: the person.
        index: which image of the person; with seed, kind and number it determines the image.
        camid: camera 1..6.
        passage: which walk of the person past this camera; images of one passage share the direction.
        partial: whether the box is a bad one, which shows a part of the body.
    """
    camera = studio.camera(camid, kind, number)
    figure = studio.person(kind, number)
    rng = np.random.default_rng([studio.seed, SHOT, kind, number, index, int(partial)])
    walk = np.random.default_rng([studio.seed, PASS, kind, number, camid, passage])
    yaw = camera.path + np.pi * walk.integers(2) + walk.normal(0, 0.5) + rng.normal(0, TURN)
    views = [place(Placed(figure, _pose(figure, rng), yaw), camera.lens, camera.light)]
    box = _frame(views[0], camera, rng, partial)
    if rng.random() < CROWDED:
        other = studio.person(PASSER, int(rng.integers(PASSERS)))
        beside = (float(rng.choice([-1, 1])) * rng.uniform(0.42, 0.65), rng.uniform(-0.9, 0.25))
        turn = yaw if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi)
        views.append(place(Placed(other, _pose(other, rng), turn, beside), camera.lens, camera.light))
    picture = render(views, camera.lens, camera.light, box)
    colours, covered = _compose(camera, picture, _background(camera, box, rng), rng)
    keypoints = _estimate(picture.keypoints, covered, rng)
    return Shot(encode(camera, develop(camera, colours, rng), rng), keypoints)
