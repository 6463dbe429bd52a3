"""Read and write the public keypoint CSV: the only module that knows (y, x) order and -1 for a missing joint.

One row per image: `name: [y0, ..., y17]: [x0, ..., x17]`, below the header `name:keypoints_y:keypoints_x`: the format
of PATN (Zhu et al., CVPR 2019), which PoNA shares. In memory: (x, y) in pixels, NaN = missing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.core.fingerprint import fingerprint, refuse_pipe
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import Image, jpg_name
from reidaug.datasets.images import image_size

SLACK = 5  # pixels by which an estimated joint may lie outside its image

FILES = {"train": "market-annotation-train.csv", "test": "market-annotation-test.csv"}  # in a data set's root
COVERED = {"train": ("train",), "test": ("gallery", "query")}  # the splits whose images each file covers
HEADER = "name:keypoints_y:keypoints_x"
JOINTS = 18
MISSING = -1


@dataclass(frozen=True, eq=False)
class Annotations:
    """Keypoints by image name, in file order."""

    names: tuple[str, ...]  # file names without a folder, each once
    keypoints: np.ndarray  # (N, 18, 2) float32, (x, y) in pixels, NaN = missing (both)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each name."""
        return {name: row for row, name in enumerate(self.names)}

    def select(self, names: Sequence[str]) -> np.ndarray:
        """The keypoints of some images: (len(names), 18, 2) float32; an image without a row is all NaN."""
        rows = np.array([self.index.get(name, -1) for name in names], dtype=np.int64)
        keypoints = np.full((len(rows), JOINTS, 2), np.nan, dtype=np.float32)
        keypoints[rows >= 0] = self.keypoints[rows[rows >= 0]]
        return keypoints

    def fingerprint(self, names: Sequence[str]) -> str:
        """Digest of the keypoints of some images, in their order; no row is the same as no joint."""
        return fingerprint(self.select(names).tobytes())

    def in_jpg(self, path: Path) -> "Annotations":
        """The same with the names that images of a data set have, which end in `.jpg`.

        Args:
            path: the file that the rows were read from, for messages.

        Raises:
            ReidAugError: two rows would have one name.
        """
        names = tuple(map(jpg_name, self.names))
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ReidAugError(f"{path} has two rows for {twice}, which differ in the ending: remove one")
        return Annotations(names, self.keypoints)

    def only(self, names: Iterable[str]) -> "Annotations":
        """The rows of some images, in file order; those without a row are skipped."""
        wanted = set(names)
        rows = np.array([row for row, name in enumerate(self.names) if name in wanted], dtype=np.int64)
        return Annotations(tuple(self.names[row] for row in rows), self.keypoints[rows])


@dataclass(frozen=True)
class RowProblem:
    """One broken row."""

    line: int  # from 1, the header is line 1
    message: str  # what is wrong with it


