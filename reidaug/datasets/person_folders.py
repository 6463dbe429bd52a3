"""People in folders: `PERSON/*`, or `SPLIT/PERSON/*` with splits train, query and gallery.

A person is known by the name of its folder, a camera by a number in the file name, as in `c1`, `cam2` or `camera_03`.
The names of Person_reID_baseline_pytorch (`pytorch/train_all/0002/0002_c1s1_000451_03.jpg`) are of this kind.
"""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from reidaug.core.files import list_files
from reidaug.datasets.dataset import Image, Layout, Problem, is_image_file
from reidaug.datasets.labels import Found, camera_in, natural, no_split, number_images

FOLDERS = {  # of a split; the first that is there is read
    "train": ("train_all", "train"),
    "query": ("query", "probe"),
    "gallery": ("gallery", "test"),
}
# Folders that hold parts of a data set, not a person.
_PARTS = {name for names in FOLDERS.values() for name in names} | {
    *("bounding_box_train", "bounding_box_test", "val", "valid", "validation", "images", "gt_bbox", "cam_a", "cam_b"),
    *("multi-query", "detected", "labeled", "mask_train_v2", "mask_test_v2"),
}
_LOOKED_AT = 5  # folders by which the kind is known


def find_people(path: Path) -> Path | None:
    """The path if it holds folders of images, one for each person, else None."""
    return path if _holds_people(path) else None


def find_splits(path: Path) -> Path | None:
    """The path, or `pytorch/` in it, if there is a folder of training people in it, else None."""
    roots = (path, path / "pytorch")
    return next((root for root in roots if any(_holds_people(root / name) for name in FOLDERS["train"])), None)


def _holds_people(folder: Path) -> bool:
    if not folder.is_dir() or folder.name == "pytorch":
        return False
    people = list(islice(_people(folder), _LOOKED_AT))
    if len(people) < 2 or any(is_image_file(file) for file in list_files(folder)):
        return False
    return all(any(is_image_file(file) for file in list_files(person)) for person in people)


def _people(folder: Path) -> Iterable[Path]:
    names = sorted(list_files(folder), key=natural)
    paths = (folder / name for name in names if not name.startswith(".") and name not in _PARTS)
    return (path for path in paths if path.is_dir())


def read_people(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """All images, as training images: no other split is there."""
    if split != "train":
        return [], [no_split(split)]
    return _read(root, {"train": root}, split)


def read_splits(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """The images of a split, sorted by name; a person has one number in all splits."""
    folders = {
        name: next((root / folder for folder in choices if (root / folder).is_dir()), None)
        for name, choices in FOLDERS.items()
    }
    present = {name: folder for name, folder in folders.items() if folder is not None}
    return _read(root, present, split) if split in present else ([], [no_split(split)])


def _read(root: Path, folders: dict[str, Path], split: str) -> tuple[list[Image], list[Problem]]:
    files = [
        (name, person.name, person / file)
        for name, folder in folders.items()
        for person in _people(folder)
        for file in filter(is_image_file, list_files(person))
    ]
    cameras = {path: camera_in(path.name) for _, _, path in files}
    problems = []
    if not any(cameras.values()):
        message = "no camera number in the file names (c1, cam2): all images count as camera 1"
        problems += [Problem("no-camera", "note", folders[split].name, message)] if split == "train" else []
    else:
        for name, _, path in files:
            if name == split and cameras[path] is None:
                message = "no camera number in the file name, as others have one (c1, cam2): rename or remove it"
                problems.append(Problem("no-camera", "error", str(path.relative_to(root)), message))
    found = [Found(path, person, cameras[path] or "1", name) for name, person, path in files]
    return number_images(found)[split], problems


PEOPLE = Layout("people in folders", "a folder of people, PERSON/*.jpg", find_people, read_people)
SPLITS = Layout(
    "people in folders by split", "train/, query/ and gallery/ with PERSON/*.jpg each", find_splits, read_splits
)
