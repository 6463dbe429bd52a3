"""DukeMTMC-reID on disk: Market-1501's folders, and names such as `0001_c2_f0046182.jpg` (frame 46,182 of camera 2).

Zheng et al., ICCV 2017; 8 cameras.
"""

import os
import re
from pathlib import Path

from reidaug.datasets.dataset import Layout, is_image_file
from reidaug.datasets.market1501 import read_split, split_folder

FOLDER = "DukeMTMC-reID"
_NAME = re.compile(r"\d{4}_c\d_f\d{7}\.jpg")


def find_root(path: Path) -> Path | None:
    """The root at a path, or in the parent folders that people and torchreid use; None = none with such names."""
    roots = (path, path / FOLDER, path / "dukemtmc-reid" / FOLDER)
    return next((root for root in roots if _has_such_names(split_folder(root, "train"))), None)


def _has_such_names(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        first = next((entry.name for entry in entries if is_image_file(entry.name)), "")
    return _NAME.fullmatch(first) is not None


LAYOUT = Layout(FOLDER, "a DukeMTMC-reID root with names such as 0001_c2_f0046182.jpg", find_root, read_split)
