"""The results behind the mAP table as CSV."""

import csv
import io
import json
from pathlib import Path

from reidaug.reports.formats.csv import write
from reidaug.reports.grids import row_order
from reidaug.reports.table import make_tables
from tests.factories import TABLE_VI, make_result


def test_csv_reads_back() -> None:
    text = write(make_tables(TABLE_VI, Path()))
    read = list(csv.DictReader(io.StringIO(text)))
    assert [float(line["mean_ap_trapezoid"]) for line in read] == [
        r.mean_ap_trapezoid for r in sorted(TABLE_VI, key=row_order)
    ]
    treated = make_result("pona", 0.2, 0.5, care={"synthetic_weight": 0.5}, versions={"torch": "2", "reidaug": "1"})
    line = next(csv.DictReader(io.StringIO(write(make_tables([treated], Path())))))
    pona = next(line for line in read if line["set"] == "pona")
    first = {name: pona[name] for name in ("set", "images", "real", "generated", "copies")}
    assert first == {"set": "pona", "images": "100", "real": "20", "generated": "80", "copies": "0"}
    assert json.loads(line["care"]) == {"synthetic_weight": 0.5} and line["versions"] == "reidaug 1, torch 2"


def test_re_ranked_scores_are_empty_where_there_are_none() -> None:
    more = {"rerank_mean_ap": 0.8, "rerank_mean_ap_trapezoid": 0.79, "rerank_rank1": 0.9, "reranking": {"k1": 20}}
    rows = [make_result("none", 0.4, 0.5), make_result("full", 1.0, 0.7, **more)]
    lines = csv.DictReader(io.StringIO(write(make_tables(rows, Path()))))
    assert [line["rerank_mean_ap"] for line in lines] == ["", "0.8"]
