"""The mAP table in the layout of the paper's Table VI, with everything that a number needs to be trusted."""

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

from reidaug.comparison import LEVEL, Comparison, compare
from reidaug.controls import CONTROLS, MATCHED, is_control, set_of
from reidaug.results import TABLE_FIELDS, table_of
from reidaug.summary import Summary, summarise

Row = dict[str, Any]
Grid = tuple[str, list[str], list[list[str]]]  # title, header, lines

DETAIL_HEADER = [
    "set",
    "p",
    "seed",
    "images",
    "synthetic",
    "seen",
    "mAP trapezoid",
    "mAP plain",
    "mINP",
    "rank-1",
    "rank-5",
]
CONVENTIONS = (
    "trapezoid: the AP of the official Market-1501 code and of the paper; plain: torchreid, fast-reid, scikit-learn"
)
RERANK_FIELDS = ["rerank_mean_ap_trapezoid", "rerank_mean_ap", "rerank_rank1"]
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


def setting_name(row: Row) -> str:
    """How the baselines of a row's table are trained."""
    name = f"recipe {row['recipe']}, {row['arch']}, weights {row['weights']}, {row['epochs']} epochs"
    return f"{name}, {row['asked_precision']}" if "asked_precision" in row else name


def _label(row: Row) -> str:
    """The set, and how its generated images were treated where that is not as real ones."""
    care = ", ".join(
        f"{name.replace('synthetic_', '').replace('_', ' ')} {row['care'][name]:g}" for name in row.get("care") or {}
    )
    return f"{row['set']} ({care})" if care else str(row["set"])


def _set_order(name: str) -> tuple[int, str]:
    """The reduced set, controls, augmented sets, the full set."""
    return (3 if name == "full" else 0 if name == "none" else 1 if is_control(name) else 2, name)


def summary_grid(rows: list[Row]) -> Grid:
    """Augmentation over portion, trapezoid mAP in per cent: mean, and spread over seeds where there are several.

    As in the paper, the full set stands at p = 1.00. ``gap recovered`` is (augmented - none) / (full - none).
    """
    cells = {(each.name, each.portion): each for each in summarise(rows)}
    seeds = max(each.seeds for each in cells.values())
    names = sorted({name for name, _ in cells if name != "full"}, key=_set_order)
    portions = sorted({portion for name, portion in cells if name != "full"})
    full = _mean(cells.get(("full", 1.0)), seeds)
    lines = [[name, *(_mean(cells.get((name, p)), seeds) for p in portions), full] for name in names]
    if not names:
        lines.append(["full", full])
    if ("full", 1.0) in cells:
        lines += [
            [f"gap recovered by {name}", *(_gap(cells.get((name, p)), seeds) for p in portions), ""]
            for name in names
            if name != "none"
        ]
    title = f"mAP in % (trapezoid AP), {setting_name(rows[0])}, "
    title += f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "1 seed"
    title += ", or over n" if any(each.seeds < seeds for each in cells.values()) else ""
    return title, ["augmentation", *(f"p = {p:.2f}" for p in portions), "p = 1.00"], lines


def comparison_grid(compared: Iterable[Comparison]) -> Grid:
    """One line for each difference: points of mAP, spread over seeds, interval over query identities, verdict."""
    lines = []
    for each in compared:
        spread = "-" if each.spread is None else f"± {each.spread:.1f}"
        interval = "-" if each.interval is None else "{:+.1f} to {:+.1f}".format(*each.interval)
        line = [each.name, f"{each.portion:.2f}", each.reference, f"{each.gain:+.1f}", spread, interval, each.verdict]
        lines.append(line)
    header = ["set", "p", "against", "points", f"{LEVEL} % over seeds", f"{LEVEL} % over queries", "verdict"]
    return "differences in mAP (trapezoid AP), with 95 % intervals (seeds: Welch; queries: bootstrap)", header, lines


def _mean(each: Summary | None, seeds: int) -> str:
    """Of as many seeds as the table has, or of those that it names."""
    if each is None:
        return "-"
    spread = "" if each.deviation is None else f" ± {each.deviation:.1f}"
    return f"{each.mean:.1f}{spread}" + (f" (n = {each.seeds})" if each.seeds < seeds else "")


def _gap(each: Summary | None, seeds: int) -> str:
    """Without a deviation one of its three means is of one seed."""
    if each is None or each.gap_recovered is None:
        return "-"
    if each.gap_recovered_deviation is None:
        return f"{100 * each.gap_recovered:.0f} %" + (" (n = 1)" if seeds > 1 else "")
    return f"{100 * each.gap_recovered:.0f} ± {100 * each.gap_recovered_deviation:.0f} %"


