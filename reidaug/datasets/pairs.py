"""(condition, target) pairs of images of one person, for training and testing a generator.

The rule of PATN (Zhu et al., CVPR 2019), which PoNA shares: images with both shoulders and both hips seen, neither junk
nor distractor; every ordered pair of one person, in the order of the keypoint file.
"""

import csv
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.datasets.dataset import DISTRACTOR_PID, JUNK_PID, jpg_name
from reidaug.datasets.keypoints import Annotations

Pair = tuple[str, str]  # names of condition and target image

TORSO = (2, 5, 8, 11)  # both shoulders and both hips


def usable(keypoints: np.ndarray) -> np.ndarray:
    """Which poses can be condition or target: those with both shoulders and both hips seen.

    Args:
        keypoints: (N, 18, 2) pixels, NaN = missing.

    Returns:
        (N,) bool.
    """
    return np.isfinite(keypoints[:, TORSO]).all(axis=(1, 2))


def make_pairs(annotations: Annotations, pids: Mapping[str, int]) -> np.ndarray:
    """Every ordered pair of usable images of one person.

    Persons are in the order of their first usable image, the images of a person in the order of the file.

    Returns:
        (M, 2) int64 rows of `annotations`: condition, target.
    """
    rows_of: dict[int, list[int]] = {}
    for row in np.flatnonzero(usable(annotations.keypoints)).tolist():
        pid = pids[annotations.names[row]]
        if pid not in (JUNK_PID, DISTRACTOR_PID):
            rows_of.setdefault(pid, []).append(row)
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for rows in map(np.array, rows_of.values()):
        first, second = np.nonzero(~np.eye(len(rows), dtype=bool))
        pairs.append(np.stack([rows[first], rows[second]], axis=1))
    return np.concatenate(pairs)


def draw_pairs(pairs: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw pairs without replacement; 12,000 with seed 0 are the published test pairs of Market-1501.

    Args:
        pairs: (M, 2) int64, all pairs.
        count: how many.
        seed: of numpy's RandomState, whose stream is frozen.

    Returns:
        (count, 2) int64, in the order of the draw.

    Raises:
        ReidAugError: there are fewer.
    """
    if not 0 < count <= len(pairs):
        raise ReidAugError(f"cannot draw {count} pairs; expected 1 to {len(pairs)}, the number of all pairs")
    return pairs[np.random.RandomState(seed).choice(len(pairs), count, replace=False)]


def write_pairs(path: Path, names: Sequence[str], pairs: np.ndarray) -> None:
    """Write the public pairs CSV (`from,to`), whole or not at all.

    Args:
        names: of the images.
        pairs: (M, 2) int64 rows of `names`: condition, target.
    """
    rows = [f"{names[condition]},{names[target]}" for condition, target in pairs.tolist()]
    atomic_write(path, "\n".join(["from,to", *rows]) + "\n")


def read_pairs(path: Path, check_name: Callable[[str], object] | None = None) -> list[Pair]:
    """Read a pairs CSV.

    Args:
        check_name: raises ReidAugError for a name that is not allowed.

    Returns:
        (condition, target) image names, in `.jpg` whatever the file says; the first pair is in line 2.

    Raises:
        ReidAugError: no such file, another header, no rows, or a broken row (with its line number).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ReidAugError(f"no pairs file {path}; `reidaug pairs` writes one") from None
    except UnicodeDecodeError:
        raise ReidAugError(f"{path} is not a text file; expected a CSV with the header 'from,to'") from None
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise ReidAugError(f"{path} is no CSV ({error}); expected the header 'from,to'") from None
    if not rows or rows[0] != ["from", "to"]:
        raise ReidAugError(f"{path} line 1: expected the header 'from,to'")
    pairs: list[Pair] = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2:
            raise ReidAugError(f"{path} line {number}: {len(row)} fields, expected two image names")
        try:
            row = list(map(jpg_name, row))
            if check_name:
                for name in row:
                    check_name(name)
        except ReidAugError as error:
            raise ReidAugError(f"{path} line {number}: {error}") from None
        pairs.append((row[0], row[1]))
    if not pairs:
        raise ReidAugError(f"{path} has a header but no pairs")
    return pairs


def refuse_pairs(path: Path, pairs: Sequence[Pair], allowed: Collection[str], what: str) -> None:
    """Refuse pairs of images that are not allowed.

    Args:
        path: the file that the pairs were read from.
        pairs: all of its pairs, the first from line 2.
        allowed: the image names that a pair may have.
        what: what is wrong with other names, and what to do.

    Raises:
        ReidAugError: there is such a pair; the message names the line of the first and counts them.
    """
    bad = [line for line, pair in enumerate(pairs, start=2) if not all(name in allowed for name in pair)]
    if bad:
        name = next(name for name in pairs[bad[0] - 2] if name not in allowed)
        count = f"{len(bad):,} of {len(pairs):,} pairs" if len(bad) > 1 else "the only such pair"
        raise ReidAugError(f"{path} line {bad[0]}: {name} {what} ({count})")


def pair_name(pair: Pair) -> str:
    """The name that PATN and PoNA give to the file with the generated image of a pair."""
    return f"{pair[0]}___{pair[1]}.png"
