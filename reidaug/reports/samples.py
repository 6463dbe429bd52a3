"""What generators paint as a table of images: one person in many poses, many persons in one, pairs (Figures 3-8)."""

from collections.abc import Sequence
from dataclasses import dataclass
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
class _Painted:
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
    """Paints, and writes the picture.

    Args:
        source: the data set.
        request: which people and poses, and how they are laid out.
        out: the PNG.

    Returns:
        The names of the condition images and of the target images; in the layout `pairs` they go together.

    Raises:
        ReidAugError: nowhere to write, a name that is not known or has no usable pose, or nobody to draw.
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
    generated = {
        label: dict(zip(pairs, paint(source, checkpoint, pairs, request.device), strict=True))
        for label, checkpoint in zip(_labels(checkpoints), checkpoints, strict=True)
    }
    layouts = {"poses": _save_poses, "persons": _save_persons, "pairs": _save_pairs}
    layouts[request.layout](_Painted(source, persons, poses, generated), out)
    return persons, poses


def paint(source: PosedImages, checkpoint: Path, pairs: Sequence[tuple[str, str]], device: str) -> list[np.ndarray]:
    """What a generator makes of (condition, target) names, in fp32: (H, W, 3) uint8 RGB each."""
    painter = PaintedImages(checkpoint, source, device, precision="fp32")
    return [image for start in range(0, len(pairs), BATCH) for image in painter.images(pairs[start : start + BATCH])]


def _labels(checkpoints: Sequence[Path]) -> list[str]:
    """File names, with their folders where two are the same."""
    names = [path.name for path in checkpoints]
    return names if len(set(names)) == len(names) else [str(path) for path in checkpoints]


def _save_poses(painted: _Painted, out: Path) -> None:
    """A column for each pose; a row for each person and generator."""
    top = [None, *(painted.pose(pose) for pose in painted.poses)]
    rows = [
        TileRow([painted.image(person), *(images[person, pose] for pose in painted.poses)], f"{label}: {person}")
        for person in painted.persons
        for label, images in painted.generated.items()
    ]
    _save(out, rows, ["condition", *painted.poses], top=top)


def _save_persons(painted: _Painted, out: Path) -> None:
    """A row for each person; a column for each pose and generator."""
    columns = [(pose, label) for pose in painted.poses for label in painted.generated]
    top = [None, *(painted.pose(pose) for pose, _ in columns)]
    rows = [
        TileRow([painted.image(person), *(painted.generated[label][person, pose] for pose, label in columns)], person)
        for person in painted.persons
    ]
    title = f"in the pose of {', '.join(painted.poses)}"
    _save(out, rows, ["condition", *(label for _, label in columns)], title, top)


def _save_pairs(painted: _Painted, out: Path) -> None:
    """A row for each pair, with the real target image where it shows the same person."""
    rows, person_of = [], painted.source.person
    for pair in zip(painted.persons, painted.poses, strict=True):
        person, pose = pair
        same = person_of(person) is not None and person_of(person) == person_of(pose)
        generated = [images[pair] for images in painted.generated.values()]
        real = painted.image(pose) if same else None
        rows.append(TileRow([painted.image(person), painted.pose(pose), *generated, real], f"{person} as {pose}"))
    _save(out, rows, ["condition", "target pose", *painted.generated, "real"])


def _save(
    out: Path,
    rows: Sequence[TileRow],
    headings: Sequence[str],
    title: str = "",
    top: Sequence[np.ndarray | None] = (),
) -> None:
    width = next(image.shape[1] for image in rows[0].images if image is not None)
    scale, groups = fit_screen(len(headings), len(rows), width)
    save_tiles(out, rows, headings, title=title, top=top, groups=groups, scale=scale, apart=True)
