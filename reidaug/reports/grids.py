"""The grids of the mAP table: means in the layout of the paper's Table VI, differences, and every baseline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reidaug.evaluation.results import Result
from reidaug.reports.statistics import LEVEL, Comparison, Summary, summarise
from reidaug.study.controls import is_control
from reidaug.study.folder import PLAIN_SET
from reidaug.study.training_sets import FULL_SET

SCORES = {  # heading of a score -> field of a result
    "mAP trapezoid": "mean_ap_trapezoid",
    "mAP plain": "mean_ap",
    "mINP": "mean_inp",
    "rank-1": "rank1",
    "rank-5": "rank5",
}
COUNTS = ("real", "generated", "copies")  # of the images of a training set; copies are of real ones
RERANKED_SCORES = {
    "mAP without": "mean_ap_trapezoid",
    "mAP trapezoid": "rerank_mean_ap_trapezoid",
    "mAP plain": "rerank_mean_ap",
    "rank-1": "rerank_rank1",
}


@dataclass(frozen=True)
class Grid:
    """Lines of text below a header."""

    key: str  # its name in labels
    title: str
    header: list[str]
    lines: list[list[str]]
    folded: Sequence[str] = ()  # columns of words, whose cells may take several lines
    lesser: Sequence[str] = ()  # columns that a narrow terminal leaves out, those that matter least first


def setting_name(result: Result) -> str:
    """Recipe, network, weights and length of the training, which all results of a table have in common."""
    name = f"recipe {result.recipe}, {result.arch}, weights {result.weights}, {result.length}"
    name += f", {result.asked_precision}" if result.asked_precision else ""
    return f"{name}, own camera counts" if result.same_camera else name


def summary_grid(results: Sequence[Result]) -> Grid:
    """Augmentation over portion, trapezoid mAP in per cent: mean, and spread if there are several seeds.

    As in the paper, the full set is at p = 1.00. ``gap recovered`` is (augmented - none) / (full - none).
    """
    cells = {(summary.name, summary.portion): summary for summary in summarise(results)}
    seeds = max(summary.seeds for summary in cells.values())
    names = sorted({name for name, _ in cells if name != FULL_SET}, key=set_order)
    portions = sorted({portion for name, portion in cells if name != FULL_SET})
    full = _mean(cells.get((FULL_SET, 1.0)), seeds)
    lines = [[name, *(_mean(cells.get((name, p)), seeds) for p in portions), full] for name in names]
    if not names:
        lines.append([FULL_SET, full])
    gaps = [[f"gap recovered by {name}", *(_gap(cells.get((name, p)), seeds) for p in portions), ""] for name in names]
    lines += [line for line in gaps if set(line[1:-1]) != {"-"}]  # a note says why others are not there
    title = f"mAP in % (trapezoid AP), {setting_name(results[0])}, "
    title += f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "1 seed"
    title += ", or over n" if any(summary.seeds < seeds for summary in cells.values()) else ""
    return Grid("summary", title, ["augmentation", *(f"p = {p:.2f}" for p in portions), "p = 1.00"], lines)


def comparison_grid(comparisons: Iterable[Comparison]) -> Grid:
    """One line for each difference: points of mAP, spread over seeds, interval over query identities, verdict."""
    lines = []
    for pair in comparisons:
        spread = "-" if pair.spread is None else f"± {pair.spread:.1f}"
        interval = "-" if pair.interval is None else "{:+.1f} to {:+.1f}".format(*pair.interval)
        names = [pair.name, f"{pair.portion:.2f}", pair.reference]
        lines.append([*names, f"{pair.gain:+.1f}", spread, interval, pair.verdict])
    header = ["set", "p", "against", "points", f"{LEVEL} % over seeds", f"{LEVEL} % over queries", "verdict"]
    title = "differences in mAP (trapezoid AP), with 95 % intervals (seeds: Welch; queries: bootstrap)"
    return Grid("differences", title, header, lines, folded=["verdict"])


def detail_grid(results: Iterable[Result]) -> Grid:
    """One line for each trained baseline, with both AP conventions and the sizes of its training set."""
    lines = [
        [
            *_name(result),
            *(f"{count:,}" for count in image_counts(result).values()),
            seen_text(result),
            *_percents(result, SCORES),
        ]
        for result in sorted(results, key=row_order)
    ]
    header = ["set", "p", "seed", *COUNTS, "seen", *SCORES]
    lesser = ["rank-5", "seen", "mINP", "copies", "generated", "real"]
    return Grid("baselines", "each baseline", header, lines, lesser=lesser)


def rerank_grid(results: Iterable[Result]) -> Grid:
    """One line for each baseline with re-ranked scores, in per cent."""
    lines = [[*_name(result), *_percents(result, RERANKED_SCORES)] for result in sorted(results, key=row_order)]
    title = "with k-reciprocal re-ranking (Zhong et al., CVPR 2017; k1 = 20, k2 = 6, lambda = 0.3)"
    return Grid("reranked", title, ["set", "p", "seed", *RERANKED_SCORES], lines)


def image_counts(result: Result) -> dict[str, int]:
    """Images of the training set by `COUNTS`."""
    known = result.provenance.copied if result.provenance else 0
    copies = result.synthetic if is_control(result.set) else known
    counts = (result.images - result.synthetic, result.synthetic - copies, copies)
    return dict(zip(COUNTS, counts, strict=True))


def seen_text(result: Result) -> str:
    """How many of the missing images the generator of a set was trained on; a dash for a set without one."""
    if not result.synthetic or is_control(result.set):
        return "-"
    origin = result.provenance
    if origin is None or origin.seen_missing is None:
        return "unknown"
    return f"{origin.seen_missing:,} of {origin.missing:,}"


def _name(result: Result) -> list[str]:
    return [result.label, f"{result.portion:.2f}", str(result.seed)]


def _percents(result: Result, scores: dict[str, str]) -> list[str]:
    return [f"{100 * getattr(result, field):.1f}" for field in scores.values()]


def row_order(result: Result) -> tuple[float, tuple[int, str], int]:
    """Sort key of the rows of every table and plot, in every format."""
    return result.portion, set_order(result.label), result.seed


def set_order(name: str) -> tuple[int, str]:
    """Sort key: the reduced set, controls, augmented sets, the full set."""
    return (3 if name == FULL_SET else 0 if name == PLAIN_SET else 1 if is_control(name) else 2, name)


def _mean(summary: Summary | None, seeds: int) -> str:
    if summary is None:
        return "-"
    spread = "" if summary.deviation is None else f" ± {summary.deviation:.1f}"
    return f"{summary.mean:.1f}{spread}" + (f" (n = {summary.seeds})" if summary.seeds < seeds else "")


def _gap(summary: Summary | None, seeds: int) -> str:
    if summary is None or summary.gap_recovered is None:
        return "-"
    if summary.gap_recovered_deviation is None:  # one of the three means is of one seed
        return f"{100 * summary.gap_recovered:.0f} %" + (" (n = 1)" if seeds > 1 else "")
    return f"{100 * summary.gap_recovered:.0f} ± {100 * summary.gap_recovered_deviation:.0f} %"
