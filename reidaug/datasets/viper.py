"""VIPeR on disk: `cam_a/` and `cam_b/` with an image of each person, such as `000_45.bmp` (person 0, from 45 degrees).

Gray et al., PETS 2007. No division into training and test is published: all images are training images.
"""

import re
from pathlib import Path

from reidaug.core.files import list_files
from reidaug.datasets.dataset import Image, Layout, Problem, is_image_file
from reidaug.datasets.labels import no_split
from reidaug.datasets.market1501 import format_name

CAMERAS = ("cam_a", "cam_b")
_NAME = re.compile(r"(\d+)_(\d+)\.\w+")


def find_root(path: Path) -> Path | None:
    """The folder of both cameras: the path itself, or one of the parent folders that people and torchreid use."""
    roots = (path, path / "VIPeR", path / "viper" / "VIPeR")
    return next((root for root in roots if all((root / camera).is_dir() for camera in CAMERAS)), None)


def read_split(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """All images, sorted by name, and the names that do not parse; persons count from 1 here."""
    if split != "train":
        return [], [no_split(split)]
    images, problems = [], []
    for camid, camera in enumerate(CAMERAS, start=1):
        for file in filter(is_image_file, list_files(root / camera)):
            match = _NAME.fullmatch(file)
            if match is None:
                message = f"image name {file!r} does not parse; expected such as 000_45.bmp"
                problems.append(Problem("bad-name", "error", f"{camera}/{file}", message))
            else:
                pid = 1 + int(match[1])
                name = format_name(pid, camid, 1, int(match[2]))
                images.append(Image(root / camera / file, pid, camid, name, labels=(match[1], camera)))
    return sorted(images, key=lambda image: image.name), problems


LAYOUT = Layout("VIPeR", "VIPeR with cam_a/ and cam_b/", find_root, read_split)
