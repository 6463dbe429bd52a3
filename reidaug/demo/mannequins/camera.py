"""Cameras: position, light, and the effects of lens, sensor and JPEG on an image."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from reidaug.demo.mannequins.occluders import OCCLUDERS
from reidaug.demo.mannequins.render import Lens, Light, view_rotation
from reidaug.demo.mannequins.scene import FLOORS, PLACES, WALLS, paint_scene

Array = np.ndarray
Rng = np.random.Generator

# How much cameras differ. Together with the constants in `looks` and `shots` this sets the difficulty of the data set.
CAST = 0.055  # standard deviation of the gain of a colour channel between cameras
EXPOSURE = 0.10  # standard deviation of brightness between images of one camera
NOISE = (0.008, 0.03)  # range of the sensors' noise, of full scale
BLUR = (0.0, 0.65)  # range of the blur's radius, pixels
PITCH = (0.12, 0.34, 0.18, 0.26, 0.40, 0.08)  # radians by which each camera looks down
TOWN = 5  # seed of the six places


@dataclass(frozen=True)
class Camera:
    """One camera and its place."""

    lens: Lens
    light: Light
    scene: Image.Image
    gain: tuple[float, float, float]  # per channel
    contrast: float
    haze: float  # brightness of black
    saturation: float
    noise: float  # standard deviation, of full scale
    blur: float  # pixels
    quality: tuple[int, int]  # JPEG
    path: float  # radians: direction in which people mostly walk; 0 = towards the camera
    occluders: tuple[str, ...]  # what may hide people here: keys of `OCCLUDERS`
    exposure: float = EXPOSURE  # standard deviation of brightness between images


def make_camera(number: int) -> Camera:
    """Builds camera `number` (1..6); the six places are the same for every seed."""
    rng = np.random.default_rng([TOWN, number])
    lens = Lens(distance=rng.uniform(5.5, 9.0), pitch=PITCH[number - 1] + rng.uniform(-0.04, 0.04))
    light = _light(lens, rng)
    gain = np.exp(rng.normal(0, CAST, 3) + rng.normal(0, 0.5 * CAST))
    low = int(rng.integers(68, 86))
    return Camera(
        lens=lens,
        light=light,
        scene=paint_scene(lens, PLACES[number - 1], rng),
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        contrast=rng.uniform(0.82, 1.15),
        haze=rng.uniform(0.0, 0.06),
        saturation=rng.uniform(0.75, 1.15),
        noise=rng.uniform(*NOISE),
        blur=rng.uniform(*BLUR),
        quality=(low, low + 10),
        path=rng.uniform(0, np.pi),
        occluders=tuple(str(kind) for kind in rng.choice(list(OCCLUDERS), 3, replace=False)),
    )


def make_varied_camera(rng: Rng) -> Camera:
    """Builds a camera in a place of its own, which differs more from others than the six do from each other."""
    lens = Lens(distance=rng.uniform(4.5, 11.0), pitch=rng.uniform(0.0, 0.5))
    light = _light(lens, rng)
    place = (str(rng.choice(FLOORS)), str(rng.choice(WALLS)))
    scene = np.asarray(paint_scene(lens, place, rng), dtype=np.float32)
    tint = np.exp(rng.normal(0, 0.15, 3) + rng.normal(0, 0.2))  # floors and walls of other colours
    red, green, blue = np.exp(rng.normal(0, 2 * CAST, 3) + rng.normal(0, 2 * CAST))
    low = int(rng.integers(45, 86))
    return Camera(
        lens=lens,
        light=light,
        scene=Image.fromarray(np.clip(scene * tint, 0, 255).astype(np.uint8)),
        gain=(float(red), float(green), float(blue)),
        contrast=rng.uniform(0.65, 1.3),
        haze=rng.uniform(0.0, 0.14),
        saturation=rng.uniform(0.4, 1.35),
        noise=rng.uniform(0.004, NOISE[1]),
        blur=rng.uniform(0.0, 2 * BLUR[1]),
        quality=(low, low + 10),
        path=rng.uniform(0, np.pi),
        occluders=tuple(OCCLUDERS),
        exposure=1.5 * EXPOSURE,
    )


def _light(lens: Lens, rng: Rng) -> Light:
    side, front = rng.uniform(-1, 1), rng.uniform(-0.3, 1.0)
    sun = view_rotation(lens.pitch) @ np.array([side, rng.uniform(0.8, 1.6), front])
    sun /= np.linalg.norm(sun)
    overcast = rng.random()
    return Light(
        sun=(float(sun[0]), float(sun[1]), float(sun[2])),
        strength=0.25 + 0.45 * (1 - overcast),
        ambient=0.60 + 0.22 * overcast,
    )


def develop(camera: Camera, colours: Array, rng: Rng) -> Image.Image:
    """Turns light into an image: cast, exposure, contrast, blur and noise.

    Args:
        camera: the camera.
        colours: (H, W, 3) float32, 0..1.
        rng: source of the variation between images.
    """
    exposure = np.exp(rng.normal(0, camera.exposure))
    gain = (np.array(camera.gain) * exposure * np.exp(rng.normal(0, 0.2 * CAST, 3))).astype(np.float32)
    colours = colours * gain
    grey = (0.3 * colours[..., 0] + 0.59 * colours[..., 1] + 0.11 * colours[..., 2])[..., None]
    colours = grey + camera.saturation * (colours - grey)
    colours = camera.haze + (colours - 0.45) * camera.contrast + 0.45
    image = Image.fromarray((np.clip(colours, 0, 1) * 255).astype(np.uint8))
    radius = camera.blur + max(0.0, rng.normal(0, 0.2))
    if radius > 0.25:
        image = image.filter(ImageFilter.GaussianBlur(radius))
    height, width = colours.shape[:2]
    grain = rng.standard_normal((height, width), dtype=np.float32)[..., None] * (255 * camera.noise)
    tint = rng.standard_normal((height // 2, width // 2, 3), dtype=np.float32) * (100 * camera.noise)
    noisy = np.asarray(image, dtype=np.float32) + grain + tint.repeat(2, axis=0).repeat(2, axis=1)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def encode(camera: Camera, image: Image.Image, rng: Rng) -> bytes:
    """Returns the image as JPEG bytes at a quality of the camera."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(*camera.quality)))
    return buffer.getvalue()
