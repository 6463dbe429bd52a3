"""Numbers for people and cameras that a data set names in its own way, and Market-1501 names for its images."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidaug.datasets.dataset import JUNK_PID, SPLITS, Image, Problem
from reidaug.datasets.market1501 import format_name

_NUMBER = re.compile(r"\d{1,9}")
_CAMERA = re.compile(r"(?<![a-z])c(?:am(?:era)?)?[-_ ]?(\d{1,9})", re.IGNORECASE)  # c1s1, cam-2, Camera_03


@dataclass(frozen=True)
class Found:
    """One image of a data set, with person and camera as its source spells them."""

    path: Path
    person: str  # "-1" = junk; "0" where only the gallery has it = a distractor
    camera: str
    split: str  # train, query or gallery
    box: tuple[int, int, int, int] | None = None  # see `Image`


def camera_in(name: str) -> str | None:
    """The camera number in a file name, such as that of `0002_c1s1_000451_03.jpg` or `cam2-0007.png`; None = none."""
    match = _CAMERA.search(name)
    return match[1] if match else None


def number_images(found: Sequence[Found]) -> dict[str, list[Image]]:
    """The images of each split, sorted by name: numbers stay, counted from 1; other names are numbered in their order.

    Args:
        found: in an order on which the names depend: the frame in a name counts the images of its person and split.
    """
    ordinary = {image.person for image in found if image.person != str(JUNK_PID)}
    asked = {image.person for image in found if image.split != "gallery"}
    distractors = {person for person in ordinary if _NUMBER.fullmatch(person) and int(person) == 0} - asked
    pids = {str(JUNK_PID): JUNK_PID, **dict.fromkeys(distractors, 0), **_numbers(ordinary - distractors)}
    camids = _numbers({image.camera for image in found})
    images: dict[str, list[Image]] = {split: [] for split in SPLITS}
    frames: Counter[tuple[str, int]] = Counter()
    for image in found:
        pid, camid = pids[image.person], camids[image.camera]
        frames[image.split, pid] += 1
        name = format_name(pid, camid, 1 + SPLITS.index(image.split), frames[image.split, pid])
        images[image.split].append(Image(image.path, pid, camid, name, image.box, (image.person, image.camera)))
    return {split: sorted(members, key=lambda image: image.name) for split, members in images.items()}


def split_of(found: Sequence[Found], problems: list[Problem], split: str) -> tuple[list[Image], list[Problem]]:
    """The images of one split of those that one file lists; what is wrong with the file counts once, as of train."""
    images = number_images(found)[split]
    whole = problems if split == "train" else []
    return images, whole if images or any(problem.level == "error" for problem in whole) else [*whole, no_split(split)]


def _numbers(labels: Collection[str]) -> dict[str, int]:
    """A number from 1 for each label."""
    if all(_NUMBER.fullmatch(label) for label in labels):
        first = min(map(int, labels), default=1)
        return {label: int(label) + (first == 0) for label in labels}
    return {label: number for number, label in enumerate(sorted(labels, key=natural), start=1)}


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts `p2` before `p10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,999})", text)]


def no_split(split: str) -> Problem:
    """What is wrong with a split that a data set does not have."""
    advice = "`reidaug split` makes these from training images alone" if split != "train" else "see docs/layouts.md"
    return Problem("missing-folder", "error", split, f"there are no {split} images; {advice}")
