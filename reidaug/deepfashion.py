"""DeepFashion (in-shop) as PATN and PoNA lay it out: the only place that knows its names and its crop.

Liu et al., CVPR 2016; the layout, the keypoints and the pairs are those of PATN (Zhu et al., CVPR 2019), which PoNA
shares: 101,966 training and 8,570 test pairs. The published file names are spelt `fasion`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.annotations import Annotations, read_annotations
from reidaug.errors import ReidAugError
from reidaug.market1501 import in_threads, list_files, read_image
from reidaug.pairs import read_pairs
from reidaug.training_data import Say, TrainingData, count_outside, pose_images, refuse_pairs

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
class _Split:
    """Where the parts of the training or the test split lie."""

    folder: Path  # of the images
    keypoints: Path  # their CSV
    shift: int  # pixels from the x of this file to the x of the crop
    pairs: Path  # their CSV


def deepfashion_data(root: Path, *, pairs_file: Path | None, say: Say) -> TrainingData:
    """The training pairs of DeepFashion, and its test pairs for validation where they are there.

    All images are held in one uint8 tensor, N x 3 x 256 x 176: 135 kB an image, at most 6.6 GB for the 48,674 of the
    published training split.

    Args:
        root: the folder with `train/`, its keypoint CSV and its pairs CSV; also `test/` with its own.
        pairs_file: train on its pairs instead of the published ones.
        say: takes the lines for the user.

    Raises:
        ReidAugError: a part is not there, a file is broken, an image has another size or cannot be read, a pair names
            an image without file or keypoints (with the line), or a joint lies outside of the 256 x 256 image.
    """
    train = _find_split(root, "train", pairs_file)
    images, names = _read_split(train, say)
    try:
        test = _find_split(root, "test")
    except ReidAugError as error:
        say(f"no validation: {error}")
        validation = None
    else:
        validation, _ = _read_split(test, say)
    return TrainingData(images, names, train.folder, validation, pairs_file=train.pairs)


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
    return read_pairs(root / PAIRS.format(split=split), _check_name)


def _keypoint_file(root: Path, split: str) -> tuple[Path | None, int]:
    """The keypoint CSV of a split, and the pixels from its x to that of the crop."""
    for form, shift in ((KEYPOINTS, 0), (FULL_KEYPOINTS, -BORDER)):
        if (root / form.format(split=split)).is_file():
            return root / form.format(split=split), shift
    return None, 0


def _find_split(root: Path, split: str, pairs_file: Path | None = None) -> _Split:
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
    return _Split(root / split, keypoints, shift, pairs)


def _read_split(split: _Split, say: Say) -> tuple[Any, list[str]]:
    """``pona.PoseImages`` of every image in a pair, and their names."""
    pairs = read_pairs(split.pairs, _check_name)
    refuse_pairs(split.pairs, pairs, set(list_files(split.folder)), f"is not in {split.folder}; put all images there")
    annotations = read_annotations(split.keypoints)
    mend = f"has no row in {split.keypoints}; add its keypoints or take out the pair"
    refuse_pairs(split.pairs, pairs, annotations.index, mend)
    used = annotations.only({name for pair in pairs for name in pair})
    known, outside = crop_keypoints(used, split.keypoints, split.shift)
    if outside:
        say(f"{outside:,} joints in {split.keypoints.name} lie outside of the crop and count as missing")
    say(f"reading {len(known):,} images of {split.folder}: {len(known) * 3 * np.prod(IMAGE_SIZE) / 1e9:.1f} GB")
    rows = np.array([[known.index[condition], known.index[target]] for condition, target in pairs], dtype=np.int64)
    return pose_images(known, rows, lambda names: read_fashion_images([split.folder / name for name in names]))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ReidAugError(f"image name {name!r} does not parse; expected a file name in .jpg without a folder")
