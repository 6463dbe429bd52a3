"""The results behind the mAP table as CSV: a line for each baseline, for spreadsheets and data frames."""

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reidaug.reports.table import Table

FIELDS = [
    *("set", "portion", "recipe", "arch", "weights", "epochs", "trained_epochs", "seed"),
    *("images", "real", "generated", "copies", "identities", "synthetic", "seen_missing", "missing", "protocol"),
    *("mean_ap", "mean_ap_trapezoid", "mean_inp", "rank1", "rank5", "rank10"),
    *("rerank_mean_ap_trapezoid", "rerank_mean_ap", "rerank_rank1", "queries", "queries_without_match"),
    *("training_fingerprint", "test_fingerprint", "key", "device", "precision", "asked_precision", "threads"),
    "same_camera",
    *("versions", "care", "seconds", "time", "command"),
]


def write(tables: "Sequence[Table]") -> str:
    """A header and the lines; no newline at the end."""
    from reidaug.reports.grids import image_counts
    from reidaug.reports.notes import versions_text

    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for result in (result for table in tables for result in table.results):
        care = json.dumps(dict(result.care)) if result.care else ""
        shown = {"set": result.label, "care": care, "versions": versions_text(result)}
        writer.writerow(result.values() | image_counts(result) | shown)
    return text.getvalue().rstrip("\n")
