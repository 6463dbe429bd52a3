"""A data set as the rest of the program sees it: images with person and camera, in splits, whatever the file names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import digests_fingerprint, file_digests, files_fingerprint, fingerprint

if TYPE_CHECKING:
    from reidaug.datasets.posed_images import PosedImages

JUNK_PID = -1  # a box without a person: ignored in scoring
DISTRACTOR_PID = 0  # a person of no query: counts as wrong
SPLITS = ("train", "query", "gallery")
ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def is_image_file(name: str) -> bool:
    """Whether a file name ends as one of `ENDINGS`, also in capitals; a hidden file, as macOS's `._x.jpg`, is none."""
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def jpg_name(name: str) -> str:
    """A file name with `.jpg` in place of any of `ENDINGS`: the name of the image in the file `x.PNG` is `x.jpg`."""
    stem, dot, ending = name.rpartition(".")
    return f"{stem}.jpg" if (dot + ending).lower() in ENDINGS else name


@dataclass(frozen=True, slots=True)
class Image:
    """One image, from reading to training."""

    path: Path  # the file
    pid: int  # person; -1 = junk, 0 = distractor
    camid: int  # camera
    name: str  # its Market-1501 file name, in .jpg, which plan, manifest, keypoint files and written sets use
    box: tuple[int, int, int, int] | None = None  # left, top, width and height of the person; None = the whole picture
    labels: tuple[str, str] | None = None  # person and camera as the source spells them; None = as numbered here

    @property
    def shows_known_person(self) -> bool:
        """Whether it is neither junk nor a distractor."""
        return self.pid not in (JUNK_PID, DISTRACTOR_PID)


@dataclass(frozen=True)
class Problem:
    """One thing in a data set that is wrong or odd."""

    kind: str  # such as "unreadable-image"
    level: str  # error: would stop or falsify the work; note: good to know
    where: str  # the file below the root, with `:line` for a row
    message: str  # what is wrong


@dataclass(frozen=True)
class Layout:
    """How one kind of data set is stored on disk: all that is needed to read another kind (see `layouts`)."""

    name: str  # for people
    expected: str  # what a root of this kind contains, for messages
    find_root: Callable[[Path], Path | None]  # the root at a path or in its usual parent folders, or None
    read_split: Callable[[Path, str], tuple[list[Image], list[Problem]]]  # of a root: images by name, and problems
    posed_images: "Callable[[Dataset], PosedImages] | None" = None  # None = by Market-1501's rule for test pairs
    in_place: bool = True  # False = its images must be cut out first: `reidaug import`


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set on disk; each folder is scanned once and each split hashed once per object."""

    root: Path
    layout: Layout
    _splits: dict[str, tuple[list[Image], list[Problem]]] = field(default_factory=dict, repr=False)
    _digests: dict[str, dict[str, bytes]] = field(default_factory=dict, repr=False)
    _fingerprints: dict[str, str] = field(default_factory=dict, repr=False)

    def images(self, split: str) -> list[Image]:
        """The images of a split (train, query or gallery), sorted by name; reads folders only, no images.

        Raises:
            ReidAugError: no such split, or images that cannot be used (how many, and the first).
        """
        images, problems = self.look_at(split)
        if errors := [problem for problem in problems if problem.level == "error"]:
            more = f" ({len(errors):,} such problems)" if len(errors) > 1 else ""
            raise ReidAugError(f"{self.root / errors[0].where}: {errors[0].message}{more}")
        return images

    def look_at(self, split: str) -> tuple[list[Image], list[Problem]]:
        """The usable images of a split, and the problems of the others; junk and distractors are for the gallery."""
        if split not in self._splits:
            images, problems = self.layout.read_split(self.root, split)
            if split in ("train", "query"):
                for image in images:
                    if not image.shows_known_person:
                        what = "junk (person -1)" if image.pid == JUNK_PID else "a distractor (person 0)"
                        message = f"{what} belongs in the gallery: number people from 1, or remove it"
                        problems.append(Problem("out-of-place", "error", where(self.root, image), message))
                images = [image for image in images if image.shows_known_person]
            self._splits[split] = images, problems
        return self._splits[split]

    def has(self, split: str) -> bool:
        """Whether a split has any images."""
        return bool(self.look_at(split)[0])

    def split_fingerprint(self, split: str) -> str:
        """Of the names and bytes of the images of one split, 16 hexadecimal digits.

        Raises:
            ReidAugError: as `images`, or an image that cannot be read.
        """
        if split not in self._fingerprints:
            self._fingerprints[split] = digests_fingerprint(self.digests(split))
        return self._fingerprints[split]

    def digests(self, split: str) -> dict[str, bytes]:
        """The SHA-256 of each image of a split, by name; errors as `split_fingerprint`."""
        if split not in self._digests:
            self._digests[split] = file_digests({image.name: image.path for image in self.images(split)})
        return self._digests[split]

    def fingerprint(self, *splits: str) -> str:
        """Of some splits together; it identifies a training set and a test set in results."""
        return fingerprint("".join(f"{split}\0{self.split_fingerprint(split)}\0" for split in splits))


def where(root: Path, image: Image) -> str:
    """The file of an image below a root, for people."""
    return str(image.path.relative_to(root)) if image.path.is_relative_to(root) else str(image.path)


def images_fingerprint(images: Sequence[Image]) -> str:
    """Of the names and bytes of images as they are now, 16 hexadecimal digits."""
    return files_fingerprint({image.name: image.path for image in images})
