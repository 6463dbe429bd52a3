"""A table of images: a CSV with the columns path, pid, camid and split.

Paths are those from the folder of the file on. Without `camid` all images are of camera 1, without `split` all are
training images; `test` is the gallery. Persons and cameras may have numbers or names. Other columns are left alone.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reidaug.datasets.dataset import SPLITS, Image, Layout, Problem
from reidaug.datasets.labels import Found, split_of

SPLIT_NAMES = {**{split: split for split in SPLITS}, "test": "gallery", "probe": "query"}


def find_root(path: Path) -> Path | None:
    """The file itself if it is such a table, else None."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
            header = next(csv.reader(file, delimiter=_delimiter(path)), [])
    except csv.Error:
        return None
    return path if {"path", "pid"} <= {column.strip() for column in header} else None


def read_split(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """The images of a split, sorted by name, and the rows that are broken."""
    found: list[Found] = []
    problems: list[Problem] = []
    seen: set[tuple[str, str]] = set()
    for line, row in _rows(root, problems):
        values = {str(key).strip(): (value or "").strip() for key, value in row.items() if isinstance(value, str)}
        name = values.get("split") or "train"
        if wrong := _wrong(values, name, seen):
            problems.append(Problem("broken-row", "error", f"line {line}", wrong))
            continue
        seen.add((values["path"], SPLIT_NAMES[name.lower()]))
        path = root.parent / values["path"]
        found.append(Found(path, values["pid"], values.get("camid") or "1", SPLIT_NAMES[name.lower()]))
    return split_of(found, problems, split)


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows with the numbers of their lines, up to one at which the file is no CSV in UTF-8: a problem."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, skipinitialspace=True, delimiter=_delimiter(path))
        try:
            for row in rows:
                yield rows.line_num, row
        except (UnicodeDecodeError, csv.Error) as error:
            message = f"{error}; save the table as a CSV in UTF-8"
            problems.append(Problem("broken-row", "error", f"after line {rows.line_num}", message))


def _delimiter(path: Path) -> str:
    """What separates the columns, as spreadsheets write it in one country or another."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
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
