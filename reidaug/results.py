"""`results.jsonl`: one row for each trained and scored baseline; append-only, safe under several writers."""

import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from reidaug.errors import ReidAugError


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


def read_results(path: Path) -> list[dict[str, Any]]:
    """All rows in the order of their writing, the newest of each key.

    A line that is no JSON object and is followed by others was cut by a crash and holds no result: it is passed over.

    Raises:
        ReidAugError: a JSON line lacks the fields of a result.
    """
    if not path.exists():
        return []
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if not isinstance(row, dict) or not {"key", "set", "portion", "seed", "mean_ap"} <= row.keys():
            raise ReidAugError(f"{path} line {number} is not a result row: remove the line, or name another --study")
        rows[row["key"]] = row
    return list(rows.values())
