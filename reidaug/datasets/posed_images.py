"""The images of a data set with their poses, by name: for the commands that examine generated images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Dataset, Image
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import (
    COVERED,
    FILES,
    Annotations,
    find_annotations,
    has_annotations,
    read_annotations_of,
)
from reidaug.datasets.pairs import Pair, draw_pairs, make_pairs, usable

PUBLISHED_PAIRS = 12_000  # of Market-1501, drawn with seed 0


@dataclass(frozen=True, eq=False)
class PosedImages:
    """Images of every split that have keypoints."""

    root: Path  # of the data set
    by_name: dict[str, Image]  # test images first
    annotations: Annotations  # of these images only
    train: tuple[Path, ...]  # the training images, also those without keypoints
    test_pairs: Callable[[], list[Pair]]  # of people that no generator trains on
    read: Callable[[Sequence[Path]], np.ndarray] = read_images  # paths -> (N, H, W, 3) uint8 RGB of one size
    border: int = 0  # white columns that published image metrics add on each side

    def images(self, names: Sequence[str]) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB.

        Raises:
            ReidAugError: an unknown name, or an image that cannot be read or has another size than the others.
        """
        self.check(names)
        return self.read([self.by_name[name].path for name in names])

    def keypoints(self, names: Sequence[str]) -> np.ndarray:
        """(N, 18, 2) float32, (x, y) in pixels, NaN = missing.

        Raises:
            ReidAugError: an unknown name.
        """
        self.check(names)
        return self.annotations.select(names)

    def person(self, name: str) -> int | None:
        """The person in an image; None = junk or a distractor."""
        image = self.by_name[name]
        return image.pid if image.shows_known_person else None

    def check(self, names: Sequence[str]) -> None:
        """Raises ReidAugError for a name that is not an image with keypoints."""
        for name in names:
            if name not in self.by_name:
                example = next(iter(self.by_name))
                raise ReidAugError(
                    f"no image {name!r} with keypoints in {self.root}; expected a file name, such as {example}"
                )

    def usable(self) -> list[str]:
        """The names of the images with both shoulders and both hips, test images first."""
        posed = dict(zip(self.annotations.names, usable(self.annotations.keypoints).tolist(), strict=True))
        return [name for name in self.by_name if posed[name]]


def posed_images(data: Dataset) -> PosedImages:
    """The images with keypoints of a data set; the pairs of the gallery are the test pairs, as for Market-1501.

    Reads keypoint files, folders and the sizes of images.

    Raises:
        ReidAugError: no keypoint file, a broken one or one of other images, or no image with keypoints.
    """
    by_name: dict[str, Image] = {}
    parts: list[Annotations] = []
    gallery = Annotations((), np.empty((0, 18, 2), dtype=np.float32))
    for file in ("test", "train"):
        if not has_annotations(data.root, file):
            continue
        path = find_annotations(data.root, file)
        for split in filter(data.has, COVERED[file]):
            new = {image.name: image for image in data.images(split) if image.name not in by_name}
            parts.append(read_annotations_of(path, list(new.values())))
            by_name |= {name: new[name] for name in parts[-1].names}
            gallery = parts[-1] if split == "gallery" else gallery
    if not by_name:
        raise ReidAugError(
            f"no image in {data.root} has keypoints; expected {' or '.join(FILES.values())} in it or beside it, with a "
            "row for each image"
        )

    def test_pairs() -> list[Pair]:
        pairs = make_pairs(gallery, {name: by_name[name].pid for name in gallery.names})
        if not len(pairs):
            raise ReidAugError(f"nobody in the gallery of {data.root} has two images with a usable pose")
        chosen = draw_pairs(pairs, PUBLISHED_PAIRS, seed=0) if len(pairs) > PUBLISHED_PAIRS else pairs
        return [(gallery.names[condition], gallery.names[target]) for condition, target in chosen.tolist()]

    train = tuple(image.path for image in data.look_at("train")[0])
    return PosedImages(data.root, by_name, join_annotations(parts), train, test_pairs)


def join_annotations(parts: Sequence[Annotations]) -> Annotations:
    """The rows of several annotations, one after another."""
    names = tuple(name for part in parts for name in part.names)
    return Annotations(names, np.concatenate([part.keypoints for part in parts]))
