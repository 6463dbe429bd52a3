"""`queries/KEY.csv`: the average precision of each query, for one trained baseline."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import write_csv
from reidaug.datasets.dataset import Image

HEADER = ["name", "pid", "camid", "ap", "ap_trapezoid"]


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


def read_query_scores(path: Path) -> dict[str, tuple[str, float]] | None:
    """Reads query name -> (pid, trapezoid AP as a fraction) of the queries that count; None if there is no file.

    Raises:
        ReidAugError: a broken line; the message gives its number.
    """
    if not path.is_file():
        return None
    scores: dict[str, tuple[str, float]] = {}
    number = 0
    try:
        for number, line in enumerate(list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines())), 1):
            name, pid, _, _, score = line
            if number == 1 and line != HEADER:
                raise ValueError
            if number > 1 and score:
                scores[name] = (pid, float(score))
                if not 0 <= scores[name][1] <= 1:
                    raise ValueError
        if not number:
            raise ValueError
    except (ValueError, csv.Error):
        where = f"{path} line {number}" if number else str(path)
        raise ReidAugError(f"{where}: expected {','.join(HEADER)}: remove the file and evaluate again") from None
    return scores
