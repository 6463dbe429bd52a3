"""Generated images for (condition, target) pairs: from a checkpoint, or from files that any model wrote."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import list_files
from reidaug.datasets.dataset import ENDINGS, is_image_file
from reidaug.datasets.images import read_image
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.pairs import Pair
from reidaug.study.plan import read_manifest
from reidaug.study.records import SYNTHESIS, read_synthesis_record

STRIP = 5  # images side by side, as PATN and PoNA write them: condition, its pose, target, its pose, generated
_FORMS = (re.compile(r"(.+?)___(.+)"), re.compile(r"(.+?)_2_(.+)"))  # PATN, PoNA; GFLA


class GeneratedImages(Protocol):
    """A source of generated images."""

    label: str  # their name in the table
    method: str  # of the generator, for people; empty = unknown
    training: dict[str, Any]  # the record of the generator's training; empty = unknown
    pairs: list[Pair] | None  # the pairs that it is limited to; None = any pair, or it is not known which

    def images(self, pairs: Sequence[Pair]) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB, in the order of the pairs."""

    def file_name(self, pair: Pair) -> str:
        """The name of an image in keypoint files."""

    def check(self, pairs: Sequence[Pair]) -> None:
        """Raises ReidAugError if a pair has no image, or two pairs would share one."""

    def count_seen(self, pairs: Sequence[Pair]) -> int | None:
        """How many of the true images the generator was trained on; None = unknown."""


class ImageFiles:
    """Image files in a folder.

    Their names are `CONDITION___TARGET.png` (PATN, PoNA; also with `_vis`, and strips of five images), GFLA's
    `CONDITION_2_TARGET_vis.png`, or the name of the target image, as in a set of `reidaug synthesize`.

    Args:
        folder: image files, with or without the ending of the two images in their names; or the root of a set.
        size: (height, width) in pixels of the data set's images.

    Raises:
        ReidAugError: no such folder, or no image in it.
    """

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        if split_folder(folder, "train").is_dir():
            folder = split_folder(folder, "train")
        if not folder.is_dir():
            raise ReidAugError(f"no folder {folder}; expected generated images")
        self._folder, self._size, manifest = folder, size, manifest_of(folder)
        self._set = manifest.absolute().parent.parent if manifest else None
        self.label = (self._set or folder).name
        self.method, self.training = "", dict[str, Any]()
        self.pairs = generated_pairs(manifest) if manifest else None
        files = [name for name in list_files(folder) if is_image_file(name)]
        if not files:
            raise ReidAugError(f"no image in {folder}")
        self._files: dict[tuple[str | None, str], str] = {}
        for name in files:
            other = self._files.setdefault(_key(name), name)
            if other != name:
                raise ReidAugError(f"{folder} holds {other} and {name}, which name one pair: remove one")

    def images(self, pairs: Sequence[Pair]) -> np.ndarray:
        return np.stack([self._read(self.file_name(pair)) for pair in pairs])

    def file_name(self, pair: Pair) -> str:
        condition, target = map(_stem, pair)
        name = self._files.get((condition, target)) or self._files.get((None, target))
        if name is None:
            raise ReidAugError(
                f"no generated image for {pair[0]} as {pair[1]} in {self._folder}; expected {condition}___{target}.png "
                f"or {target}.png"
            )
        return name

    def check(self, pairs: Sequence[Pair]) -> None:
        owner: dict[str, Pair] = {}
        for pair in pairs:
            other = owner.setdefault(self.file_name(pair), pair)
            if other != pair:
                raise ReidAugError(
                    f"{self._folder / self.file_name(pair)} would stand for {other[0]} and for {pair[0]} as {pair[1]}: "
                    "name the files CONDITION___TARGET.png, or give --pairs with one condition for each target"
                )

    def count_seen(self, pairs: Sequence[Pair]) -> int | None:
        if self._set is None or self.pairs is None or len(pairs) != len(self.pairs):
            return None
        path = self._set / SYNTHESIS
        return read_synthesis_record(path).seen_missing if path.is_file() else None

    def _read(self, name: str) -> np.ndarray:
        image, (height, width) = read_image(self._folder / name), self._size
        if image.shape[:2] == (height, STRIP * width):
            image = image[:, -width:]
        if image.shape[:2] != (height, width):
            raise ReidAugError(
                f"{self._folder / name} is {image.shape[0]} x {image.shape[1]} pixels (height x width), expected "
                f"{height} x {width}, or {STRIP} such images side by side"
            )
        return image


def manifest_of(folder: Path) -> Path | None:
    """The manifest of the training set that a folder of images belongs to; None = it belongs to none."""
    paths = [parent / "manifest.csv" for parent in (folder, folder.absolute().parent)]
    return next((path for path in paths if path.is_file()), None)


def generated_pairs(manifest: Path) -> list[Pair]:
    """(condition, name) of the generated images of a training set.

    Raises:
        ReidAugError: a broken manifest, one without a generated image, or that of an augmented set.
    """
    rows = read_manifest(manifest)
    if any(row.pose for row in rows):
        raise ReidAugError(
            f"{manifest} is that of an augmented set: no photograph shows its people in their new poses, so there is "
            "nothing to compare them with; measure a set of `reidaug synthesize`, or the generator with --ckpt"
        )
    pairs = [(row.condition, row.name) for row in rows if row.action == "generate"]
    if not pairs:
        raise ReidAugError(f"{manifest} names no generated image")
    return pairs


def _key(name: str) -> tuple[str | None, str]:
    """(condition, target) as the name of a file tells them; None = it names the target alone."""
    whole = _stem(name).removesuffix("_vis")
    for form in _FORMS:
        if match := form.fullmatch(whole):
            return _stem(match[1]), _stem(match[2])
    return None, _stem(whole)


def _stem(name: str) -> str:
    while name.lower().endswith(ENDINGS):
        name = name[: name.rindex(".")]
    return name
