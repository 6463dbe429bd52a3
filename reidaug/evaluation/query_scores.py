"""`queries/KEY.csv`: the average precision of each query, for one trained baseline."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import write_csv
from reidaug.core.fingerprint import refuse_pipe
from reidaug.datasets.dataset import Image

HEADER = ["name", "pid", "camid", "ap", "ap_trapezoid"]
_NUMBER, _AP = r"-1|\d{1,18}", r"(0(\.\d+)?|1(\.0+)?)?"
_FORMS = dict(zip(HEADER, (r"[^/\\\x00-\x1f]{1,255}", _NUMBER, _NUMBER, _AP, _AP), strict=True))
_WORDS = dict(zip(HEADER, ("an image name", *["a whole number"] * 2, *["0 to 1, or nothing"] * 2), strict=True))


@dataclass(frozen=True)
class QueryScore:
    """The scores of one query."""

    pid: int
    camid: int
    ap: float  # plain AP, a fraction
    ap_trapezoid: float


def write_query_scores(path: Path, queries: Sequence[Image], plain: np.ndarray, trapezoid: np.ndarray) -> None:
    """Writes a row for each query, whole or not at all; creates the folder.

    Args:
        path: the CSV.
        queries: Q images.
        plain: (Q,) plain AP, a fraction; NaN = the query does not count, written as an empty field.
        trapezoid: (Q,) trapezoid AP, likewise.
    """
    rows: list[list[object]] = [[*HEADER]]
    for image, *scores in zip(queries, plain, trapezoid, strict=True):
        shown = ["" if np.isnan(score) else f"{score:.6f}" for score in scores]
        rows.append([image.name, image.pid, image.camid, *shown])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, rows)


def read_query_scores(path: Path) -> dict[str, QueryScore] | None:
    """Reads the queries that count, by name; None if there is no file.

    Raises:
        ReidAugError: a broken file; the message gives line and column.
    """
    refuse_pipe(path)
    if not path.exists():
        return None
    scores: dict[str, QueryScore] = {}
    number = 1
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        if not lines or lines[0] != ",".join(HEADER):
            raise ReidAugError(f"expected the header {','.join(HEADER)}")
        names: set[str] = set()
        for number, line in enumerate(lines[1:], 2):  # noqa: B007 - the last one is that of a message
            values = next(csv.reader([line]), [])
            if len(values) != len(HEADER):
                raise ReidAugError(f"{len(values)} columns, expected {','.join(HEADER)}")
            row = dict(zip(HEADER, values, strict=True))
            for column, text in row.items():
                if not re.fullmatch(_FORMS[column], text, re.ASCII):
                    raise ReidAugError(f"{column} is {text[:40]!r}, expected {_WORDS[column]}")
            if row["name"] in names or bool(row["ap"]) != bool(row["ap_trapezoid"]):
                wrong = "is there twice" if row["name"] in names else "has one AP, expected both or none"
                raise ReidAugError(f"{row['name']} {wrong}")
            names.add(row["name"])
            if row["ap"]:
                numbers = int(row["pid"]), int(row["camid"]), float(row["ap"]), float(row["ap_trapezoid"])
                scores[row["name"]] = QueryScore(*numbers)
        if not names:
            raise ReidAugError("there is no query")
    except (ValueError, csv.Error, ReidAugError) as error:
        what = error if isinstance(error, ReidAugError) else "not a CSV in UTF-8"
        advice = f"remove it, with the lines of results.jsonl whose key is {path.stem}, and evaluate again"
        raise ReidAugError(f"{path} line {number}: {what}: {advice}") from None
    return scores