def parse_annotations(path: Path) -> tuple[Annotations, list[RowProblem]]:
    """Read the good rows of a keypoint CSV.

    Returns:
        The good rows, and a problem for each broken one in file order.

    Raises:
        ReidAugError: no such file, not a text file, or another header.
    """
    refuse_pipe(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise ReidAugError(f"no keypoint file {path}") from None
    except UnicodeDecodeError:
        raise ReidAugError(f"{path} is not a text file; expected a keypoint CSV with the header '{HEADER}'") from None
    if lines[0].strip() != HEADER:
        raise ReidAugError(f"{path} line 1: the header is '{lines[0].strip()[:60]}', expected '{HEADER}'")
    first_line: dict[str, int] = {}
    coordinates: list[tuple[list[float], list[float]]] = []
    problems: list[RowProblem] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            name, ys, xs = parse_row(line)
            if name in first_line:
                raise ValueError(f"{name} is in line {first_line[name]} already")
        except ValueError as error:
            problems.append(RowProblem(number, str(error)))
        else:
            first_line[name] = number
            coordinates.append((xs, ys))
    keypoints = np.array(coordinates, dtype=np.float32).reshape(-1, 2, JOINTS).transpose(0, 2, 1).copy()
    keypoints[(keypoints == MISSING).any(axis=2)] = np.nan
    return Annotations(tuple(first_line), keypoints), problems


def read_annotations(path: Path) -> Annotations:
    """Read a keypoint CSV in which every row must be valid.

    Raises:
        ReidAugError: no such file, another header, no rows, or broken rows (how many, and the first).
    """
    annotations, problems = parse_annotations(path)
    if problems:
        more = f" (and {len(problems) - 1} more broken rows; `reidaug inspect` lists them)" if len(problems) > 1 else ""
        raise ReidAugError(f"{path} line {problems[0].line}: {problems[0].message}{more}")
    if not annotations.names:
        raise ReidAugError(f"{path} has a header but no rows")
    return annotations


def read_annotations_of(path: Path, images: Sequence[Image]) -> Annotations:
    """Read the keypoints of some images, and check that they can belong to them; images are not decoded.

    Returns:
        The rows of these images, in file order; there may be none. A row may name the file in its own ending.

    Raises:
        ReidAugError: as `read_annotations` and `count_outside`, or an image whose size cannot be read.
    """
    paths = {image.name: image.path for image in images}
    annotations = read_annotations(path).in_jpg(path).only(paths)
    sizes = in_threads(lambda name: image_size(paths[name]), annotations.names)
    count_outside(annotations, path, np.array(sizes, dtype=np.int64).reshape(-1, 2))
    return annotations


def write_annotations(path: Path, names: Iterable[str], keypoints: np.ndarray) -> None:
    """Write a keypoint CSV in the public format, whole or not at all; arguments and errors as `format_annotations`.

    Whole numbers give exactly the bytes of the public file.
    """
    atomic_write(path, format_annotations(list(names), keypoints))


def format_annotations(names: Sequence[str], keypoints: np.ndarray) -> str:
    """The text of a keypoint CSV.

    Args:
        names: N file names without a folder.
        keypoints: (N, 18, 2), (x, y) in pixels, NaN = missing.

    Raises:
        ReidAugError: another shape, or a seen joint at -1, which in this format means missing.
    """
    if keypoints.shape != (len(names), JOINTS, 2):
        raise ReidAugError(f"keypoints have shape {keypoints.shape}, expected ({len(names)}, {JOINTS}, 2)")
    seen = np.isfinite(keypoints).all(axis=2)
    if (keypoints[seen] == MISSING).any():
        raise ReidAugError("a seen joint is at -1, which means missing in the CSV; drop joints outside the image")
    return "\n".join([HEADER, *format_rows(names, keypoints)]) + "\n"


def format_rows(names: Sequence[str], keypoints: np.ndarray) -> list[str]:
    """The rows of a keypoint CSV, without line ends: N names, and (N, 18, 2) pixels with NaN = missing."""
    seen = np.isfinite(keypoints).all(axis=2)
    marked = np.where(seen[..., None], keypoints, MISSING).astype(np.float32)
    whole = (marked == np.rint(marked)).all()
    values = marked.astype(np.int64).tolist() if whole else [[[_plain(v) for v in p] for p in row] for row in marked]
    return [f"{name}: {[p[1] for p in row]}: {[p[0] for p in row]}" for name, row in zip(names, values, strict=True)]


def find_annotations(root: Path, split: str) -> Path:
    """The keypoint CSV of a data set: in its root folder, else beside it.

    Args:
        root: the data set's root.
        split: train, or test (gallery, and query if the file covers it).

    Raises:
        ReidAugError: there is none.
    """
    for path in _candidates(root, split):
        if path.is_file():
            return path
    place = root if root.is_dir() else root.parent
    raise ReidAugError(
        f"no {FILES[split]} in {root} or beside it; put the public keypoint file of the data set there, or estimate "
        f"it: reidaug pose {root} --split {split} --out {place / FILES[split]}"
    )


def has_annotations(root: Path, split: str) -> bool:
    """Whether a data set has the keypoint CSV of a split."""
    return any(path.is_file() for path in _candidates(root, split))


def _candidates(root: Path, split: str) -> list[Path]:
    return [folder / FILES[split] for folder in (root, root.absolute().parent)]


def parse_row(line: str) -> tuple[str, list[float], list[float]]:
    """Name, ys and xs of one row of a keypoint CSV; ValueError says what is wrong."""
    fields = line.strip().split(":")
    if len(fields) != 3:
        raise ValueError(f"{len(fields)} fields separated by ':', expected 3 (name, ys, xs): {line.strip()[:60]!r}")
    name = fields[0].strip()
    if not name:
        raise ValueError("the image name is empty")
    return name, _parse_list(name, "keypoints_y", fields[1]), _parse_list(name, "keypoints_x", fields[2])


def _parse_list(name: str, column: str, text: str) -> list[float]:
    try:
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(f"{name}: {column} is not a list of numbers: {text.strip()[:40]!r}") from None
    if not isinstance(values, list) or len(values) != JOINTS:
        content = f"{len(values)} numbers" if isinstance(values, list) else repr(values)[:40]
        raise ValueError(f"{name}: {column} holds {content}, expected {JOINTS}")
    if not are_coordinates(values):
        raise ValueError(f"{name}: {column} holds something other than pixel coordinates")
    return values


def are_coordinates(values: Sequence[object]) -> bool:
    """Whether values from JSON are all numbers that can be pixel coordinates."""
    # json reads NaN, Infinity and 10**400 too; a bool is an int by inheritance only.
    return all(type(value) in (int, float) and -1e6 < value < 1e6 for value in values)  # type: ignore[operator]


def _plain(value: np.float32) -> float | int:
    """The shortest number that reads back as the same float32."""
    return int(value) if value == int(value) else float(str(value))


def count_outside(
    annotations: Annotations, path: Path, size: tuple[int, int] | np.ndarray, first_column: int = 0
) -> int:
    """Count joints outside their image, and refuse those too far outside to come from rounding, and fractions of 1.

    The published files of Market-1501 have none, so a joint far outside means images of another size, or a file with
    x first.

    Args:
        annotations: of the images that are used, (x, y) in pixels.
        path: the file that they were read from.
        size: (height, width) in pixels of all images, or (N, 2) of each.
        first_column: of the image, in pixels of the keypoints.

    Returns:
        How many joints lie up to `SLACK` pixels outside.

    Raises:
        ReidAugError: a joint lies farther outside (the message names the line of the first and counts them), or all
            lie in the first pixel.
    """
    if np.isfinite(annotations.keypoints).any() and 0 < np.nanmax(annotations.keypoints) <= 1:
        raise ReidAugError(f"{path}: all coordinates lie between 0 and 1, expected pixels")
    x, y = annotations.keypoints[..., 0], annotations.keypoints[..., 1]
    rows, columns = np.broadcast_to(np.asarray(size), (len(annotations), 2)).T[..., None]
    last = first_column + columns - 1
    beyond = np.maximum.reduce([first_column - x, x - last, -y, y - (rows - 1)])  # NaN where missing
    far = np.argwhere(beyond > SLACK)
    if len(far):
        from pona.keypoints import JOINTS

        row, joint = far[0].tolist()
        name = annotations.names[row]
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        line = next(
            n for n, text in enumerate(lines, start=1) if jpg_name(text.split(":")[0].strip()) == jpg_name(name)
        )
        raise ReidAugError(
            f"{path} line {line}: the {JOINTS[joint]} of {name} lies at x = {x[row, joint]:g}, "
            f"y = {y[row, joint]:g}, expected x {first_column} to {last[row, 0]} and y 0 to {rows[row, 0] - 1} "
            f"({len(far):,} such joints): is this the keypoint file of images of another size, or x first in it?"
        )
    return int((beyond > 0.5).sum())
