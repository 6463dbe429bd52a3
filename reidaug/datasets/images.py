"""Image files: decoded whole, several in threads, and their fingerprints."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from reidaug.core.errors import ReidAugError

_THREADS = min(8, (os.cpu_count() or 1) + 2)
Item = TypeVar("Item")
Result = TypeVar("Result")


def list_files(folder: Path) -> list[str]:
    """The names of everything in a folder, sorted.

    Raises:
        ReidAugError: there is no such folder.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        raise ReidAugError(f"no folder {folder}") from None


def read_image(path: Path) -> np.ndarray:
    """Decode an image whole.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ReidAugError: it is absent, truncated or no image; the message names the file.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise ReidAugError(f"no such image: {path}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ReidAugError(
            f"cannot read the image {path}: {str(error).splitlines()[0]}; replace or remove it"
        ) from None


def read_images(paths: Sequence[Path], size: tuple[int, int] | None = None, *, resize: bool = False) -> np.ndarray:
    """Decode images of one size, in threads.

    Args:
        paths: the files.
        size: (height, width) in pixels that every image must have; None takes that of the first.
        resize: bring other sizes to `size` (bicubic) instead of refusing them.

    Returns:
        (N, H, W, 3) uint8 RGB.

    Raises:
        ReidAugError: no path, an image that cannot be read, or one of another size; the message names the file.
    """
    if not paths:
        raise ReidAugError("no images to read")
    height, width = size or read_image(paths[0]).shape[:2]
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)

    def read(row: int) -> None:
        pixels = read_image(paths[row])
        if pixels.shape[:2] != (height, width):
            if not resize:
                found = f"{paths[row]} is {pixels.shape[0]} x {pixels.shape[1]} pixels (height x width)"
                other = f", expected {height} x {width}" if size else f" but {paths[0]} is {height} x {width}"
                raise ReidAugError(f"{found}{other}; images must be of one size")
            pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))
        images[row] = pixels

    in_threads(read, range(len(paths)))
    return images


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], progress: Callable[[int, int], None] | None = None
) -> list[Result]:
    """Do some work on each item, in a few threads, in order; in blocks, as a future costs as much as a small image.

    Args:
        work: takes an item; the first error of any ends the whole.
        items: what to work on.
        progress: told how many are done, of how many.
    """
    block = 256
    results: list[Result] = []

    def work_block(start: int) -> list[Result]:
        return [work(item) for item in items[start : start + block]]

    with ThreadPoolExecutor(_THREADS) as pool:
        for block_results in pool.map(work_block, range(0, len(items), block)):
            results += block_results
            if progress:
                progress(len(results), len(items))
    return results


def images_fingerprint(folder: Path, names: Iterable[str]) -> str:
    """A fingerprint of some images: the same for the same names with the same bytes, wherever they lie.

    Args:
        folder: where they lie.
        names: file names in any order.

    Returns:
        16 hexadecimal digits.
    """
    ordered = sorted(names)
    digests = in_threads(lambda name: hashlib.sha256((folder / name).read_bytes()).digest(), ordered)
    whole = hashlib.sha256()
    for name, digest in zip(ordered, digests, strict=True):
        whole.update(name.encode() + b"\0" + digest)
    return whole.hexdigest()[:16]
