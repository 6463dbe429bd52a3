"""Whether every image of a data set can be decoded: one look, before hours of work depend on it, and then remembered.

Remembered in the user's cache, not in a study, as several studies share a data set and `augment` needs none; by the
names and bytes of the images, which every command fingerprints anyway, so that a copied or moved data set is known, and
a changed file never is.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import PIL

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, cache_folder
from reidaug.core.fingerprint import fingerprint
from reidaug.core.progress import Advance
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import SPLITS, Dataset
from reidaug.datasets.images import FORMATS, MAX_PIXELS, FaultyImageError, first_of, read_image

LOOKING = "looking at every image, which is done once"


def check_readable(data: Dataset, splits: Sequence[str] = SPLITS, advance: Advance | None = None) -> None:
    """Decodes every image of some splits, in threads; does nothing where these very images were decoded before.

    Args:
        data: the data set.
        splits: those of them that it has are looked at.
        advance: told how many images are decoded, of how many.

    Raises:
        ReidAugError: images that cannot be read: how many, and the first of them with their faults.
    """
    marks = {split: _mark(data, split) for split in splits if data.has(split)}
    new = [split for split, mark in marks.items() if not (mark and os.path.exists(mark))]
    refuse_faulty([image.path for split in new for image in data.images(split)], data.root, advance)
    for split in new:
        if mark := marks[split]:
            with suppress(OSError):  # a full or read-only cache: they are looked at again
                atomic_write(mark, f"{data.root.absolute()} {split}\n")


def refuse_faulty(paths: Sequence[Path], where: Path, advance: Advance | None = None) -> None:
    """Decodes images of a data set or a folder; errors and `advance` as `check_readable`."""
    paths = list(dict.fromkeys(paths))  # of several boxes in one picture
    outcomes = in_threads(_fault, paths, advance and (lambda done, total: advance(done, total, LOOKING)))
    if faults := [fault for fault in outcomes if fault]:
        count, them = ("an image", "it") if len(faults) == 1 else (f"{len(faults):,} images", "them")
        raise ReidAugError(f"{count} of {where} cannot be read: {first_of(faults)}: replace or remove {them}")


def _mark(data: Dataset, split: str) -> Path | None:
    """The file that is there when the images of a split have been decoded; None = one cannot be opened, or no cache."""
    reader = (PIL.__version__, FORMATS, MAX_PIXELS)
    try:
        return cache_folder() / "readable" / fingerprint(f"{reader} {data.split_fingerprint(split)}")
    except (ReidAugError, RuntimeError):  # the latter for a user without a home
        return None


def _fault(path: Path) -> str | None:
    try:
        read_image(path)
    except FaultyImageError as error:
        return error.named
    except ReidAugError as error:  # it is gone, or a pipe
        return str(error)
    return None
