"""The mAP table, with everything that a number needs to be trusted, in the formats in which people want it."""

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table as RichTable

from reidaug.evaluation.results import TABLE_FIELDS, table_of
from reidaug.reports.grids import RERANK_FIELDS, Grid, Row, comparison_grid, detail_grid, rerank_grid, summary_grid
from reidaug.reports.notes import CONVENTIONS, notes, versions_text
from reidaug.reports.statistics import compare, summarise

CSV_FIELDS = [
    *(
        "set",
        "portion",
        "recipe",
        "arch",
        "weights",
        "epochs",
        "trained_epochs",
        "seed",
        "images",
        "identities",
        "synthetic",
    ),
    *("seen_missing", "missing", "protocol", "mean_ap", "mean_ap_trapezoid", "mean_inp", "rank1", "rank5", "rank10"),
    *RERANK_FIELDS,
    *(
        "queries",
        "queries_without_match",
        "training_fingerprint",
        "test_fingerprint",
        "key",
        "device",
        "precision",
        "asked_precision",
    ),
    *("threads", "versions", "care", "seconds", "time", "command"),
]


def format_table(rows: list[Row], style: str, queries: Path | None = None) -> RenderableType:
    """The results as text, or as a rich renderable.

    Args:
        rows: result rows, as in ``results.jsonl``.
        style: rich, markdown, csv or latex.
        queries: the folder of the per-query scores; None = no intervals over query identities.
    """
    if style == "csv":
        return _csv(rows)
    groups = []
    several_tests = len({row.get("test_fingerprint") for row in rows}) > 1
    for group in group_rows(rows):
        compared = compare(group, queries or Path())
        grids = [summary_grid(group), *([comparison_grid(compared)] if compared else [])]
        if style != "latex":
            grids.append(detail_grid(group))
        if reranked := [row for row in group if RERANK_FIELDS[0] in row]:
            grids.append(rerank_grid(reranked))
        tested = [f"test images {group[0]['test_fingerprint']}"] if several_tests else []
        groups.append((grids, tested + notes(group)))
    if style == "rich":
        parts: list[RenderableType] = []
        for grids, remarks in groups:
            parts += [*map(_rich, grids), *remarks, ""]
        return Group(*parts)
    if style == "markdown":
        return "\n\n".join("\n\n".join([*map(_markdown, gs), "\n".join(f"- {n}" for n in ns)]) for gs, ns in groups)
    texts = []
    for grids, remarks in groups:
        own = [each for each in remarks if each != CONVENTIONS]  # of what only the other styles show
        texts += [_latex(grid, own if place == 0 else []) for place, grid in enumerate(grids)]
    return "\n\n".join(texts)


def table_values(rows: Iterable[Row], queries: Path) -> dict[str, list[dict[str, Any]]]:
    """The table for programs: rows; means over seeds; differences with intervals and verdicts.

    Each mean and difference names the table that it is of.
    """
    values: dict[str, list[dict[str, Any]]] = {"rows": list(rows), "summary": [], "comparisons": []}
    for group in group_rows(values["rows"]):
        of = dict(zip(TABLE_FIELDS, table_of(group[0]), strict=True))
        values["summary"] += [{**of, **asdict(each)} for each in summarise(group)]
        values["comparisons"] += [{**of, **asdict(each)} for each in compare(group, queries)]
    return values


def group_rows(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that may stand in one table (`table_of`), sets by their label."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(table_of(row), []).append({**row, "set": _label(row)})
    return list(groups.values())


def _label(row: Row) -> str:
    """The set, and how its generated images were treated where that is not as real ones."""
    care = ", ".join(
        f"{name.replace('synthetic_', '').replace('_', ' ')} {row['care'][name]:g}" for name in row.get("care") or {}
    )
    return f"{row['set']} ({care})" if care else str(row["set"])


def _rich(grid: Grid) -> RichTable:
    title, header, lines = grid
    table = RichTable(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    return table


def _markdown(grid: Grid) -> str:
    title, header, lines = grid
    rows = [header, ["---", *["---:"] * (len(header) - 1)], *lines]
    return f"**{title}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _latex(grid: Grid, remarks: list[str]) -> str:
    title, header, lines = grid

    def escape(text: str) -> str:
        return re.sub(r"([%_&#$])", r"\\\1", text).replace("±", r"$\pm$").replace("≥", r"$\geq$")

    body = "\n".join(f"  {' & '.join(map(escape, row))} \\\\" for row in [header, *lines])
    caption = escape(". ".join([title, *remarks]))
    return (
        f"\\begin{{table}}\n  \\caption{{{caption}.}}\n  \\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}\n"
        f"{body}\n  \\end{{tabular}}\n\\end{{table}}"
    )


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        care = json.dumps(row["care"]) if row.get("care") else ""
        versions = versions_text(row) if row.get("versions") else ""
        writer.writerow({**row, "set": _label(row), "care": care, "versions": versions})
    return text.getvalue().rstrip("\n")
