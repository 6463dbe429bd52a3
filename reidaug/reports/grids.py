"""The grids of the mAP table: means in the layout of the paper's Table VI, differences, and every baseline."""

from collections.abc import Iterable
from typing import Any

from reidaug.evaluation.results import epochs_of
from reidaug.reports.statistics import LEVEL, Comparison, Summary, summarise
from reidaug.study.controls import is_control

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
RERANK_FIELDS = ["rerank_mean_ap_trapezoid", "rerank_mean_ap", "rerank_rank1"]


def setting_name(row: Row) -> str:
    """How the baselines of a row's table are trained."""
    name = f"recipe {row['recipe']}, {row['arch']}, weights {row['weights']}, {epochs_of(row)}"
    return f"{name}, {row['asked_precision']}" if "asked_precision" in row else name


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


def detail_grid(rows: list[Row]) -> Grid:
    """One line for each trained baseline, with both AP conventions and what its training set holds."""
    lines = [
        [
            *(row["set"], f"{row['portion']:.2f}", str(row["seed"]), f"{row['images']:,}", f"{row['synthetic']:,}"),
            seen_text(row),
            *(f"{100 * row[name]:.1f}" for name in ("mean_ap_trapezoid", "mean_ap", "mean_inp", "rank1", "rank5")),
        ]
        for row in _ordered(rows)
    ]
    return "each baseline", DETAIL_HEADER, lines


def rerank_grid(rows: list[Row]) -> Grid:
    """One line for each baseline with re-ranked scores, in per cent."""
    lines = [
        [
            *(row["set"], f"{row['portion']:.2f}", str(row["seed"])),
            *(f"{100 * row[name]:.1f}" for name in ("mean_ap_trapezoid", *RERANK_FIELDS)),
        ]
        for row in _ordered(rows)
    ]
    title = "with k-reciprocal re-ranking (Zhong et al., CVPR 2017; k1 = 20, k2 = 6, lambda = 0.3)"
    return title, ["set", "p", "seed", "mAP without", "mAP trapezoid", "mAP plain", "rank-1"], lines


def seen_text(row: Row) -> str:
    """How many of the missing images the generator of a row's set was trained on; a dash where it has none."""
    if not row["synthetic"] or is_control(row["set"]):
        return "-"
    return "unknown" if row.get("seen_missing") is None else f"{row['seen_missing']:,} of {row['missing']:,}"


def _ordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["portion"], _set_order(row["set"]), row["seed"]))


def _set_order(name: str) -> tuple[int, str]:
    """The reduced set, controls, augmented sets, the full set."""
    return (3 if name == "full" else 0 if name == "none" else 1 if is_control(name) else 2, name)


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
