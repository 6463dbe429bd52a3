"""Generated images as a table: one person in many poses, many persons in one pose, or pairs (Figures 3-8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from reidaug.core.files import check_out
from reidaug.datasets.posed_images import PosedImages
from reidaug.reports.choice import choose_crossed, choose_pairs
from reidaug.reports.request import GridRequest
from reidaug.reports.tiles import TileRow, fit_screen, pose_image, save_tiles
from reidaug.synthesis.painter import PaintedImages, checkpoint_file

BATCH = 32  # images at a time


@dataclass(frozen=True, eq=False)
class _Samples:
    source: PosedImages
    persons: list[str]
    poses: list[str]
    generated: dict[str, dict[tuple[str, str], np.ndarray]]  # by label of the checkpoint, by condition and target

    def image(self, name: str) -> np.ndarray:
        return np.asarray(self.source.images([name])[0])

    def pose(self, name: str) -> np.ndarray:
        height, width = self.image(name).shape[:2]
        return pose_image(self.source.keypoints([name])[0], (height, width))


def draw_grid(source: PosedImages, request: GridRequest, out: Path) -> tuple[list[str], list[str]]:
    """Generates images and writes the picture.

    Args:
        source: the data set.
        request: which people and poses, and how they are laid out.
        out: the PNG.

    Returns:
        The names of the condition images and of the target images; in the layout `pairs` they are paired in order.

    Raises:
        ReidAugError: nowhere to write, a name that is unknown or has no usable pose, or nobody to draw.
        PoNAError: a file that is no checkpoint.
    """
    check_out(out)
    checkpoints = list(dict.fromkeys(map(checkpoint_file, request.checkpoints)))
    if request.layout == "pairs":
        persons, poses = choose_pairs(source, request.persons, request.poses, request.count, request.seed)
        pairs = list(zip(persons, poses, strict=True))
    else:
        counts = (1, request.count) if request.layout == "poses" else (request.count, 1)
        persons, poses = choose_crossed(source, request.persons, request.poses, counts, request.seed)
        pairs = [(person, pose) for person in persons for pose in poses]
    generated = {}
    for label, checkpoint in zip(_labels(checkpoints), checkpoints, strict=True):
        painter = PaintedImages(checkpoint, source, request.device, precision="fp32")
        batches = [painter.images(pairs[start : start + BATCH]) for start in range(0, len(pairs), BATCH)]
        generated[label] = dict(zip(pairs, chain.from_iterable(batches), strict=True))
    layouts = {"poses": _save_poses, "persons": _save_persons, "pairs": _save_pairs}
    layouts[request.layout](_Samples(source, persons, poses, generated), out)
    return persons, poses


def _labels(checkpoints: Sequence[Path]) -> list[str]:
    """File names, or paths if two names are the same."""
    names = [path.name for path in checkpoints]
    return names if len(set(names)) == len(names) else [str(path) for path in checkpoints]


def _save_poses(samples: _Samples, out: Path) -> None:
    """A column for each pose; a row for each person and generator."""
    top = [None, *map(samples.pose, samples.poses)]
    rows = [
        TileRow([samples.image(person), *(images[person, pose] for pose in samples.poses)], f"{label}: {person}")
        for person in samples.persons
        for label, images in samples.generated.items()
    ]
    _save(out, rows, ["condition", *samples.poses], top=top)


def _save_persons(samples: _Samples, out: Path) -> None:
    """A row for each person; a column for each pose and generator."""
    columns = [(pose, label) for pose in samples.poses for label in samples.generated]
    top = [None, *(samples.pose(pose) for pose, _ in columns)]
    rows = [
        TileRow([samples.image(person), *(samples.generated[label][person, pose] for pose, label in columns)], person)
        for person in samples.persons
    ]
    title = f"in the pose of {', '.join(samples.poses)}"
    _save(out, rows, ["condition", *(label for _, label in columns)], title, top)


def _save_pairs(samples: _Samples, out: Path) -> None:
    """A row for each pair, with the real target image if it shows the same person."""
    rows, person_of = [], samples.source.person
    for person, pose in zip(samples.persons, samples.poses, strict=True):
        same = person_of(person) is not None and person_of(person) == person_of(pose)
        generated = [images[person, pose] for images in samples.generated.values()]
        real = samples.image(pose) if same else None
        rows.append(TileRow([samples.image(person), samples.pose(pose), *generated, real], f"{person} as {pose}"))
    _save(out, rows, ["condition", "target pose", *samples.generated, "real"])


def _save(
    out: Path, rows: Sequence[TileRow], headings: Sequence[str], title: str = "", top: Sequence[np.ndarray | None] = ()
) -> None:
    width = next(image.shape[1] for image in rows[0].images if image is not None)
    scale, groups = fit_screen(len(headings), len(rows), width)
    save_tiles(out, rows, headings, title=title, top=top, groups=groups, scale=scale, apart=True)
