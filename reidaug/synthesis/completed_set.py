"""A training set while it is completed: kept images byte for byte, missing ones painted, and what goes with them."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, link_or_copy_folder, locked, write_image
from reidaug.datasets.images import read_image, read_images
from reidaug.datasets.keypoints import Annotations, find_annotations, write_annotations
from reidaug.datasets.market1501 import ANNOTATION_FILES, split_folder
from reidaug.study.plan import PlanRow, manifest_rows, write_manifest

JPEG_QUALITY = 95


@dataclass(frozen=True)
class SynthesisOptions:
    """How a set is painted; none of it changes which images are painted."""

    name: str = "pona"  # folder of the set and its row in the table
    batch_size: int = 32  # images per forward pass
    copy: bool = False  # copy query and gallery instead of linking them
    force: bool = False  # replace a set that another generator made
    device: str = "auto"  # auto, cpu, cuda, cuda:N
    precision: str = "auto"  # auto, fp32, bf16 or fp16


@dataclass(frozen=True)
class CompletedSet:
    """What a set is made of, and where."""

    root: Path  # the Market-1501 root that is filled
    data: Path  # the one that its images are of
    plan: Sequence[PlanRow]  # without what is dropped
    annotations: Annotations  # keypoints of all images of the plan
    options: SynthesisOptions

    @property
    def folder(self) -> Path:
        return split_folder(self.root, "train")

    @property
    def source(self) -> Path:
        return split_folder(self.data, "train")

    def size(self) -> tuple[int, int]:
        """(height, width) of the first image in pixels; all that are painted must have it."""
        height, width = read_image(self.source / self.plan[0].name).shape[:2]
        return height, width

    def share(self, rank: int, world: int) -> list[PlanRow]:
        """The rows that one of several processes fills: its part of what is kept, then copied, then painted."""
        groups = [[row for row in self.plan if row.action == action] for action in ("keep", "copy", "generate")]
        return [row for group in groups for row in group[rank::world]]

    def missing(self, rows: Sequence[PlanRow]) -> list[PlanRow]:
        """Those of the rows whose image is not there yet."""
        there = {entry.name for entry in os.scandir(self.folder)}
        return [row for row in rows if row.name not in there]

    def fill(self, rows: Sequence[PlanRow], generator: Any, advance: Callable[[int], None]) -> int:
        """Writes the images of the rows, those to be painted last; returns how many these were."""
        to_paint = [row for row in rows if row.action == "generate"]
        done = 0
        for row in rows:
            if row.action != "generate":
                atomic_write(self.folder / row.name, (self.source / (row.condition or row.name)).read_bytes())
                done += 1
                advance(done)
        if to_paint:
            for count in self._paint(to_paint, generator):
                done += count
                advance(done)
        return len(to_paint)

    def _paint(self, rows: Sequence[PlanRow], generator: Any) -> Iterator[int]:
        """Paints batch by batch; yields how many images each had."""
        import torch

        import pona

        device, count = pick_device(self.options.device), self.options.batch_size
        size = self.size()
        generator = pona.fold_norms(generator)
        rows = sorted(rows, key=lambda row: row.condition)  # a condition image is encoded once for the poses of a batch

        def write(row: PlanRow, image: np.ndarray) -> None:
            write_image(self.folder / row.name, Image.fromarray(image), "JPEG", quality=JPEG_QUALITY)

        with ThreadPoolExecutor(2) as writers:
            for batch in (rows[start : start + count] for start in range(0, len(rows), count)):
                conditions, of = np.unique([row.condition for row in batch], return_inverse=True)
                shown = read_images([self.source / name for name in conditions], size)
                images = pona.generate_images(
                    generator,
                    torch.from_numpy(shown).permute(0, 3, 1, 2),
                    torch.from_numpy(self.annotations.select(conditions.tolist())),
                    torch.from_numpy(self.annotations.select([row.name for row in batch])),
                    of=torch.from_numpy(of),
                    device=device,
                    precision=self.options.precision,
                )
                list(writers.map(write, batch, images.permute(0, 2, 3, 1).numpy()))
                yield len(batch)

    def finish(self, record: dict[str, Any]) -> bool:
        """Adds query, gallery, keypoint files and manifest once every image is there; true if the set is complete."""
        if self.missing(self.plan):
            return False
        with locked(self.root.parent / ".lock-finish", f"the manifest of {self.root.parent}", wait=True):
            for split in ("query", "gallery"):
                place = split_folder(self.root, split)
                if not place.exists() or (self.options.copy and place.is_symlink()):
                    link_or_copy_folder(split_folder(self.data, split), place, self.options.copy)
            self._write_train_annotations()
            with suppress(ReidAugError):  # only generators' test pairs need it
                test = find_annotations(self.data, "test").read_bytes()
                atomic_write(self.root / ANNOTATION_FILES["test"], test)
            atomic_write(self.root.parent / "synthesis.json", json.dumps(record, indent=1))
            write_manifest(self.root / "manifest.csv", manifest_rows(self.plan))
        return True

    def _write_train_annotations(self) -> None:
        """The original keypoints in their order; a copied image has those of the image that it is a copy of."""
        shown = {row.name: row.condition if row.action == "copy" else row.name for row in self.plan}
        names = [name for name in self.annotations.names if name in shown]
        keypoints = self.annotations.select([shown[name] for name in names])
        write_annotations(self.root / ANNOTATION_FILES["train"], names, keypoints)
