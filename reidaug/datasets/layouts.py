"""The kinds of data sets that can be read. To add one, write a file like `market1501.py` and list it here."""

from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.datasets import deepfashion, market1501
from reidaug.datasets.dataset import Dataset, Layout
from reidaug.datasets.posed_images import PosedImages, posed_images

LAYOUTS: tuple[Layout, ...] = (market1501.LAYOUT, deepfashion.LAYOUT)  # the first that finds its root is taken


def open_dataset(path: Path) -> Dataset:
    """The data set at a path, or in the folders that usually contain one; reads folders only, no images.

    Raises:
        ReidAugError: there is none.
    """
    expected = " or ".join(layout.expected for layout in LAYOUTS)
    if not path.exists():
        raise ReidAugError(f"no such data folder: {path}; give --data, {expected}")
    for layout in LAYOUTS:
        if (root := layout.find_root(path)) is not None:
            return Dataset(root, layout)
    hint = "; `reidaug split` makes one of a folder of people" if next(path.glob("*.jpg"), None) else ""
    raise ReidAugError(f"{path} is not a data set that can be read; expected {expected}{hint}")


def open_posed_images(data: Dataset) -> PosedImages:
    """The images with keypoints of a data set.

    Raises:
        ReidAugError: no keypoint file, a broken one, or no image with keypoints.
    """
    return (data.layout.posed_images or posed_images)(data)
