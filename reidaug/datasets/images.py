"""Decode image files, one by one or in threads."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import refuse_pipe
from reidaug.core.threads import in_threads

SHOWN = 3  # faulty images in a message
FORMATS, MAX_PIXELS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"), 2**26  # as `reid_baseline.modes`
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # such images are refused, in one line
_ORIENTATION = 274  # the tag of EXIF
_TURNS = {  # what brings a picture of that orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_ITS_SIDE = (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8])  # height and width change places


class FaultyImageError(ReidAugError):
    """A file is there, and is no whole image that is read here."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"cannot read the image {path}: {fault}; replace or remove it")
        self.named = f"{path} ({fault})"


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What brings an opened image upright, as its EXIF says, which re-ID tools leave alone; None = nothing."""
    return _TURNS.get(image.getexif().get(_ORIENTATION, 1))


def read_image(path: Path) -> np.ndarray:
    """Decode an image, of any mode as the baseline reads it (`reid_baseline.modes.to_rgb`).

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ReidAugError: it is absent, truncated, not an image, or of a mode without a known white; the message names the
            file.
    """
    with opened(path) as image:
        return np.asarray(image if image.mode == "RGB" else to_rgb(image))


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels, without decoding the image.

    Raises:
        ReidAugError: it is absent or not an image; the message names the file.
    """
    with opened(path) as image:
        return image.height, image.width


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A context with an image that is not decoded yet; what goes wrong in it is one line that names the file."""
    refuse_pipe(path)
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width:,} x {image.height:,} pixels, at most {MAX_PIXELS:,} in all are read")
            yield image
    except FileNotFoundError:
        raise ReidAugError(f"no such image: {path}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FaultyImageError(path, str(error).splitlines()[0]) from None


def to_rgb(image: Image.Image) -> Image.Image:
    """An opened image in 8-bit RGB, as the baseline reads it."""
    if image.mode == "RGB":
        return image.convert("RGB")  # decoded, also when it is of a file
    from reid_baseline import modes  # loads torch, which RGB does not need

    return modes.to_rgb(image)


def read_images(paths: Sequence[Path], size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode images of one size, in threads.

    Args:
        size: (height, width) in pixels that every image must have; None = that of the first.

    Returns:
        (N, H, W, 3) uint8 RGB.

    Raises:
        ReidAugError: no path, images that cannot be read, or one of another size; the message names the files.
    """
    if not paths:
        raise ReidAugError("no images to read")
    height, width = size or image_size(paths[0])
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)

    def put(row: int, pixels: np.ndarray) -> None:
        if pixels.shape[:2] != (height, width):
            actual = f"{paths[row]} is {pixels.shape[0]} x {pixels.shape[1]} pixels (height x width)"
            other = f", expected {height} x {width}" if size else f" but {paths[0]} is {height} x {width}"
            raise ReidAugError(f"{actual}{other}; images must be of one size")
        images[row] = pixels

    read_each(paths, put)
    return images


def read_each(paths: Sequence[Path], put: Callable[[int, np.ndarray], None]) -> None:
    """Decode images in threads.

    Args:
        put: called with the place of an image in `paths` and its pixels, (H, W, 3) uint8 RGB.

    Raises:
        ReidAugError: images that cannot be read: how many, and the first of them with their faults.
    """

    def read(row: int) -> FaultyImageError | None:
        try:
            pixels = read_image(paths[row])
        except FaultyImageError as error:
            return error
        put(row, pixels)
        return None

    faults = [fault for fault in in_threads(read, range(len(paths))) if fault]
    if len(faults) == 1:
        raise faults[0]
    if faults:
        named = first_of([fault.named for fault in faults])
        raise ReidAugError(f"cannot read {len(faults):,} images: {named}; replace or remove them")


def first_of(faults: Sequence[str]) -> str:
    """The first faulty images, and how many more there are."""
    more = f" and {len(faults) - SHOWN:,} more" if len(faults) > SHOWN else ""
    return "; ".join(faults[:SHOWN]) + more
