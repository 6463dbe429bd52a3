"""DeepFashion (in-shop) in the layout of PATN and PoNA: the only module that knows its names and its crop.

Liu et al., CVPR 2016; the layout, the keypoints and the pairs are those of PATN (Zhu et al., CVPR 2019), which PoNA
shares: 101,966 training and 8,570 test pairs. The published file names are spelt `fasion`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import list_files
from reidaug.datasets.dataset import Dataset, Image, Layout, Problem, is_image_file, jpg_name
from reidaug.datasets.images import read_each
from reidaug.datasets.keypoints import Annotations, count_outside, read_annotations
from reidaug.datasets.pairs import read_pairs
from reidaug.datasets.posed_images import PosedImages, join_annotations

IMAGE_SIZE = (256, 176)  # height and width in pixels
FULL_WIDTH = 256  # of an uncropped image, in pixels
BORDER = (FULL_WIDTH - IMAGE_SIZE[1]) // 2  # pixels that the crop removes on the left and on the right
KEYPOINTS = "fasion-resize-annotation-{split}.csv"  # in pixels of the crop
FULL_KEYPOINTS = "fasion-annotation-{split}.csv"  # in pixels of the 256 x 256 image
PAIRS = "fasion-resize-pairs-{split}.csv"
SPLITS = ("train", "test")

_NAME = re.compile(r"""[^/\\:,"\s]+""")  # no CSV separator, no blank, no folder


@dataclass(frozen=True)
class Split:
    """The files of the training or the test split."""

    folder: Path  # of the images
    keypoints: Path  # their CSV
    shift: int  # pixels from the x of this file to the x of the crop
    pairs: Path  # their CSV


def read_fashion_images(paths: Sequence[Path]) -> np.ndarray:
    """Decode images, and crop those that are not cropped yet.

    Args:
        paths: files of 256 x 176 pixels (height x width), or of 256 x 256, of which the middle 176 columns are taken.

    Returns:
        (N, 256, 176, 3) uint8 RGB: 135 kB an image.

    Raises:
        ReidAugError: images that cannot be read, or one of another size; the message names the files.
    """
    height, width = IMAGE_SIZE
    images = np.empty((len(paths), height, width, 3), dtype=np.uint8)

    def put(row: int, pixels: np.ndarray) -> None:
        size = pixels.shape[:2]
        if size == (height, FULL_WIDTH):
            pixels = pixels[:, BORDER:-BORDER]
        elif size != IMAGE_SIZE:
            raise ReidAugError(
                f"{paths[row]} is {size[0]} x {size[1]} pixels (height x width), expected {height} x {width}, or "
                f"{height} x {FULL_WIDTH}, which is cropped here"
            )
        images[row] = pixels

    read_each(paths, put)
    return images


def crop_keypoints(annotations: Annotations, path: Path, shift: int) -> tuple[Annotations, int]:
    """Keypoints in pixels of the crop; a joint that the crop cuts off is missing, as in the public heatmaps.

    Args:
        annotations: (x, y) in pixels, as in the file.
        path: the file, for messages.
        shift: what to add to each x.

    Returns:
        The keypoints, and how many joints lie outside the crop.

    Raises:
        ReidAugError: a joint lies outside even the 256 x 256 image.
    """
    height, width = IMAGE_SIZE
    count_outside(annotations, path, (height, FULL_WIDTH), -BORDER - shift)
    keypoints = annotations.keypoints + np.array([shift, 0], dtype=np.float32)
    pixel = np.rint(keypoints)  # NaN where missing
    outside = ((pixel < 0) | (pixel > (width - 1, height - 1))).any(axis=2)
    keypoints[outside] = np.nan
    return replace(annotations, keypoints=keypoints), int(outside.sum())


def find_root(path: Path) -> Path | None:
    """The folder itself if it has a keypoint file of DeepFashion in the public layout, else None."""
    files = (path / form.format(split=split) for form in (KEYPOINTS, FULL_KEYPOINTS) for split in SPLITS)
    return path if any(file.is_file() for file in files) else None


