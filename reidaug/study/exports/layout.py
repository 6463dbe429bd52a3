"""What an export is: a set of images, and how another tool wants to find it on disk."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.core.links import link_or_copy_file
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import SPLITS, Image
from reidaug.datasets.inspection import MAX_CAMID, MAX_PID
from reidaug.datasets.market1501 import split_folder
from reidaug.study.plan import ManifestRow


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A set to export."""

    images: Mapping[str, Sequence[Image]]  # by split: train, query, gallery
    manifest: Mapping[str, ManifestRow]  # of training images, by name; empty for a data set without one
    copy: bool  # copies instead of links

    def put(self, files: Mapping[Path, Image]) -> None:
        """Writes files as links to images, or as copies; their folders must exist."""

        def put_one(item: tuple[Path, Image]) -> None:
            target, image = item
            link_or_copy_file(target, image.path, self.copy)

        in_threads(put_one, list(files.items()))

    def fits_market(self) -> bool:
        """Whether the Market-1501 readers of torchreid, fast-reid and TransReID accept its numbers."""
        everything = [image for split in SPLITS for image in self.images[split]]
        return all(image.pid <= MAX_PID and 1 <= image.camid <= MAX_CAMID for image in everything)


@dataclass(frozen=True)
class Export:
    """How one tool wants a set."""

    folder: Callable[[ImageSet], str]  # below the output folder, replaced as a whole; "" = the output folder itself
    lay_out: Callable[[ImageSet, Path], None]  # fills that folder, which is empty
    command: Callable[[ImageSet, Path], str]  # what to type there, from the output folder's absolute path
    copies: bool = False  # the tool writes into the folder, so it must not hold links


def quoted(text: str) -> str:
    """A text that holds single quotes, as one word of a command line."""
    return shlex.quote(text) if set(text) & set('"$`\\!') else f'"{text}"'


def put_market(images: ImageSet, root: Path, rename: Callable[[Image], str] = lambda image: image.name) -> None:
    """Fills a Market-1501 root."""
    for split in SPLITS:
        split_folder(root, split).mkdir(parents=True)
        images.put({split_folder(root, split) / rename(image): image for image in images.images[split]})


def put_msmt17(images: ImageSet, root: Path) -> None:
    """Fills an MSMT17_V1 folder: its lists hold persons and cameras of any number; junk is left out.

    Training persons count from 0, and so do those of the test: first those of queries that have a match.
    """
    people = {split: {image.pid for image in images.images[split] if image.pid >= 0} for split in SPLITS}
    tested = people["query"] | people["gallery"]
    order = sorted(tested, key=lambda pid: (pid not in people["query"], pid not in people["gallery"], pid))
    labels = {part: {pid: number for number, pid in enumerate(order)} for part in ("query", "gallery")}
    labels["train"] = {pid: number for number, pid in enumerate(sorted(people["train"]))}
    for split, label in labels.items():
        folder = root / ("train" if split == "train" else "test")
        rows = [image for image in images.images[split] if image.pid >= 0]
        # Of a line, readers take the third part between underscores as the camera, and the part after the blank as the
        # person.
        names = [
            f"{label[image.pid]:04d}/{label[image.pid]:04d}_{number:06d}_{image.camid:02d}_{split}.jpg"
            for number, image in enumerate(rows)
        ]
        for number in {label[image.pid] for image in rows}:
            (folder / f"{number:04d}").mkdir(parents=True, exist_ok=True)
        images.put({folder / name: image for name, image in zip(names, rows, strict=True)})
        lines = [f"{name} {label[image.pid]}\n" for name, image in zip(names, rows, strict=True)]
        atomic_write(root / f"list_{split}.txt", "".join(lines))
    atomic_write(root / "list_val.txt", "")


def refuse_numbers(images: ImageSet, tool: str, last_pid: int, last_camid: int) -> None:
    """Raises ReidAugError for a person or a camera that a tool would refuse or misread."""
    for image in (image for split in SPLITS for image in images.images[split]):
        if image.pid > last_pid or not 1 <= image.camid <= last_camid:
            raise ReidAugError(
                f"{image.path} is of person {image.pid}, camera {image.camid}: {tool} takes persons up to {last_pid} "
                f"and cameras 1 to {last_camid}; `reidaug import` gives cameras other numbers"
            )
