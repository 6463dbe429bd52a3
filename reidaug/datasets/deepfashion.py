"""DeepFashion (in-shop) as PATN and PoNA lay it out: the only place that knows its names and its crop.

Liu et al., CVPR 2016; the layout, the keypoints and the pairs are those of PATN (Zhu et al., CVPR 2019), which PoNA
shares: 101,966 training and 8,570 test pairs. The published file names are spelt `fasion`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import in_threads, list_files, read_image
from reidaug.datasets.keypoints import Annotations, count_outside, read_annotations
from reidaug.datasets.pairs import read_pairs

IMAGE_SIZE = (256, 176)  # height and width in pixels
FULL_WIDTH = 256  # of an image that has not been cropped, in pixels
BORDER = (FULL_WIDTH - IMAGE_SIZE[1]) // 2  # pixels that the crop takes off the left and off the right
KEYPOINTS = "fasion-resize-annotation-{split}.csv"  # in pixels of the crop
FULL_KEYPOINTS = "fasion-annotation-{split}.csv"  # in pixels of the 256 x 256 image
PAIRS = "fasion-resize-pairs-{split}.csv"
SPLITS = ("train", "test")

# No separator of the CSV files, no blank, no folder.
_NAME = re.compile(r"""[^/\\:,"\s]+\.jpg""")


@dataclass(frozen=True)
class Split:
    """Where the parts of the training or the test split lie."""

    folder: Path  # of the images
    keypoints: Path  # their CSV
    shift: int  # pixels from the x of this file to the x of the crop
    pairs: Path  # their CSV


def read_fashion_images(paths: Sequence[Path]) -> np.ndarray:
    """Decode images, and crop those that are not yet.

    Args:
        paths: files of 256 x 176 pixels (height x width), or of 256 x 256, of which the middle 176 columns are taken.

    Returns:
        (N, 256, 176, 3) uint8 RGB: 135 kB an image.

    Raises:
        ReidAugError: an image that cannot be read, or one of another size; the message names the file.
    """
    height, width = IMAGE_SIZE
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)

    def read(row: int) -> None:
        pixels = read_image(paths[row])
        found = pixels.shape[:2]
        if found == (height, FULL_WIDTH):
            pixels = pixels[:, BORDER:-BORDER]
        elif found != IMAGE_SIZE:
            raise ReidAugError(
                f"{paths[row]} is {found[0]} x {found[1]} pixels (height x width), expected {height} x {width}, or "
                f"{height} x {FULL_WIDTH}, which is cropped here"
            )
        images[row] = pixels

    in_threads(read, range(len(paths)))
    return images


def crop_keypoints(annotations: Annotations, path: Path, shift: int) -> tuple[Annotations, int]:
    """Keypoints in pixels of the crop; a joint that the crop cuts off is missing, as in the public heatmaps.

    Args:
        annotations: (x, y) in pixels as they stand in the file.
        path: the file, for messages.
        shift: what to add to each x.

    Returns:
        The keypoints, and how many joints lie outside of the crop.

    Raises:
        ReidAugError: a joint lies outside even of the 256 x 256 image.
    """
    height, width = IMAGE_SIZE
    left = -BORDER - shift
    count_outside(annotations, path, (left, left + FULL_WIDTH), height)
    keypoints = annotations.keypoints + np.array([shift, 0], dtype=np.float32)
    pixel = np.rint(keypoints)  # NaN where missing
    outside = ((pixel < 0) | (pixel > (width - 1, height - 1))).any(axis=2)
    keypoints[outside] = np.nan
    return replace(annotations, keypoints=keypoints), int(outside.sum())


def is_root(path: Path) -> bool:
    """Whether a folder holds a keypoint file of DeepFashion in the public layout."""
    return any((path / form.format(split=split)).is_file() for form in (KEYPOINTS, FULL_KEYPOINTS) for split in SPLITS)


def person_of(name: str) -> str:
    """Whom an image shows, and in which clothes: its name up to the view, as in `..id0000262902_1front.jpg`."""
    return name.rpartition("_")[0] or name


def posed_splits(root: Path) -> list[tuple[Path, Annotations]]:
    """The image folder of each split that is there, test before train, and the keypoints of its images.

    Raises:
        ReidAugError: a broken keypoint file, or a joint outside of the 256 x 256 image.
    """
    found = []
    for split in reversed(SPLITS):
        folder = root / split
        path, shift = _keypoint_file(root, split)
        if path is not None and folder.is_dir():
            known = read_annotations(path).only(list_files(folder))
            found.append((folder, crop_keypoints(known, path, shift)[0]))
    return found


def published_pairs(root: Path, split: str) -> list[tuple[str, str]]:
    """The (condition, target) names of a split's published pairs file; ReidAugError where there is none."""
    return read_pairs(root / PAIRS.format(split=split), check_name)


def _keypoint_file(root: Path, split: str) -> tuple[Path | None, int]:
    """The keypoint CSV of a split, and the pixels from its x to that of the crop."""
    for form, shift in ((KEYPOINTS, 0), (FULL_KEYPOINTS, -BORDER)):
        if (root / form.format(split=split)).is_file():
            return root / form.format(split=split), shift
    return None, 0


def find_split(root: Path, split: str, pairs_file: Path | None = None) -> Split:
    """Where the parts of a split lie; ReidAugError names all that are not there."""
    keypoints, shift = _keypoint_file(root, split)
    pairs = pairs_file or root / PAIRS.format(split=split)
    lacking = [] if (root / split).is_dir() else [f"{split}/"]
    if keypoints is None:
        lacking.append(" or ".join(form.format(split=split) for form in (KEYPOINTS, FULL_KEYPOINTS)))
    if pairs_file is None and not pairs.is_file():
        lacking.append(pairs.name)
    if keypoints is None or lacking:
        raise ReidAugError(
            f"no {', no '.join(lacking)} in {root}; expected the public DeepFashion layout: the images in {split}/, "
            "their keypoints and their pairs"
        )
    return Split(root / split, keypoints, shift, pairs)


def check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ReidAugError(f"image name {name!r} does not parse; expected a file name in .jpg without a folder")