def person_of(name: str) -> str:
    """The person in these clothes that an image shows: its name up to the view, as `..id0000262902_1front.jpg`."""
    return name.rpartition("_")[0] or name


def read_split(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """The images of a split, train or test; persons are numbered in the order of their names, the camera is 0.

    The published files end in `.jpg`; one in another ending is an image of the same name in `.jpg`.

    Raises:
        ReidAugError: another split, as DeepFashion is not a re-identification data set.
    """
    if split not in SPLITS:
        raise ReidAugError(
            f"{root} is DeepFashion, which has no {split} images: expected a re-identification data set such as "
            "Market-1501"
        )
    files = {folder: _image_files(root / folder) for folder in SPLITS}
    people = sorted({person_of(jpg_name(file)) for in_folder in files.values() for file in in_folder})
    numbers = {person: number for number, person in enumerate(people, start=1)}
    images: dict[str, Image] = {}
    problems = []
    for file in files[split]:
        name = jpg_name(file)
        if name in images:
            message = f"has the name of {images[name].path.name} in another ending: rename or remove one"
            problems.append(Problem("same-name", "error", f"{split}/{file}", message))
        else:
            images[name] = Image(root / split / file, numbers[person_of(name)], 0, name)
    if not images:
        problems.append(Problem("empty-folder", "error", split, "no image; expected the public layout"))
    return sorted(images.values(), key=lambda image: image.name), problems


def _image_files(folder: Path) -> list[str]:
    files = list_files(folder) if folder.is_dir() else []
    return [file for file in files if is_image_file(file) and _NAME.fullmatch(file)]


def posed_images(data: Dataset) -> PosedImages:
    """The images with keypoints of both splits, test before train; the test pairs are the published ones.

    Raises:
        ReidAugError: a broken keypoint file, a joint outside the 256 x 256 image, or no image with keypoints.
    """
    root = data.root
    by_name: dict[str, Image] = {}
    parts: list[Annotations] = []
    for split in reversed(SPLITS):
        path, shift = _keypoint_file(root, split)
        if path is not None and (root / split).is_dir():
            images = {image.name: image for image in data.images(split)}
            parts.append(crop_keypoints(read_annotations(path).in_jpg(path).only(images), path, shift)[0])
            by_name |= {name: images[name] for name in parts[-1].names}
    if not by_name:
        raise ReidAugError(f"no image of train/ or test/ in {root} has a row in its keypoint file")
    train = tuple(root / "train" / file for file in _image_files(root / "train"))
    pairs = root / PAIRS.format(split="test")
    annotations = join_annotations(parts)
    return PosedImages(root, by_name, annotations, train, lambda: read_pairs(pairs), read_fashion_images, BORDER)


def _keypoint_file(root: Path, split: str) -> tuple[Path | None, int]:
    """The keypoint CSV of a split, and the pixels from its x to that of the crop."""
    for form, shift in ((KEYPOINTS, 0), (FULL_KEYPOINTS, -BORDER)):
        if (root / form.format(split=split)).is_file():
            return root / form.format(split=split), shift
    return None, 0


def find_split(root: Path, split: str, pairs_file: Path | None = None) -> Split:
    """The files of a split; ReidAugError names all that are missing."""
    keypoints, shift = _keypoint_file(root, split)
    pairs = pairs_file or root / PAIRS.format(split=split)
    missing = [] if (root / split).is_dir() else [f"{split}/"]
    if keypoints is None:
        missing.append(" or ".join(form.format(split=split) for form in (KEYPOINTS, FULL_KEYPOINTS)))
    if pairs_file is None and not pairs.is_file():
        missing.append(pairs.name)
    if keypoints is None or missing:
        raise ReidAugError(
            f"no {', no '.join(missing)} in {root}; expected the public DeepFashion layout: the images in {split}/, "
            "their keypoints and their pairs"
        )
    return Split(root / split, keypoints, shift, pairs)


LAYOUT = Layout(
    "DeepFashion", f"a folder with DeepFashion's {KEYPOINTS.format(split='train')}", find_root, read_split, posed_images
)
