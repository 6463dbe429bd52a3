"""MSMT17 on disk, version 1 or 2: lists of `folder/name.jpg person`, as `0000/0000_000_01_0303morning_0008_0.jpg 0`.

Wei et al., CVPR 2018; 15 cameras, whose number is the third part of a name. Persons count from 0 in the training lists
and again in those of the test: here training persons are 1 + their number, and test persons follow them. The images of
`list_val.txt` belong to no split, as in torchreid and fast-reid.
"""

from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import SPLITS, Image, Layout, Problem
from reidaug.datasets.labels import no_split
from reidaug.datasets.market1501 import format_name

VERSIONS = {"MSMT17_V1": ("train", "test"), "MSMT17_V2": ("mask_train_v2", "mask_test_v2")}  # folders of images
LIST = "list_{split}.txt"


def find_root(path: Path) -> Path | None:
    """The folder with the lists: the path itself, or one of the parent folders that people and torchreid use."""
    parents = (path, path / "msmt17", path / "MSMT17")
    roots = (root for parent in parents for root in (parent, *(parent / version for version in VERSIONS)))
    return next((root for root in roots if (root / LIST.format(split="train")).is_file() and _folders(root)), None)


def _folders(root: Path) -> tuple[str, str] | None:
    """The folders of training and of test images."""
    return next((folders for folders in VERSIONS.values() if (root / folders[0]).is_dir()), None)


def read_split(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """The images in the list of a split, sorted by name, and the lines that are broken."""
    folders = _folders(root)
    if folders is None or not (root / LIST.format(split=split)).is_file():
        return [], [no_split(split)]
    training, _ = _read_list(root, "train")
    first = 1 if split == "train" else 2 + max((person for _, _, person, _ in training), default=-1)
    rows, problems = _read_list(root, split)
    sequence, folder = 1 + SPLITS.index(split), root / folders[split != "train"]
    images = [
        Image(
            folder / file,
            first + person,
            camera,
            format_name(first + person, camera, sequence, line),
            labels=(str(person), str(camera)),
        )
        for line, file, person, camera in rows
    ]
    return sorted(images, key=lambda image: image.name), problems


def _read_list(root: Path, split: str) -> tuple[list[tuple[int, str, int, int]], list[Problem]]:
    """Line number, file, person and camera of each good line, and the problems of the others."""
    path = root / LIST.format(split=split)
    rows: list[tuple[int, str, int, int]] = []
    problems = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ReidAugError(f"{path} is not a text file; expected lines of folder/name.jpg person") from None
    for number, line in enumerate(lines, start=1):
        try:
            file, person = line.rsplit(maxsplit=1)
            rows.append((number, file, int(person), int(Path(file).name.split("_")[2])))
        except (ValueError, IndexError):
            if line.strip():
                message = f"{line[:80]!r}, expected such as 0000/0000_000_01_0303morning_0008_0.jpg 0"
                problems.append(Problem("broken-row", "error", f"{path.name}:{number}", message))
    return rows, problems


LAYOUT = Layout("MSMT17", "MSMT17 with list_train.txt and train/ (version 2: mask_train_v2/)", find_root, read_split)
