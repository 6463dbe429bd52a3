"""Makers of small data sets in the layouts of others, by their published naming rules."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image


def write_images(root: Path, files: Iterable[str], size: tuple[int, int] = (128, 64)) -> Path:
    """Random pictures in the format of their ending, height x width."""
    random = np.random.RandomState(0)
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(random.randint(0, 256, (*size, 3)).astype(np.uint8)).save(path)
    return root


def write_msmt17(root: Path, version: str = "MSMT17_V1") -> Path:
    """MSMT17: two training persons, two others in the test; cameras 1 to 15."""
    train, test = {"MSMT17_V1": ("train", "test"), "MSMT17_V2": ("mask_train_v2", "mask_test_v2")}[version]
    lists: Mapping[str, tuple[str, Sequence[tuple[str, int]]]] = {
        "train": (train, [(f"{p:04d}/{p:04d}_00{i}_{c:02d}_0303morning_000{i}_0.jpg", p) for p in (0, 1)
                          for i, c in enumerate((1, 15))]),
        "val": (train, [("0001/0001_009_03_0303morning_0009_0.jpg", 1)]),
        "query": (test, [(f"{p:04d}/{p:04d}_000_07_0303noon_0001_0_ex.jpg", p) for p in (0, 1)]),
        "gallery": (test, [(f"{p:04d}/{p:04d}_001_14_0303noon_0002_1.jpg", p) for p in (0, 1)]),
    }  # fmt: skip
    for name, (folder, rows) in lists.items():
        write_images(root / version / folder, [file for file, _ in rows])
        (root / version / f"list_{name}.txt").write_text("".join(f"{file} {person}\n" for file, person in rows))
    return root


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """A CSV with the columns of the first row, and small images at its paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    write_images(path.parent, [str(row["path"]) for row in rows])
    return path


def write_coco(path: Path, annotations: Sequence[Mapping[str, Any]]) -> Path:
    """Two pictures of 200 x 300 pixels, of cameras 3 and 4, with boxes; the first is beside the file, the other not."""
    write_images(path.parent, ["a.jpg"], (200, 300))
    write_images(path.parent / "images", ["b.png"], (200, 300))
    images = [{"id": 1, "file_name": "a.jpg", "camera": 3}, {"id": 2, "file_name": "b.png", "camera": 4}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}))
    return path
