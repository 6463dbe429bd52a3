"""How other tools read a set from disk: the rules of their readers, written down from what they do."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from reidaug.datasets.dataset import Dataset

Row = tuple[Path, int, int]  # file, person, camera


def read_market(root: Path) -> dict[str, list[Row]]:
    """Market-1501 in torchreid, fast-reid and TransReID: `*.jpg` alone, numbers from the whole path, no junk.

    They stop at a person above 1501 and at a camera other than 1 to 6.
    """
    splits = {}
    for split, folder in (("train", "bounding_box_train"), ("query", "query"), ("gallery", "bounding_box_test")):
        assert (root / folder).exists()
        rows: list[Row] = []
        for name in sorted(name for name in os.listdir(root / folder) if name.endswith(".jpg")):
            match = re.search(r"([-\d]+)_c(\d)", str(root / folder / name))
            assert match is not None
            if int(match[1]) != -1:
                assert 0 <= int(match[1]) <= 1501 and 1 <= int(match[2]) <= 6
                rows.append((root / folder / name, int(match[1]), int(match[2])))
        splits[split] = rows
    return splits


def read_msmt17(root: Path) -> dict[str, list[Row]]:
    """MSMT17 in torchreid, fast-reid and TransReID: lists of two words a line.

    The camera is the third part of the first word.
    """
    splits = {}
    for split in ("train", "val", "query", "gallery"):
        rows = []
        for line in (root / f"list_{split}.txt").read_text().splitlines():
            file, person = line.split(" ")
            rows.append(
                (root / ("train" if split in ("train", "val") else "test") / file, int(person), int(file.split("_")[2]))
            )
        splits[split] = rows
    for rows in splits.values():  # classes as they stand; TransReID asks the same of the other lists
        labels = {person for _, person, _ in rows}
        assert labels == set(range(len(labels)))
    return splits


def prepare(beside: Path) -> Path:
    """What prepare.py of Person_reID_baseline_pytorch does when it is started in a folder; returns pytorch/."""
    market = beside / ".." / "Market"
    assert market.is_dir()
    for source, target in (("query", "query"), ("bounding_box_test", "gallery"), ("bounding_box_train", "train_all")):
        for folder, _, files in os.walk(market / source):
            for name in files:
                if name[-3:] == "jpg":
                    person = market / "pytorch" / target / name.split("_")[0]
                    person.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(os.path.join(folder, name), person / name)
    return market / "pytorch"


def read_prepared(folder: Path) -> list[tuple[int, int]]:
    """Person and camera of its test.py: four characters (-1: two) and the digit after the first c."""
    rows = []
    for path in sorted(folder.glob("*/*")):
        person = -1 if path.name[:2] == "-1" else int(path.name[:4])
        rows.append((person, int(path.name.split("c")[1][0])))
    return sorted(rows)


def numbers(data: Dataset, split: str, junk: bool = False) -> list[tuple[int, int]]:
    """Person and camera of the images of a set, sorted; without junk unless asked for."""
    return sorted((image.pid, image.camid) for image in data.images(split) if junk or image.pid != -1)


def numbers_of(rows: Sequence[Row]) -> list[tuple[int, int]]:
    assert all(path.is_file() for path, _, _ in rows)
    return sorted((pid, camid) for _, pid, camid in rows)
