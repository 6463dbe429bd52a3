"""Market-1501 on disk: its file names and folders, which every set that the program writes has too.

Zheng et al., ICCV 2015. `0002_c1s1_000451_03.jpg` is person 2, camera 1, sequence 1, frame 451, box 3.
"""

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.files import list_files
from reidaug.datasets.dataset import ENDINGS, JUNK_PID, Dataset, Image, Layout, Problem, is_image_file, jpg_name

ROOT_NAME = "Market-1501-v15.09.15"
SPLIT_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
LAST_CAMID = 9  # of a name that re-ID tools read: they look at one digit
IMAGE_SIZE = (128, 64)  # height and width in pixels

# No CSV separator, no blank, no folder, no broken Unicode: every file can hold a name that matches.
_NAME = re.compile(
    r"""(-0*1|\d+)_c(\d+)(?:[^\d/\\:,"\s\ud800-\udfff][^/\\:,"\s\ud800-\udfff]*)?"""
    + f"(?i:{'|'.join(map(re.escape, ENDINGS))})"
)
# torchreid, fast-reid, TransReID and CLIP-ReID search the whole path for this, so a folder can be taken for a name.
_READER = re.compile(r"([-\d]+)_c(\d)")
_SHOT = re.compile(r"([^_]+_c\d++)(s\d++)?+(?:\D*(\d+))?")  # person and camera, sequence, frame
_LOG = logging.getLogger("reidaug")
_LARGEST = 2**63 - 1  # what arrays of numbers hold
_FORM = "expected the form 0002_c1s1_000451_03.jpg"
_SYSTEM_FILES = {"Thumbs.db", ".DS_Store", "desktop.ini"}


