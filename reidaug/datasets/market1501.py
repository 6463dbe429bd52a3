"""Market-1501 on disk: file names, folders, junk and distractors. The only place that knows them.

Zheng et al., ICCV 2015. `0002_c1s1_000451_03.jpg` is person 2, camera 1, sequence 1, frame 451, box 3.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import images_fingerprint, list_files

ROOT_NAME = "Market-1501-v15.09.15"
SPLIT_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
ANNOTATION_FILES = {"train": "market-annotation-train.csv", "test": "market-annotation-test.csv"}
JUNK_PID = -1  # a box without a person: counts neither for nor against
DISTRACTOR_PID = 0  # a person of no query: counts as wrong
IMAGE_SIZE = (128, 64)  # height and width in pixels

# No separator of the CSV files, no blank, no folder, no broken Unicode: a name that fits can stand in every file.
_NAME = re.compile(r"""(-1|\d+)_c(\d+)(?:[^\d/\\:,"\s\ud800-\udfff][^/\\:,"\s\ud800-\udfff]*)?\.jpg""")
# torchreid, fast-reid, TransReID and CLIP-ReID search this in the whole path, so a folder can be taken for a name.
_READER = re.compile(r"([-\d]+)_c(\d)")


@dataclass(frozen=True)
class ImageRecord:
    """What the name of an image says."""

    name: str  # file name without a folder
    pid: int  # person; -1 = junk, 0 = distractor
    camid: int  # camera, 1-6 in Market-1501


def parse_name(name: str) -> ImageRecord:
    """Read an image name.

    Args:
        name: file name without a folder, such as `0002_c1s1_000451_03.jpg`; `.jpg.jpg` is accepted.

    Raises:
        ReidAugError: the name does not begin with person and camera, or does not end in `.jpg`.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ReidAugError(f"image name {name!r} does not parse; expected the form 0002_c1s1_000451_03.jpg")
    return ImageRecord(name, int(match[1]), int(match[2]))


def split_folder(root: Path, split: str) -> Path:
    """The folder of a split: train, query or gallery."""
    return root / SPLIT_FOLDERS[split]


def scan_split(root: Path, split: str) -> list[ImageRecord]:
    """The images of a split, sorted by name; what does not end in `.jpg` (`Thumbs.db`) is passed over.

    Reads the folder only, no image.

    Args:
        root: the data set's root.
        split: train, query or gallery.

    Raises:
        ReidAugError: no such folder, no image in it, or names that do not parse (how many, and the first).
    """
    folder = split_folder(root, split)
    names = [name for name in list_files(folder) if name.endswith(".jpg")]
    if not names:
        raise ReidAugError(f"no .jpg image in {folder}; expected names such as 0002_c1s1_000451_03.jpg")
    broken = [name for name in names if _NAME.fullmatch(name) is None]
    if broken:
        raise ReidAugError(
            f"{len(broken)} image name(s) in {folder} do not parse, the first is {broken[0]!r}; "
            "expected the form 0002_c1s1_000451_03.jpg: rename or remove them"
        )
    return [parse_name(name) for name in names]


def find_root(path: Path) -> Path:
    """The Market-1501 root at a path, or in the folders that people and torchreid put around it.

    Raises:
        ReidAugError: there is none.
    """
    if not path.exists():
        raise ReidAugError(f"no such data folder: {path}; give the Market-1501 root (--data) that holds {_folders()}")
    for root in (path, path / ROOT_NAME, path / "market1501", path / "market1501" / ROOT_NAME):
        if split_folder(root, "train").is_dir():
            return root
    raise ReidAugError(f"{path} is not a Market-1501 root: no {SPLIT_FOLDERS['train']}/ in it; expected {_folders()}")


def poisoned_part(path: Path) -> str | None:
    """The part of a path that re-ID tools would take for person and camera, or None.

    They search `([-\\d]+)_c(\\d)` in the whole path, so below `run_05_c3_x/` every image is person 5, camera 3.
    The path is looked at as given (made absolute) and with its links resolved.
    """
    for form in (os.path.abspath(path), os.path.realpath(path)):
        match = _READER.search(form)
        if match:
            return match[0]
    return None


def check_output_path(path: Path) -> None:
    """Refuse a folder below which re-ID tools would read every image as one person.

    Args:
        path: the folder to be written; it need not exist.

    Raises:
        ReidAugError: the path holds something like `05_c3`.
    """
    part = poisoned_part(path)
    if part:
        raise ReidAugError(
            f"the path {os.path.abspath(path)} holds '{part}', which torchreid and fast-reid would read as the person "
            "and camera of every image below it; choose a folder without it"
        )


def dataset_fingerprint(root: Path, splits: Sequence[str] = ("train", "query", "gallery")) -> str:
    """A fingerprint of a data set: names and bytes of every image in some splits.

    Args:
        root: the data set's root.
        splits: train, query, gallery or some of them.

    Returns:
        16 hexadecimal digits.
    """
    whole = hashlib.sha256()
    for split in splits:
        names = [record.name for record in scan_split(root, split)]
        whole.update(f"{split}\0{images_fingerprint(split_folder(root, split), names)}\0".encode())
    return whole.hexdigest()[:16]


def _folders() -> str:
    return ", ".join(f"{name}/" for name in SPLIT_FOLDERS.values())
