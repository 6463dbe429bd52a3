"""Complete a training set: kept images byte for byte, missing ones generated, then query, gallery and tables."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL.Image

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, write_image
from reidaug.core.left_overs import left_overs, remove_left_overs
from reidaug.core.locks import locked
from reidaug.datasets.dataset import Dataset, Image
from reidaug.datasets.images import read_image, read_images
from reidaug.datasets.keypoints import FILES, Annotations, find_annotations, write_annotations
from reidaug.datasets.market1501 import split_folder
from reidaug.study.plan import PlanRow, manifest_rows, write_manifest
from reidaug.study.query_gallery import add_query_and_gallery
from reidaug.study.records import SYNTHESIS, SynthesisRecord, write_record
from reidaug.synthesis.painter import Painter
from reidaug.synthesis.request import SynthesisOptions

JPEG_QUALITY = 95


@dataclass(frozen=True, eq=False)
class CompletedSet:
    """A set to complete: its folder, and what it is made of."""

    root: Path  # the Market-1501 root to fill
    home: Path  # the folder of its record and its locks
    data: Dataset  # the original data set
    plan: Sequence[PlanRow]  # without dropped images
    annotations: Annotations  # keypoints of the original images
    options: SynthesisOptions

    def __post_init__(self) -> None:
        """Raises ReidAugError if the plan names images that the data set does not have."""
        wanted = {row.condition or row.name for row in self.plan} | {row.pose for row in self.plan if row.pose}
        if gone := sorted(wanted - self.original.keys()):
            raise ReidAugError(
                f"the plan of {self.root} names {gone[0]}, which is no training image of {self.data.root}: restore the "
                "plan, or make the set again with --force"
            )

    @property
    def folder(self) -> Path:
        """The folder of the training images."""
        return split_folder(self.root, "train")

    @cached_property
    def original(self) -> dict[str, Image]:
        """The original training images, by name."""
        return {image.name: image for image in self.data.images("train")}

    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of the first image, which all generated ones must have."""
        height, width = read_image(self.original[self.plan[0].name].path).shape[:2]
        return height, width

    def share(self, rank: int, world: int) -> list[PlanRow]:
        """The rows of one of several processes: its share of the kept, the copied and the generated images."""
        groups = [[row for row in self.plan if row.action == action] for action in ("keep", "copy", "generate")]
        return [row for group in groups for row in group[rank::world]]

    def missing(self, rows: Sequence[PlanRow]) -> list[PlanRow]:
        """The rows whose image does not exist yet."""
        existing = {entry.name for entry in os.scandir(self.folder)}
        return [row for row in rows if row.name not in existing]

    def fill(self, rows: Sequence[PlanRow], painter: Painter, advance: Callable[[int], None]) -> int:
        """Writes the images of the rows, generated ones last; returns how many are generated."""
        to_generate = [row for row in rows if row.action == "generate"]
        to_copy = [row for row in rows if row.action != "generate"]
        for done, row in enumerate(to_copy, start=1):
            source = self.original[row.condition or row.name]
            atomic_write(self.folder / row.name, source.path.read_bytes())
            advance(done)
        for done in self._generate(to_generate, painter):
            advance(len(to_copy) + done)
        return len(to_generate)

    def _generate(self, rows: Sequence[PlanRow], painter: Painter) -> Iterator[int]:
        """Generates batch by batch; yields how many images are done."""
        if not rows:
            return
        count, size = self.options.batch_size, self.size()
        rows = sorted(rows, key=lambda row: row.condition)  # a batch encodes a condition image once for all its poses

        def write(row: PlanRow, image: np.ndarray) -> None:
            write_image(self.folder / row.name, PIL.Image.fromarray(image), "JPEG", quality=JPEG_QUALITY)

        with ThreadPoolExecutor(2) as writers:
            for start in range(0, len(rows), count):
                batch = rows[start : start + count]
                conditions, of = np.unique([row.condition for row in batch], return_inverse=True)
                names = conditions.tolist()
                images = painter.generate(
                    read_images([self.original[name].path for name in names], size),
                    self.annotations.select(names),
                    self.annotations.select([row.target for row in batch]),
                    of,
                )
                list(writers.map(write, batch, images))
                yield start + len(batch)

    def finish(self, record: SynthesisRecord) -> bool:
        """Adds query, gallery, keypoint files, record and manifest once every image exists; returns whether."""
        if self.missing(self.plan):
            return False
        with locked(self.home / ".lock-finish", f"the manifest of {self.home}", wait=True):
            remove_left_overs(left_overs(self.folder))
            add_query_and_gallery(self.root, self.data, self.options.copy)
            # The original keypoints in their order, then those of new images; a copy has those of its condition image.
            shown = {row.name: row.condition if row.action == "copy" else row.target for row in self.plan}
            names = [name for name in self.annotations.names if name in shown]
            names += [row.name for row in self.plan if row.pose]
            keypoints = self.annotations.select([shown[name] for name in names])
            write_annotations(self.root / FILES["train"], names, keypoints)
            with suppress(ReidAugError):  # optional: only the test pairs of generators need it
                test = find_annotations(self.data.root, "test").read_bytes()
                atomic_write(self.root / FILES["test"], test)
            write_record(self.home / SYNTHESIS, record)
            write_manifest(self.root / "manifest.csv", manifest_rows(self.plan))
        return True
