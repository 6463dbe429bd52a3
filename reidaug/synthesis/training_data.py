"""What a generator is trained on, in memory: of a Market-1501 root, or of the kept images of a study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.progress import Say
from reidaug.datasets import deepfashion
from reidaug.datasets.deepfashion import Split, check_name, crop_keypoints, find_split, read_fashion_images
from reidaug.datasets.images import list_files, read_images
from reidaug.datasets.keypoints import SLACK, Annotations, count_outside, find_annotations, read_annotations
from reidaug.datasets.market1501 import DISTRACTOR_PID, JUNK_PID, parse_name, split_folder
from reidaug.datasets.pairs import make_pairs, read_pairs, refuse_pairs, usable


@dataclass(frozen=True)
class TrainingData:
    """What a generator is trained on, and what it is judged by."""

    images: Any  # pona.PoseImages: every image that stands in a pair
    names: list[str]  # their file names, in this order
    folder: Path  # where they lie
    validation: Any | None  # pona.PoseImages of people that training never shows; None = the data set has none
    portion: float | None = None  # of the study whose kept images they are; None = a whole training set
    pairs_file: Path | None = None  # where the pairs were read from; None = all pairs of the images

    def named_pairs(self) -> list[tuple[str, str]]:
        """(condition, target) image names, in order."""
        return [(self.names[condition], self.names[target]) for condition, target in self.images.pairs.tolist()]


def market_data(
    root: Path, names: Sequence[str], *, portion: float | None, pairs_file: Path | None, say: Say
) -> TrainingData:
    """The training images of a Market-1501 root, and the pairs of its gallery for validation.

    Args:
        root: the data set's root.
        names: the training images that may be used.
        portion: of the study whose kept images they are; None = all training images.
        pairs_file: train on its pairs, exactly; None = every pair that `make_pairs` finds.
        say: takes the lines for the user, such as what was left out.

    Raises:
        ReidAugError: no or a broken keypoint or pairs file, a pair of other images than these, no pair left (the
            message counts what was lost to what), images of two sizes, or a joint far outside of its image.
    """
    folder, path = split_folder(root, "train"), find_annotations(root, "train")
    known = read_annotations(path).only(names)
    if pairs_file is None:
        pairs = make_pairs(known)
        lost = _losses(known, names, pairs)
        if not len(pairs):
            raise ReidAugError(
                f"no training pair in {folder}: {lost}; a pair takes two images of one person with both shoulders and "
                f"both hips in {path.name}"
            )
        if len(np.unique(pairs)) < len(names):
            say(f"left out: {lost}")
    else:
        pairs = _pairs_of_file(pairs_file, folder, path, known, None if portion is None else (portion, names))
    images, used = _market_images(folder, path, known, pairs, None, say)
    height, width = images.images.shape[2:]
    validation = _gallery_images(root, (height, width), say)
    return TrainingData(images, used, folder, validation, portion, pairs_file)


def pose_images(
    annotations: Annotations, pairs: np.ndarray, read: Callable[[list[str]], np.ndarray]
) -> tuple[Any, list[str]]:
    """The images that stand in pairs, with their keypoints.

    Args:
        annotations: keypoints by image name.
        pairs: (M, 2) int64 rows of `annotations`: condition, target.
        read: image names -> (N, H, W, 3) uint8 RGB; called once.

    Returns:
        (``pona.PoseImages``, the N names of its images).
    """
    import torch

    import pona

    rows, places = np.unique(pairs, return_inverse=True)
    used = [annotations.names[row] for row in rows]
    images = pona.PoseImages(
        torch.from_numpy(read(used)).permute(0, 3, 1, 2),
        torch.from_numpy(annotations.keypoints[rows]),
        torch.from_numpy(places.reshape(pairs.shape).astype(np.int64)),
    )
    return images, used


def _losses(known: Annotations, names: Sequence[str], pairs: np.ndarray) -> str:
    """How many images were lost to what."""
    posed = usable(known.keypoints)
    nobody = sum(
        parse_name(known.names[row]).pid in (JUNK_PID, DISTRACTOR_PID) for row in np.flatnonzero(posed).tolist()
    )
    alone = int(posed.sum()) - nobody - len(np.unique(pairs))
    return (
        f"of {len(names)} images {len(names) - len(known)} have no keypoint row, {int((~posed).sum())} lack a shoulder "
        f"or a hip, {alone} are the only such image of their person"
        + (f", {nobody} show no known person (-1 or 0000)" if nobody else "")
    )


def _pairs_of_file(
    path: Path, folder: Path, keypoints: Path, known: Annotations, strict: tuple[float, Sequence[str]] | None
) -> np.ndarray:
    """Rows of `known` of the pairs in a file: (M, 2) int64; `strict` is a portion and the images that it keeps."""
    pairs = read_pairs(path)
    refuse_pairs(path, pairs, set(list_files(folder)), f"is not in {folder}; give the pairs of this data set")
    if strict is not None:
        portion, kept = strict
        lost = f"is missing at p = {portion:.2f}, so it must not be trained on; leave --portion or --pairs away"
        refuse_pairs(path, pairs, set(kept), lost)
    refuse_pairs(path, pairs, known.index, f"has no row in {keypoints}; add its keypoints or take out the pair")
    for line, (condition, target) in enumerate(pairs, start=2):
        pid, other = parse_name(condition).pid, parse_name(target).pid
        if pid != other or pid in (JUNK_PID, DISTRACTOR_PID):
            raise ReidAugError(
                f"{path} line {line}: {condition} and {target} are a pair, expected two images of one known person"
            )
    return np.array([[known.index[condition], known.index[target]] for condition, target in pairs], dtype=np.int64)


def _market_images(
    folder: Path, path: Path, known: Annotations, pairs: np.ndarray, size: tuple[int, int] | None, say: Say
) -> tuple[Any, list[str]]:
    images, used = pose_images(known, pairs, lambda names: read_images([folder / name for name in names], size))
    height, width = images.images.shape[2:]
    outside = count_outside(known.only(used), path, (0, width), height)
    if outside:
        say(f"{outside:,} joints in {path.name} lie up to {SLACK} pixels outside of their image")
    return images, used


def _gallery_images(root: Path, size: tuple[int, int], say: Say) -> Any | None:
    """Pairs of the test identities, where the data set has their keypoints: the generator never sees these people."""
    folder = split_folder(root, "gallery")
    try:
        path, there = find_annotations(root, "test"), list_files(folder)
    except ReidAugError as error:
        say(f"no validation: {error}")
        return None
    known = read_annotations(path).only(there)
    pairs = make_pairs(known)
    if not len(pairs):
        say(f"no validation: no person in {folder} has two images with both shoulders and both hips in {path.name}")
        return None
    return _market_images(folder, path, known, pairs, size, say)[0]


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
    train = find_split(root, "train", pairs_file)
    images, names = _read_split(train, say)
    try:
        test = find_split(root, "test")
    except ReidAugError as error:
        say(f"no validation: {error}")
        validation = None
    else:
        validation, _ = _read_split(test, say)
    return TrainingData(images, names, train.folder, validation, pairs_file=train.pairs)


def _read_split(split: Split, say: Say) -> tuple[Any, list[str]]:
    """``pona.PoseImages`` of every image in a pair, and their names."""
    pairs = read_pairs(split.pairs, check_name)
    refuse_pairs(split.pairs, pairs, set(list_files(split.folder)), f"is not in {split.folder}; put all images there")
    annotations = read_annotations(split.keypoints)
    mend = f"has no row in {split.keypoints}; add its keypoints or take out the pair"
    refuse_pairs(split.pairs, pairs, annotations.index, mend)
    used = annotations.only({name for pair in pairs for name in pair})
    known, outside = crop_keypoints(used, split.keypoints, split.shift)
    if outside:
        say(f"{outside:,} joints in {split.keypoints.name} lie outside of the crop and count as missing")
    gigabytes = len(known) * 3 * np.prod(deepfashion.IMAGE_SIZE) / 1e9
    say(f"reading {len(known):,} images of {split.folder}: {gigabytes:.1f} GB")
    rows = np.array([[known.index[condition], known.index[target]] for condition, target in pairs], dtype=np.int64)
    return pose_images(known, rows, lambda names: read_fashion_images([split.folder / name for name in names]))
