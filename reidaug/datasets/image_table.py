"""A table of images: a CSV with the columns path, pid, camid and split.

Paths are those from the folder of the file on. Without `camid` all images are of camera 1, without `split` all are
training images; `test` is the gallery. Persons and cameras may have numbers or names. Other columns are left alone.
"""

import csv
from pathlib import Path

from reidaug.datasets.dataset import SPLITS, Image, Layout, Problem
from reidaug.datasets.labels import Found, split_of

SPLIT_NAMES = {**{split: split for split in SPLITS}, "test": "gallery", "probe": "query"}


def find_root(path: Path) -> Path | None:
    """The file itself if it is such a table, else None."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file, delimiter=_delimiter(path)), [])
    except (UnicodeDecodeError, csv.Error):
        return None
    return path if {"path", "pid"} <= {column.strip() for column in header} else None


def read_split(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """The images of a split, sorted by name, and the rows that are broken."""
    found: list[Found] = []
    problems: list[Problem] = []
    seen: set[tuple[str, str]] = set()
    with root.open(encoding="utf-8-sig", newline="") as file:
        for row in (rows := csv.DictReader(file, skipinitialspace=True, delimiter=_delimiter(root))):
            values = {str(key).strip(): (value or "").strip() for key, value in row.items() if isinstance(value, str)}
            name = values.get("split") or "train"
            if wrong := _wrong(values, name, seen):
                problems.append(Problem("broken-row", "error", f"line {rows.line_num}", wrong))
                continue
            seen.add((values["path"], SPLIT_NAMES[name.lower()]))
            path = root.parent / values["path"]
            found.append(Found(path, values["pid"], values.get("camid") or "1", SPLIT_NAMES[name.lower()]))
    return split_of(found, problems, split)


def _delimiter(path: Path) -> str:
    """What separates the columns, as spreadsheets write it in one country or another."""
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    return max(",;\t", key=header.count)


def _wrong(values: dict[str, str], split: str, seen: set[tuple[str, str]]) -> str | None:
    """What is wrong with a row, or None."""
    if not values.get("path") or not values.get("pid"):
        return "no path or no pid; expected path,pid,camid,split"
    if split.lower() not in SPLIT_NAMES:
        return f"the split is {split!r}, expected {', '.join(SPLITS)}"
    if (values["path"], SPLIT_NAMES[split.lower()]) in seen:
        return f"{values['path']} is listed twice in this split"
    return None


LAYOUT = Layout("table of images", "a CSV with the columns path, pid, camid and split", find_root, read_split)
