"""The kinds of data sets that can be read. To add one, write a file like `market1501.py` and list it here."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.datasets import (
    coco_boxes,
    cuhk03np,
    deepfashion,
    dukemtmc,
    image_table,
    market1501,
    msmt17,
    person_folders,
    viper,
)
from reidaug.datasets.dataset import Dataset, Layout
from reidaug.datasets.posed_images import PosedImages, posed_images

LAYOUTS: tuple[Layout, ...] = (  # the first that finds its root is taken
    dukemtmc.LAYOUT,
    cuhk03np.LAYOUT,
    market1501.LAYOUT,
    deepfashion.LAYOUT,
    msmt17.LAYOUT,
    viper.LAYOUT,
    image_table.LAYOUT,
    coco_boxes.LAYOUT,
    person_folders.SPLITS,
    person_folders.PEOPLE,
)
_LOOKED_INTO = 50  # folders in a folder, when a root is looked for


def open_dataset(path: Path) -> Dataset:
    """The data set at a path, or in the folders that usually contain one; reads folders only, no images.

    Raises:
        ReidAugError: there is none, or one whose images must be cut out first.
    """
    data = open_source(path)
    if not data.layout.in_place:
        raise ReidAugError(f"{path} holds boxes in larger pictures: `reidaug import {path} OUT` cuts the people out")
    return data


def open_source(path: Path) -> Dataset:
    """A data set as `open_dataset`, also one whose images must be cut out first.

    Raises:
        ReidAugError: there is none; the message names a root that is near.
    """
    expected = market1501.LAYOUT.expected
    if not path.exists():
        raise ReidAugError(f"no such data folder: {path}; give --data, {expected}, or another layout (docs/layouts.md)")
    if found := _root_at(path):
        return found
    if near := next(_near(path), None):
        raise ReidAugError(f"{path} is not a data set that can be read; give {near.root}, which is {near.layout.name}")
    others = ", ".join(layout.name for layout in LAYOUTS if layout is not market1501.LAYOUT)
    hint = "; `reidaug split` makes one of a folder of people" if next(path.glob("*.jpg"), None) else ""
    raise ReidAugError(
        f"{path} is not a data set that can be read; expected {expected}, or {others} (docs/layouts.md){hint}"
    )


def _root_at(path: Path) -> Dataset | None:
    found = ((layout.find_root(path), layout) for layout in LAYOUTS)
    return next((Dataset(root, layout) for root, layout in found if root is not None), None)


def _near(path: Path) -> Iterator[Dataset]:
    """Data sets around a path that is none: two folders up, and two down."""
    above = list(path.absolute().parents)[:2]
    below = list(islice(_folders_in(path), _LOOKED_INTO))
    below += [inner for folder in below for inner in islice(_folders_in(folder), _LOOKED_INTO)]
    for folder in (*above, *below):
        # a folder of folders of images is anything: it is no hint
        data = next((Dataset(root, layout) for layout in LAYOUTS if (root := _find(layout, folder))), None)
        if data is not None and data.layout is not person_folders.PEOPLE:
            yield data


def _find(layout: Layout, folder: Path) -> Path | None:
    try:
        return layout.find_root(folder)
    except (ReidAugError, OSError):
        return None


def _folders_in(path: Path) -> Iterator[Path]:
    try:
        yield from (inner for inner in sorted(path.iterdir()) if inner.is_dir() and not inner.name.startswith("."))
    except OSError:
        return


def open_posed_images(data: Dataset) -> PosedImages:
    """The images with keypoints of a data set.

    Raises:
        ReidAugError: no keypoint file, a broken one, or no image with keypoints.
    """
    return (data.layout.posed_images or posed_images)(data)
