"""What a generator is trained on, in memory: of a Market-1501 root, or of the kept images of a study."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.annotations import Annotations, find_annotations, line_of, read_annotations
from reidaug.errors import ReidAugError
from reidaug.market1501 import DISTRACTOR_PID, JUNK_PID, list_files, parse_name, read_images, split_folder
from reidaug.pairs import make_pairs, read_pairs, usable

Say = Callable[[str], None]
SLACK = 5  # pixels by which an estimated joint may lie outside of its image


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


def refuse_pairs(path: Path, pairs: Sequence[tuple[str, str]], known: Collection[str], what: str) -> None:
    """Refuse pairs that name an image which is not known.

    Args:
        path: the file that the pairs were read from.
        pairs: all of its pairs, the first from line 2.
        known: the names that may stand in a pair.
        what: what is wrong with a name that is not known, and what to do.

    Raises:
        ReidAugError: there is such a pair; the message names the first one's line and counts them.
    """
    bad = [line for line, pair in enumerate(pairs, start=2) if not all(name in known for name in pair)]
    if bad:
        name = next(name for name in pairs[bad[0] - 2] if name not in known)
        count = f"{len(bad):,} of {len(pairs):,} pairs" if len(bad) > 1 else "the only such pair"
        raise ReidAugError(f"{path} line {bad[0]}: {name} {what} ({count})")


def count_outside(annotations: Annotations, path: Path, columns: tuple[int, int], height: int) -> int:
    """Count joints outside of their image, and refuse those that no rounding puts there.

    The published files of Market-1501 hold none, so a joint far outside tells of images of another size, or of a file
    with x first.

    Args:
        annotations: of the images that are used, (x, y) in pixels.
        path: the file that they were read from.
        columns: first column of the image and the one after its last, in pixels of the keypoints.
        height: of the image in pixels.

    Returns:
        How many joints lie up to `SLACK` pixels outside.

    Raises:
        ReidAugError: a joint lies farther outside; the message names the line of the first and counts them.
    """
    x, y = annotations.keypoints[..., 0], annotations.keypoints[..., 1]
    beyond = np.maximum.reduce([columns[0] - x, x - (columns[1] - 1), -y, y - (height - 1)])  # NaN where missing
    far = np.argwhere(beyond > SLACK)
    if len(far):
        from pona.keypoints import JOINTS

        row, joint = far[0].tolist()
        name = annotations.names[row]
        raise ReidAugError(
            f"{path} line {line_of(path, name)}: the {JOINTS[joint]} of {name} lies at x = {x[row, joint]:g}, "
            f"y = {y[row, joint]:g}, expected x {columns[0]} to {columns[1] - 1} and y 0 to {height - 1} "
            f"({len(far):,} such joints): is this the keypoint file of images of another size, or x first in it?"
        )
    return int((beyond > 0.5).sum())


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