def parse_name(name: str) -> tuple[int, int]:
    """Person and camera in an image name, such as `0002_c1s1_000451_03.jpg`; `.jpg.jpg` and `-001` are accepted.

    Raises:
        ReidAugError: the name does not begin with person and camera, or does not end as an image's; or one of the two
            numbers is too large.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ReidAugError(f"image name {name[:255]!r} does not parse; {_FORM}")
    pid, camid = (int(digits) if len(digits) < 99 else _LARGEST + 1 for digits in match.groups())
    if max(pid, camid) > _LARGEST:
        raise ReidAugError(
            f"image name {name[:255]!r} has a person or camera number above {_LARGEST}; give smaller ones"
        )
    return pid, camid


def frame_of(name: str) -> int:
    """The frame number in an image name that parses; 0 where it has none."""
    return int(_shot(name)[3] or 0)


def format_name(pid: int, camid: int, sequence: int, frame: int) -> str:
    """An image name, such as `0002_c1s1_000451_00.jpg`."""
    person = str(pid) if pid == JUNK_PID else f"{pid:04d}"
    return f"{person}_c{camid}s{sequence}_{frame:06d}_00.jpg"


def name_at(name: str, frame: int) -> str:
    """The name of another image of the same person, camera and sequence: `0002_c1s1_000451_03.jpg`, in box 0."""
    shot = _shot(name)
    return f"{shot[1]}{shot[2] or 's1'}_{frame:06d}_00.jpg"


def _shot(name: str) -> re.Match[str]:
    if match := _SHOT.match(name):
        return match
    raise ReidAugError(f"image name {name[:255]!r} does not parse; {_FORM}")


def split_folder(root: Path, split: str) -> Path:
    """The folder of a split: train, query or gallery."""
    return root / SPLIT_FOLDERS[split]


def find_root(path: Path) -> Path | None:
    """The root at a path, or in the parent folders that people and torchreid use; None = there is none."""
    roots = (path, path / ROOT_NAME, path / "market1501", path / "market1501" / ROOT_NAME)
    return next((root for root in roots if split_folder(root, "train").is_dir()), None)


def read_split(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """The images of a split, sorted by name, and what is wrong with the names in its folder.

    A file in another ending than `.jpg` is an image of the same name in `.jpg`.
    """
    folder, shown = split_folder(root, split), SPLIT_FOLDERS[split]
    try:
        return _read_folder(folder, shown)
    except ReidAugError:
        message = f"no such folder; expected {LAYOUT.expected}"
        if split != "train":
            message += "; `reidaug split` makes these from training images alone"
        if folder.is_symlink():
            message = f"a link to {folder.readlink()}, which is gone: run its study's `reidaug shrink` with --data"
        return [], [Problem("missing-folder", "error", shown, message)]


def read_people(folder: Path) -> list[Image]:
    """The images in a folder with such names, sorted by name.

    Raises:
        ReidAugError: no folder, no image, or a name that does not parse.
    """
    images, problems = _read_folder(folder, str(folder))
    if error := next((problem for problem in problems if problem.level == "error"), None):
        raise ReidAugError(f"{error.where}: {error.message}")
    return images


def _read_folder(folder: Path, shown: str) -> tuple[list[Image], list[Problem]]:
    images: dict[str, Image] = {}
    problems = []
    for file in list_files(folder):
        where, name = f"{shown}/{file}", jpg_name(file)
        if not is_image_file(file):
            hidden = file in _SYSTEM_FILES or file.startswith(".")
            reason = "a system file" if hidden else f"no image, which would end in {', '.join(ENDINGS)}"
            problems.append(Problem("stray-file", "note", where, f"skipped: {reason}"))
            continue
        try:
            pid, camid = parse_name(file)
        except ReidAugError as error:
            problems.append(Problem("bad-name", "error", where, f"{error}: rename or remove it"))
            continue
        if name in images:
            message = f"has the name of {images[name].path.name} in another ending: rename or remove one"
            problems.append(Problem("same-name", "error", where, message))
            continue
        if file != name:
            message = f"read, but torchreid and fast-reid look for .jpg alone; sets that are written call it {name}"
            problems.append(Problem("other-ending", "note", where, message))
        if file.endswith(".jpg.jpg"):
            message = "ends twice in .jpg, as 18 test images of Market-1501 do: read like any other"
            problems.append(Problem("double-ending", "note", where, message))
        images[name] = Image(folder / file, pid, camid, name)
    if not images:
        problems.append(Problem("empty-folder", "error", shown, f"no image with a name that parses; {_FORM}"))
    return sorted(images.values(), key=lambda image: image.name), problems


LAYOUT = Layout("Market-1501", f"a Market-1501 root with {'/, '.join(SPLIT_FOLDERS.values())}/", find_root, read_split)


def market_set(root: Path) -> Dataset:
    """A set written by this program, complete or not."""
    return Dataset(root, LAYOUT)


def warn_of_cameras(images: Iterable[Image]) -> None:
    """Logs a line where names are about to be written whose camera re-ID tools misread."""
    if beyond := sorted({image.camid for image in images if image.camid > LAST_CAMID}):
        _LOG.warning(
            "camera %d in a file name: torchreid, fast-reid and TransReID read its first digit alone, as camera %s, "
            "without a word; reidaug import gives it another number, reidaug export writes a layout that holds it",
            beyond[0],
            str(beyond[0])[0],
        )


def poisoned_part(path: Path) -> str | None:
    """The part of a path that re-ID tools would take for person and camera, or None.

    They search the whole path for `([-\\d]+)_c(\\d)`, so below `run_05_c3_x/` every image is person 5, camera 3.
    The path is checked as given (made absolute) and with its links resolved.
    """
    for form in (os.path.abspath(path), os.path.realpath(path)):
        if match := _READER.search(form):
            return match[0]
    return None


def check_output_path(path: Path) -> None:
    """Refuse a folder below which re-ID tools would read every image as one person; it need not exist.

    Raises:
        ReidAugError: the path contains something like `05_c3`.
    """
    if part := poisoned_part(path):
        raise ReidAugError(
            f"the path {os.path.abspath(path)} contains '{part}', which torchreid and fast-reid would read as the "
            "person and camera of every image below it; choose another folder"
        )