def detail_grid(rows: list[Row]) -> Grid:
    """One line for each trained baseline, with both AP conventions and what its training set holds."""
    ordered = sorted(rows, key=lambda row: (row["portion"], _set_order(row["set"]), row["seed"]))
    lines = [
        [
            *(row["set"], f"{row['portion']:.2f}", str(row["seed"]), f"{row['images']:,}", f"{row['synthetic']:,}"),
            _seen(row),
            *(f"{100 * row[name]:.1f}" for name in ("mean_ap_trapezoid", "mean_ap", "mean_inp", "rank1", "rank5")),
        ]
        for row in ordered
    ]
    return "each baseline", DETAIL_HEADER, lines


def rerank_grid(rows: list[Row]) -> Grid:
    """One line for each baseline with re-ranked scores, in per cent."""
    ordered = sorted(rows, key=lambda row: (row["portion"], _set_order(row["set"]), row["seed"]))
    lines = [
        [
            *(row["set"], f"{row['portion']:.2f}", str(row["seed"])),
            *(f"{100 * row[name]:.1f}" for name in ("mean_ap_trapezoid", *RERANK_FIELDS)),
        ]
        for row in ordered
    ]
    title = "with k-reciprocal re-ranking (Zhong et al., CVPR 2017; k1 = 20, k2 = 6, lambda = 0.3)"
    return title, ["set", "p", "seed", "mAP without", "mAP trapezoid", "mAP plain", "rank-1"], lines


def _seen(row: Row) -> str:
    if not row["synthetic"] or is_control(row["set"]):
        return "-"
    return "unknown" if row.get("seen_missing") is None else f"{row['seen_missing']:,} of {row['missing']:,}"


def notes(rows: list[Row]) -> list[str]:
    """What a reader must know to judge the table."""
    lines = [CONVENTIONS]
    for name, portion in sorted({(row["set"], row["portion"]) for row in rows if row.get("seen_missing") is not None}):
        row = next(row for row in rows if (row["set"], row["portion"]) == (name, portion))
        seen = row["seen_missing"]
        verdict = "none of them" if seen == 0 else f"{seen:,} of them: its training saw what it paints"
        lines.append(
            f"{name}, p = {portion:.2f}: of {row['missing']:,} missing images the generator was trained on {verdict}"
            f" (protocol {row.get('protocol') or 'unknown'}{_start(row)})"
        )
    for name, portion in sorted({(r["set"], r["portion"]) for r in rows if _seen(r) == "unknown"}):
        lines.append(f"{name}, p = {portion:.2f}: the generator's checkpoint does not say what it was trained on")
    names = {set_of(row["set"]) for row in rows}
    if "none" in names and MATCHED not in names:
        lines.append(
            "equal epochs, not equal iterations: none takes fewer steps than the completed and full sets "
            f"(--controls {MATCHED} gives it as many)"
        )
    if controls := [f"{name}: {CONTROLS[name]}" for name in CONTROLS if name in names]:
        lines.append(f"controls, which cost nothing: {'; '.join(controls)}")
    without = max(row.get("queries_without_match", 0) for row in rows)
    if without:
        lines.append(f"{without} queries have no right gallery image and do not count")
    machines = sorted({_machine(row) for row in rows if row.get("device")})
    if len(machines) > 1:
        lines.append(f"computed in several ways ({'; '.join(machines)}); the same seed differs by rounding")
    versions = sorted({_versions(row) for row in rows if row.get("versions")})
    if len(versions) > 1:
        lines.append(f"computed by several versions ({'; '.join(versions)}): another --study keeps them apart")
    if len({row["seed"] for row in rows}) == 1:
        lines.append("one seed: small differences may be chance; --seeds 3 shows the spread")
    else:
        lines.append(
            "seeds vary the training of the baseline only: all share one draw of kept images and one generator each"
        )
    return lines


def _machine(row: Row) -> str:
    """On what a row was computed; rows of before threads were kept have none."""
    where = row.get("processor", "cpu") if row["device"] == "cpu" else row["device"]
    threads = f", {row['threads']} threads" if row["device"] == "cpu" and "threads" in row else ""
    return f"{where} {row.get('precision') or ''}".strip() + threads


def _versions(row: Row) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(row["versions"].items()))


def _start(row: Row) -> str:
    generator = row.get("generator") or {}
    start = f", its training started from {generator['started_from']}" if generator.get("started_from") else ""
    return start + (", selected by L1 on people of the test split" if generator.get("selected_on") else "")


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
        versions = _versions(row) if row.get("versions") else ""
        writer.writerow({**row, "set": _label(row), "care": care, "versions": versions})
    return text.getvalue().rstrip("\n")
