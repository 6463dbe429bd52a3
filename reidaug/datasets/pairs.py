"""(condition, target) pairs of images of one person, for training and testing a generator.

The rule of PATN (Zhu et al., CVPR 2019), which PoNA shares: images with both shoulders and both hips seen, neither junk
nor distractor; every ordered pair of one person, in the order of the keypoint file.
"""

import csv
import io
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.datasets.keypoints import Annotations, find_annotations, read_annotations
from reidaug.datasets.market1501 import ANNOTATION_FILES, DISTRACTOR_PID, JUNK_PID, find_root, parse_name, split_folder

Pair = tuple[str, str]  # names of condition and target image

TORSO = (2, 5, 8, 11)  # both shoulders and both hips


def usable(keypoints: np.ndarray) -> np.ndarray:
    """Which poses can be condition or target: both shoulders and both hips seen.

    Args:
        keypoints: (N, 18, 2) pixels, NaN = missing.

    Returns:
        (N,) bool.
    """
    return np.isfinite(keypoints[:, TORSO]).all(axis=(1, 2))


def make_pairs(annotations: Annotations) -> np.ndarray:
    """Every ordered pair of usable images of one person.

    Persons come in the order of their first usable image, and so do the images of each.

    Args:
        annotations: keypoints in file order.

    Returns:
        (M, 2) int64 rows of `annotations`: condition, target.

    Raises:
        ReidAugError: an image name does not parse.
    """
    rows_of: dict[int, list[int]] = {}
    for row in np.flatnonzero(usable(annotations.keypoints)).tolist():
        pid = parse_name(annotations.names[row]).pid
        if pid not in (JUNK_PID, DISTRACTOR_PID):
            rows_of.setdefault(pid, []).append(row)
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for rows in map(np.array, rows_of.values()):
        first, second = np.nonzero(~np.eye(len(rows), dtype=bool))
        pairs.append(np.stack([rows[first], rows[second]], axis=1))
    return np.concatenate(pairs)


def draw_pairs(pairs: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw pairs without putting back; 12,000 with seed 0 are the published test pairs of Market-1501.

    Args:
        pairs: (M, 2) int64, all pairs.
        count: how many.
        seed: of numpy's RandomState, whose stream is frozen.

    Returns:
        (count, 2) int64, in the order of the draw.

    Raises:
        ReidAugError: there are not so many.
    """
    if not 0 < count <= len(pairs):
        raise ReidAugError(f"cannot draw {count} pairs; expected 1 to {len(pairs)}, the number of all pairs")
    return pairs[np.random.RandomState(seed).choice(len(pairs), count, replace=False)]


def write_pairs(path: Path, names: Sequence[str], pairs: np.ndarray) -> None:
    """Write the public pairs CSV (`from,to`), whole or not at all.

    Args:
        path: the file.
        names: the image names that `pairs` counts.
        pairs: (M, 2) int64: condition, target.
    """
    rows = [f"{names[condition]},{names[target]}" for condition, target in pairs.tolist()]
    atomic_write(path, "\n".join(["from,to", *rows]) + "\n")


def pairs_file(data: Path, split: str, out: Path, count: int | None = None, seed: int = 0) -> tuple[int, int]:
    """Write the pairs of a data set's training or gallery images, all or some.

    Args:
        data: a folder with the keypoint files in it or beside it, or one that holds such a root.
        split: which of them.
        out: the CSV to write.
        count: how many pairs to draw; None = all, in their order.
        seed: of the draw.

    Returns:
        How many pairs were written, and how many there are.

    Raises:
        ReidAugError: no or a broken keypoint file, no pairs, or fewer than `count`.
    """
    root = data if (data / ANNOTATION_FILES[split]).is_file() else find_root(data)
    annotations = read_annotations(find_annotations(root, split))
    images = split_folder(root, "gallery" if split == "test" else split)
    if images.is_dir():  # else there are only the keypoint files
        annotations = annotations.only(path.name for path in images.glob("*.jpg"))
    pairs = make_pairs(annotations)
    if not len(pairs):
        raise ReidAugError(f"no person in {data} has two images of the {split} split with both shoulders and both hips")
    chosen = pairs if count is None else draw_pairs(pairs, count, seed)
    write_pairs(out, annotations.names, chosen)
    return len(chosen), len(pairs)


def read_pairs(path: Path, check_name: Callable[[str], object] = parse_name) -> list[tuple[str, str]]:
    """Read a pairs CSV.

    Args:
        path: the CSV.
        check_name: raises ReidAugError for a name that the data set cannot have; by default that of Market-1501.

    Returns:
        (condition, target) image names; the first stands in line 2.

    Raises:
        ReidAugError: no such file, another header, no rows, or a broken row (with its line number).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ReidAugError(f"no pairs file {path}; `reidaug pairs` writes one") from None
    except UnicodeDecodeError:
        raise ReidAugError(f"{path} is not a text file; expected a CSV with the header 'from,to'") from None
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or rows[0] != ["from", "to"]:
        raise ReidAugError(f"{path} line 1: expected the header 'from,to'")
    pairs: list[tuple[str, str]] = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2:
            raise ReidAugError(f"{path} line {number}: {len(row)} fields, expected two image names")
        try:
            check_name(row[0])
            check_name(row[1])
        except ReidAugError as error:
            raise ReidAugError(f"{path} line {number}: {error}") from None
        pairs.append((row[0], row[1]))
    if not pairs:
        raise ReidAugError(f"{path} has a header but no pairs")
    return pairs


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


def pair_name(pair: Pair) -> str:
    """The file that holds the generated image of a pair, as PATN and PoNA call it."""
    return f"{pair[0]}___{pair[1]}.png"
