"""Query and gallery of a set that the program writes: links to the data set, or copies."""

import os
from pathlib import Path

from reidaug.core.links import link_or_copy_files
from reidaug.datasets.dataset import Dataset
from reidaug.datasets.market1501 import split_folder


def add_query_and_gallery(root: Path, data: Dataset, copy: bool) -> None:
    """Adds the two folders, where the data set has them; what is there stays, except links that lead nowhere.

    Args:
        root: of the set.
        data: the data set.
        copy: copy the images instead of linking them; replaces links.
    """
    for split in filter(data.has, ("query", "gallery")):
        folder = split_folder(root, split)
        if not folder.exists() or (copy and folder.is_symlink()) or _leads_nowhere(folder):
            link_or_copy_files({image.name: image.path for image in data.images(split)}, folder, copy)


def _leads_nowhere(folder: Path) -> bool:
    """Whether a file in a folder is a link to none."""
    with os.scandir(folder) as entries:
        return any(entry.is_symlink() and not Path(entry.path).exists() for entry in entries)
