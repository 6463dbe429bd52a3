"""The images of a data set with their poses, by name: for the commands that look at what a generator paints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets import deepfashion
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import Annotations, find_annotations, has_annotations, read_annotations
from reidaug.datasets.market1501 import ANNOTATION_FILES, DISTRACTOR_PID, JUNK_PID, find_root, parse_name, split_folder
from reidaug.datasets.pairs import draw_pairs, make_pairs, usable

NOBODY = Annotations((), np.empty((0, 18, 2), dtype=np.float32))
PUBLISHED_PAIRS = 12_000  # of Market-1501, drawn with seed 0


@dataclass(frozen=True, eq=False)
class PosedImages:
    """Images of every split that have keypoints."""

    root: Path  # of the data set
    paths: dict[str, Path]  # by name; test images first
    annotations: Annotations  # theirs and no others'
    train: tuple[Path, ...]  # the training images, also those without keypoints
    test_pairs: Callable[[], list[tuple[str, str]]]  # (condition, target) names of people whom no generator trains on
    person: Callable[[str], object]  # whom an image shows, by name; None = junk or a distractor
    read: Callable[[Sequence[Path]], np.ndarray]  # paths -> (N, H, W, 3) uint8 RGB of one size
    border: int = 0  # columns of white that the field's image metrics put on each side

    def images(self, names: Sequence[str]) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB.

        Raises:
            ReidAugError: a name is not known, or an image cannot be read or has another size than the others.
        """
        self.check(names)
        return self.read([self.paths[name] for name in names])

    def keypoints(self, names: Sequence[str]) -> np.ndarray:
        """(N, 18, 2) float32, (x, y) in pixels, NaN = missing.

        Raises:
            ReidAugError: a name is not known.
        """
        self.check(names)
        return self.annotations.select(names)

    def check(self, names: Sequence[str]) -> None:
        """Raises ReidAugError for a name that is no image with keypoints."""
        for name in names:
            if name not in self.paths:
                example = next(iter(self.paths))
                raise ReidAugError(
                    f"no image {name!r} with keypoints in {self.root}; expected a file name, such as {example}"
                )

    def usable(self) -> list[str]:
        """The names of the images with both shoulders and both hips, test images first."""
        posed = dict(zip(self.annotations.names, usable(self.annotations.keypoints).tolist(), strict=True))
        return [name for name in self.paths if posed[name]]


def find_posed_images(data: Path) -> PosedImages:
    """The images with keypoints of a Market-1501 root, or of a DeepFashion folder in the public layout.

    Reads keypoint files and folders, no image.

    Raises:
        ReidAugError: it is neither, or has no keypoint file, a broken one, or no image with keypoints.
    """
    return _fashion(data) if deepfashion.is_root(data) else _market(data)


def _market(data: Path) -> PosedImages:
    root = find_root(data)
    paths: dict[str, Path] = {}
    known: list[Annotations] = []
    for file, splits in (("test", ("gallery", "query")), ("train", ("train",))):
        if not has_annotations(root, file):
            known += [NOBODY] * len(splits)
            continue
        annotations = read_annotations(find_annotations(root, file))
        for split in splits:
            folder = split_folder(root, split)
            known.append(annotations.only({path.name for path in folder.glob("*.jpg")} - paths.keys()))
            paths |= {name: folder / name for name in known[-1].names}
    if not paths:
        raise ReidAugError(
            f"no image in {root} has keypoints; expected {' or '.join(ANNOTATION_FILES.values())} in it or beside it, "
            "with a row for each image"
        )
    gallery = known[0]

    def test_pairs() -> list[tuple[str, str]]:
        pairs = make_pairs(gallery)
        if not len(pairs):
            raise ReidAugError(f"no person in {split_folder(root, 'gallery')} has two images with a usable pose")
        chosen = draw_pairs(pairs, PUBLISHED_PAIRS, seed=0) if len(pairs) > PUBLISHED_PAIRS else pairs
        return [(gallery.names[condition], gallery.names[target]) for condition, target in chosen.tolist()]

    train = tuple(sorted(split_folder(root, "train").glob("*.jpg")))
    return PosedImages(root, paths, _join(known), train, test_pairs, _market_person, read_images)


def _market_person(name: str) -> int | None:
    pid = parse_name(name).pid
    return None if pid in (JUNK_PID, DISTRACTOR_PID) else pid


def _fashion(root: Path) -> PosedImages:
    splits = deepfashion.posed_splits(root)
    paths = {name: folder / name for folder, known in splits for name in known.names}
    if not paths:
        raise ReidAugError(f"no image of train/ or test/ in {root} has a row in its keypoint file")
    return PosedImages(
        root,
        paths,
        _join([known for _, known in splits]),
        tuple(sorted((root / "train").glob("*.jpg"))),
        lambda: deepfashion.published_pairs(root, "test"),
        deepfashion.person_of,
        deepfashion.read_fashion_images,
        deepfashion.BORDER,
    )


def _join(parts: Sequence[Annotations]) -> Annotations:
    names = tuple(name for part in parts for name in part.names)
    return Annotations(names, np.concatenate([part.keypoints for part in parts]))
