"""Read the training data of a generator: a data set, the kept images of a study, or DeepFashion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.progress import Say
from reidaug.datasets import deepfashion
from reidaug.datasets.dataset import Dataset, Image
from reidaug.datasets.deepfashion import Split, crop_keypoints, find_split, read_fashion_images
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import (
    SLACK,
    Annotations,
    count_outside,
    find_annotations,
    read_annotations,
    read_annotations_of,
)
from reidaug.datasets.pairs import Pair, make_pairs, read_pairs, refuse_pairs, usable

if TYPE_CHECKING:
    from pona import PoseImages


@dataclass(frozen=True)
class TrainingData:
    """The images to train on and to validate with."""

    pose_images: "PoseImages"  # every image that is in a pair
    images: list[Image]  # the same, in this order
    validation: "PoseImages | None"  # people that are not trained on; None = the data set has none
    portion: float | None = None  # of the study whose kept images they are; None = a whole training set
    pairs_file: Path | None = None  # where the pairs were read from; None = all pairs of the images
    mixed: Path | None = None  # the other data set that half of the pairs are of

    def named_pairs(self) -> list[Pair]:
        """(condition, target) image names, in order."""
        pairs = self.pose_images.pairs.tolist()
        return [(self.images[condition].name, self.images[target].name) for condition, target in pairs]


def market_data(
    data: Dataset,
    images: Sequence[Image],
    *,
    portion: float | None,
    pairs_file: Path | None,
    say: Say,
    validate: bool = True,
) -> TrainingData:
    """Training images of a re-ID data set, and the pairs of its gallery for validation.

    Args:
        images: the training images that may be used.
        portion: of the study whose kept images they are; None = all training images.
        pairs_file: train on exactly its pairs; None = on all that `make_pairs` finds.
        say: told what was left out.
        validate: read the gallery too.

    Raises:
        ReidAugError: no or a broken keypoint or pairs file, a pair of other images, no pair left (the message counts
            the images by reason), images of two sizes, or a joint far outside its image.
    """
    path = find_annotations(data.root, "train")
    posed = _Posed(read_annotations_of(path, images), path, {image.name: image for image in images})
    if pairs_file is None:
        pairs = posed.pairs()
        lost = posed.lost(pairs)
        if not len(pairs):
            raise ReidAugError(
                f"no training pair in {data.root}: {lost}; a pair needs two images of one person with both shoulders "
                f"and both hips in {path.name}"
            )
        if len(np.unique(pairs)) < len(images):
            say(f"left out: {lost}")
    else:
        pairs = _pairs_of_file(pairs_file, data, posed, portion)
    pose_images, used = posed.read(pairs, None, say)
    height, width = pose_images.images.shape[2:]
    return TrainingData(
        pose_images, used, _gallery_images(data, (height, width), say) if validate else None, portion, pairs_file
    )


def mix(data: TrainingData, other: Dataset, say: Say) -> TrainingData:
    """Adds the training images of another data set, such as rendered people: each of the two makes half of the pairs.

    The pairs of the smaller one are repeated. Its people are others, whatever their numbers, and so are its names.

    Args:
        data: the training data; its validation stays.
        other: with keypoints of its training images.
        say: told what was left out.

    Raises:
        ReidAugError: as `market_data`, or images of another size.
    """
    import torch

    import pona

    more = market_data(other, other.images("train"), portion=None, pairs_file=None, say=say, validate=False)
    ours, theirs = data.pose_images, more.pose_images
    sizes = [tuple(images.images.shape[2:]) for images in (ours, theirs)]
    if sizes[0] != sizes[1]:
        raise ReidAugError(
            f"the images of {other.root} have {sizes[1]} pixels (height, width), those to train on {sizes[0]}: mix "
            "data sets of one size"
        )
    parts = [ours.pairs, theirs.pairs + len(ours.images)]
    most = max(map(len, parts))
    pose_images = pona.PoseImages(
        torch.cat((ours.images, theirs.images)),
        torch.cat((ours.keypoints, theirs.keypoints)),
        torch.cat([pairs.repeat(round(most / len(pairs)), 1) for pairs in parts]),
    )
    images = [replace(image, name=f"{other.root.name}/{image.name}") for image in more.images]
    return replace(data, pose_images=pose_images, images=[*data.images, *images], mixed=other.root)


@dataclass(frozen=True, eq=False)
class _Posed:
    """Images and their keypoint file."""

    annotations: Annotations  # of these images
    path: Path
    by_name: dict[str, Image]

    def pairs(self) -> np.ndarray:
        """All pairs: (M, 2) int64 rows of `annotations`."""
        return make_pairs(self.annotations, {name: image.pid for name, image in self.by_name.items()})

    def lost(self, pairs: np.ndarray) -> str:
        """Which images are not in pairs, counted by reason."""
        posed = usable(self.annotations.keypoints)
        alone = int(posed.sum()) - len(np.unique(pairs))
        return (
            f"of {len(self.by_name)} images {len(self.by_name) - len(posed)} have no keypoint row, "
            f"{int((~posed).sum())} lack a shoulder or a hip, {alone} are the only such image of their person"
        )

    def read(self, pairs: np.ndarray, size: tuple[int, int] | None, say: Say) -> tuple["PoseImages", list[Image]]:
        """Decodes the images in pairs."""
        pose_images, names = read_pose_images(
            self.annotations, pairs, lambda names: read_images([self.by_name[name].path for name in names], size)
        )
        height, width = pose_images.images.shape[2:]
        if outside := count_outside(self.annotations.only(names), self.path, (height, width)):
            say(f"{outside:,} joints in {self.path.name} lie up to {SLACK} pixels outside their image")
        return pose_images, [self.by_name[name] for name in names]


def read_pose_images(
    annotations: Annotations, pairs: np.ndarray, read: Callable[[list[str]], np.ndarray]
) -> tuple["PoseImages", list[str]]:
    """Read the images in pairs, with their keypoints.

    Args:
        annotations: keypoints by image name.
        pairs: (M, 2) int64 rows of `annotations`: condition, target.
        read: image names -> (N, H, W, 3) uint8 RGB; called once.

    Returns:
        The images, and their N names.
    """
    import torch

    import pona

    rows, index = np.unique(pairs, return_inverse=True)
    used = [annotations.names[row] for row in rows]
    images = pona.PoseImages(
        torch.from_numpy(read(used)).permute(0, 3, 1, 2),
        torch.from_numpy(annotations.keypoints[rows]),
        torch.from_numpy(index.reshape(pairs.shape).astype(np.int64)),
    )
    return images, used


def _pairs_of_file(path: Path, data: Dataset, posed: _Posed, portion: float | None) -> np.ndarray:
    """The pairs of a file: (M, 2) int64 rows of the annotations."""
    pairs = read_pairs(path)
    training_images = {image.name: image for image in data.images("train")}
    refuse_pairs(path, pairs, training_images, f"is not a training image of {data.root}; give pairs of this data set")
    if portion is not None:
        lost = f"is missing at p = {portion:.2f}, so it must not be trained on; omit --portion or --pairs"
        refuse_pairs(path, pairs, posed.by_name, lost)
    index = posed.annotations.index
    refuse_pairs(path, pairs, index, f"has no row in {posed.path}; add its keypoints or take out the pair")
    for line, (condition, target) in enumerate(pairs, start=2):
        if training_images[condition].pid != training_images[target].pid:
            raise ReidAugError(
                f"{path} line {line}: {condition} and {target} are a pair, expected two images of one person"
            )
    return np.array([[index[name] for name in pair] for pair in pairs], dtype=np.int64)


def _gallery_images(data: Dataset, size: tuple[int, int], say: Say) -> "PoseImages | None":
    """Pairs of the test identities, which are not trained on; None if the data set has no keypoints of them."""
    try:
        path, images = find_annotations(data.root, "test"), data.images("gallery")
    except ReidAugError as error:
        say(f"no validation: {error}")
        return None
    posed = _Posed(read_annotations_of(path, images), path, {image.name: image for image in images})
    pairs = posed.pairs()
    if not len(pairs):
        say(f"no validation: nobody in the gallery has two images with both shoulders and both hips in {path.name}")
        return None
    return posed.read(pairs, size, say)[0]


def deepfashion_data(root: Path, *, pairs_file: Path | None, say: Say) -> TrainingData:
    """The training pairs of DeepFashion, and its test pairs, if available, for validation.

    All images are in one uint8 tensor, N x 3 x 256 x 176: 135 kB per image, at most 6.6 GB for the 48,674 of the
    published training split.

    Args:
        root: the folder with `train/`, its keypoint CSV and its pairs CSV, and the same for `test/`.
        pairs_file: train on its pairs instead of the published ones.

    Raises:
        ReidAugError: a part is missing, a file is broken, an image has another size or cannot be read, a pair names an
            image without file or keypoints (with the line), or a joint lies outside the 256 x 256 image.
    """
    train = find_split(root, "train", pairs_file)
    data = Dataset(root, deepfashion.LAYOUT)
    pose_images, images = _read_split(data, "train", train, say)
    validation = None
    try:
        test = find_split(root, "test")
    except ReidAugError as error:
        say(f"no validation: {error}")
    else:
        validation, _ = _read_split(data, "test", test, say)
    return TrainingData(pose_images, images, validation, pairs_file=train.pairs)


def _read_split(data: Dataset, name: str, split: Split, say: Say) -> tuple["PoseImages", list[Image]]:
    """Every image that is in a pair of a split."""
    by_name = {image.name: image for image in data.images(name)}
    pairs = read_pairs(split.pairs)
    refuse_pairs(split.pairs, pairs, by_name, f"is not in {split.folder}; put all images there")
    annotations = read_annotations(split.keypoints).in_jpg(split.keypoints)
    fix = f"has no row in {split.keypoints}; add its keypoints or take out the pair"
    refuse_pairs(split.pairs, pairs, annotations.index, fix)
    used = annotations.only({name for pair in pairs for name in pair})
    cropped, outside = crop_keypoints(used, split.keypoints, split.shift)
    if outside:
        say(f"{outside:,} joints in {split.keypoints.name} lie outside the crop and count as missing")
    gigabytes = len(cropped) * 3 * np.prod(deepfashion.IMAGE_SIZE) / 1e9
    say(f"reading {len(cropped):,} images of {split.folder}: {gigabytes:.1f} GB")
    rows = np.array([[cropped.index[name] for name in pair] for pair in pairs], dtype=np.int64)
    pose_images, names = read_pose_images(
        cropped, rows, lambda names: read_fashion_images([by_name[name].path for name in names])
    )
    return pose_images, [by_name[name] for name in names]
