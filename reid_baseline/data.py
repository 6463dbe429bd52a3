"""Images from files in one tensor: decoded once, kept as uint8 (318 MB for Market-1501's training set at 128 x 64)."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from reid_baseline.errors import ReIDError
from reid_baseline.modes import open_image, to_rgb


def load_images(
    paths: Sequence[Path], size: tuple[int, int], progress: Callable[[int, int], None] | None = None
) -> torch.Tensor:
    """Reads images as RGB (`to_rgb`) and resizes them (bicubic, antialiased, as torchvision does on PIL images).

    Args:
        paths: image files.
        size: (height, width) in pixels.
        progress: called with (images done, all images).

    Returns:
        (N, 3, H, W) uint8 with channels last in memory, in the order of ``paths``.

    Raises:
        ReIDError: no paths, or a file that cannot be read as an image or has a mode without a known white (the message
            names file and mode).
    """
    if not paths:
        raise ReIDError("there are no images to load: expected at least one path")
    height, width = size
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)

    def read(index: int) -> None:
        images[index] = _read_image(Path(paths[index]), height, width)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(read, range(len(paths))), start=1):
            if progress and (done % 100 == 0 or done == len(paths)):
                progress(done, len(paths))
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def resize_images(images: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Resizes images as `load_images` does.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        size: (height, width) in pixels.

    Returns:
        (N, 3, height, width) uint8 with channels last in memory.
    """
    resized = np.stack([_resize(Image.fromarray(image), *size) for image in images])
    return torch.from_numpy(resized).permute(0, 3, 1, 2)


def _read_image(path: Path, height: int, width: int) -> np.ndarray:
    try:
        with open_image(path) as file:
            image = to_rgb(file)
    except FileNotFoundError:
        raise ReIDError(f"image {path} does not exist") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow's readers raise
        raise ReIDError(f"image {path} cannot be read ({error}): replace or remove it") from error
    return _resize(image, height, width)


def _resize(image: Image.Image, height: int, width: int) -> np.ndarray:
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)
