"""CUHK03-NP on disk: `detected/` and `labeled/`, each with Market-1501's folders and names such as `0001_c1_21.png`.

CUHK03 (Li et al., CVPR 2014) with the new protocol (Zhong et al., CVPR 2017): 767 people to train on, 700 to test.
"""

from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Layout
from reidaug.datasets.market1501 import read_split, split_folder

BOXES = ("detected", "labeled")  # by a detector, or by hand


def find_root(path: Path) -> Path | None:
    """The folder of detected or of labelled boxes: the path itself, or one in it.

    Raises:
        ReidAugError: there are both.
    """
    if path.name in BOXES and split_folder(path, "train").is_dir():
        return path
    for parent in (path, path / "cuhk03-np"):
        roots = [parent / name for name in BOXES if split_folder(parent / name, "train").is_dir()]
        if len(roots) > 1:
            raise ReidAugError(f"{parent} is CUHK03-NP with two kinds of boxes: give {' or '.join(map(str, roots))}")
        if roots:
            return roots[0]
    return None


LAYOUT = Layout("CUHK03-NP", "CUHK03-NP with detected/ or labeled/ in it", find_root, read_split)
