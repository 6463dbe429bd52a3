"""Query and gallery of a set: links that follow their data set, and copies that need none."""

import os
from pathlib import Path

import pytest

from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.study.query_gallery import add_query_and_gallery


def names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.endswith(".jpg"))


def test_links_that_lead_nowhere_are_replaced_and_others_stay(tiny_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    add_query_and_gallery(root, open_dataset(tiny_root), copy=False)
    query, gallery = (split_folder(root, split) for split in ("query", "gallery"))
    assert query.resolve() == split_folder(tiny_root, "query")
    moved = tiny_root.rename(tmp_path / "moved")
    gallery.unlink()
    gallery.mkdir()
    (gallery / "0101_c1s1_000007_00.jpg").symlink_to(tiny_root / "bounding_box_test" / "0101_c1s1_000007_00.jpg")
    add_query_and_gallery(root, open_dataset(moved), copy=False)
    assert query.resolve() == split_folder(moved, "query")
    assert names(gallery) == names(split_folder(moved, "gallery"))
    before = query.lstat().st_mtime_ns
    add_query_and_gallery(root, open_dataset(moved), copy=False)
    assert query.lstat().st_mtime_ns == before
    add_query_and_gallery(root, open_dataset(moved), copy=True)
    assert not query.is_symlink() and names(query) == names(split_folder(moved, "query"))
    add_query_and_gallery(root, open_dataset(moved), copy=False)
    assert not query.is_symlink()


@pytest.mark.parametrize("copy", [False, True])
def test_nothing_is_left_beside_the_folders(tiny_root: Path, tmp_path: Path, copy: bool) -> None:
    (tmp_path / "set").mkdir()
    add_query_and_gallery(tmp_path / "set", open_dataset(tiny_root), copy)
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["bounding_box_test", "query"]
