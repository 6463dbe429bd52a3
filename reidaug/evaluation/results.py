"""`results.jsonl`: one row for each trained and scored baseline; append-only, safe under several writers."""

import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.datasets.market1501 import ImageRecord

NUMBERS = {
    *("portion", "seed", "epochs", "images", "synthetic", "mean_ap", "mean_ap_trapezoid", "mean_inp", "rank1", "rank5")
}
REQUIRED = {"key", "set", "recipe", "arch", "weights", *NUMBERS}  # a row without them cannot stand in the table


def result_key(training_fingerprint: str, test_fingerprint: str, configuration: dict[str, Any], seed: int) -> str:
    """What a result hangs on, in 16 hexadecimal digits: equal keys are the same experiment."""
    content = json.dumps([training_fingerprint, test_fingerprint, configuration, seed], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def append_result(path: Path, row: dict[str, Any]) -> None:
    """Adds a row in one locked write; a line that an earlier crash left unfinished is closed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        start = b""
        if size:
            file.seek(size - 1)
            start = b"" if file.read(1) == b"\n" else b"\n"
        try:
            file.write(start + json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, size)
            raise


# Equal in all rows of one table.
TABLE_FIELDS = ("recipe", "arch", "weights", "epochs", "asked_precision", "test_fingerprint")


def table_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What rows must have in common to stand in one table."""
    return tuple(row.get(name) for name in TABLE_FIELDS)


def epochs_of(row: dict[str, Any]) -> str:
    """The length that was asked for, in words."""
    return f"{row['epochs']} epoch{'s' * (row['epochs'] > 1)}"


def current_results(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that belong together: what was made anew leaves the rows of its old images behind, whatever their seed.

    Of each table and portion these are the sets that complete the kept images of the newest row, of each set the rows
    of its newest images, and of each seed the newest row.

    Args:
        rows: in the order of their writing.
    """
    kept: dict[Any, str] = {}  # fingerprints of the newest rows
    images: dict[Any, str | None] = {}
    for row in rows:
        images[_set_of(row)] = row.get("training_fingerprint")
        if row.get("reduced_fingerprint"):
            kept[table_of(row), row["portion"]] = row["reduced_fingerprint"]
    cells = {}
    for row in rows:
        own = row.get("reduced_fingerprint")
        if own and own != kept[table_of(row), row["portion"]]:
            continue
        if row.get("training_fingerprint") == images[_set_of(row)]:
            care = json.dumps(row.get("care") or {}, sort_keys=True)
            cells[_set_of(row), care, row["seed"]] = row
    return list(cells.values())


def _set_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return table_of(row), row["set"], row["portion"]


def read_results(path: Path) -> list[dict[str, Any]]:
    """The newest row of each key and name, in the order of their writing.

    A line that is no JSON object and is followed by others was cut by a crash and holds no result: it is passed over.

    Raises:
        ReidAugError: a JSON line lacks the fields of a result, or their values are none.
    """
    if not path.exists():
        return []
    rows: dict[tuple[str, str, float], dict[str, Any]] = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if not _is_result(row):
            raise ReidAugError(f"{path} line {number} is not a result row: remove the line, or name another --study")
        rows.pop(row_place(row), None)  # a row that is written again is the newest of its cell again
        rows[row_place(row)] = row
    return list(rows.values())


def _is_result(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() >= REQUIRED
        and all(isinstance(row[name], str) for name in ("key", "set"))
        and all(isinstance(row[name], int | float) for name in NUMBERS)
    )


def row_place(row: dict[str, Any]) -> tuple[str, str, float]:
    """What makes a row one of its kind: two training sets of equal images share a key, not a line of the table."""
    return row["key"], row["set"], row["portion"]


def write_query_scores(path: Path, queries: Sequence[ImageRecord], plain: np.ndarray, trapezoid: np.ndarray) -> None:
    """Writes one row a query: name, pid, camid, and both APs (fractions; empty for a query that does not count)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "pid", "camid", "ap", "ap_trapezoid"])
    for record, *scores in zip(queries, plain, trapezoid, strict=True):
        shown = ["" if np.isnan(score) else f"{score:.6f}" for score in scores]
        writer.writerow([record.name, record.pid, record.camid, *shown])
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text.getvalue())
