"""Is a difference between two training sets more than chance: spread over seeds, bootstrap over query identities."""

import csv
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from reidaug.study.controls import is_control

DRAWS = 2000  # of the bootstrap
FEWEST = 20  # query identities, below which the bootstrap finds differences where there are none
LEVEL = 95  # per cent, of its intervals
Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """One training set against another of the same portion; trapezoid mAP in per cent, means over seeds."""

    name: str
    portion: float
    reference: str  # the set that it is held against
    gain: float  # points
    spread: float | None  # half the 95 % interval of the gain over seeds (Welch); None = one seed
    interval: Interval | None  # of the gain, over query identities; None = no per-query figures
    verdict: str


def compare(rows: Sequence[dict[str, Any]], queries: Path) -> list[Comparison]:
    """Each augmented set against ``none``, and against the best control that is there; each control against ``none``.

    Args:
        rows: results of one recipe and test set.
        queries: the folder of the per-query scores.
    """
    by_set: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: int(row["seed"])):
        by_set.setdefault((row["set"], row["portion"]), []).append(row)
    found = []
    for (name, portion), own in by_set.items():
        controls = [each for each, place in by_set if place == portion and is_control(each)]
        if name in ("none", "full"):
            continue
        references = ["none"] if ("none", portion) in by_set else []
        if controls and not is_control(name):
            references.append(max(controls, key=lambda each: mean_percent(by_set[each, portion])))
        found += [_compare(name, portion, own, each, by_set[each, portion], queries) for each in references]
    return found


def _compare(
    name: str, portion: float, own: list[dict[str, Any]], reference: str, others: list[dict[str, Any]], queries: Path
) -> Comparison:
    gain = mean_percent(own) - mean_percent(others)
    spread = spread_over_seeds(own, others)
    scores = _query_scores(own, queries)
    interval = _bootstrap(scores, _query_scores(others, queries))
    if spread is None:
        verdict = "one seed: no claim"
    elif abs(gain) <= spread:
        verdict = "within the spread of seeds"
    elif interval is None or scores is None:
        verdict = "no scores by query: no claim"
    elif len({pid for pid, _ in scores.values()}) < FEWEST:
        verdict = f"fewer than {FEWEST} query identities: no claim"
    elif interval[0] <= 0 <= interval[1]:
        verdict = "within the interval of queries"
    elif abs(gain) <= math.hypot(spread, (interval[1] - interval[0]) / 2):
        verdict = "within both intervals together"
    else:
        verdict = "higher" if gain > 0 else "lower"
    return Comparison(name, portion, reference, gain, spread, interval, verdict)


def spread_over_seeds(own: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> float | None:
    """Half the 95 % interval of the difference of two means over seeds (Welch's t interval), in points of mAP.

    None = a side has one seed or none.
    """
    if min(len({row["seed"] for row in rows}) for rows in (own, others)) < 2:
        return None
    shares = [statistics.variance(100 * row["mean_ap_trapezoid"] for row in rows) / len(rows) for rows in (own, others)]
    total = sum(shares)
    if not total:
        return 0.0
    freedom = total**2 / sum(share**2 / (len(rows) - 1) for share, rows in zip(shares, (own, others), strict=True))
    return float(stats.t.ppf(0.5 + LEVEL / 200, freedom) * total**0.5)


def mean_percent(rows: Sequence[dict[str, Any]]) -> float:
    """Trapezoid mAP in per cent, mean over rows."""
    return statistics.fmean(100 * row["mean_ap_trapezoid"] for row in rows)


def _query_scores(rows: Sequence[dict[str, Any]], queries: Path) -> dict[str, tuple[str, float]] | None:
    """Query name -> (pid, AP in per cent, mean over seeds); None where a file is missing."""
    scores: dict[str, tuple[str, list[float]]] = {}
    for row in rows:
        path = queries / f"{row['key']}.csv"
        if not path.is_file():
            return None
        for line in csv.DictReader(path.read_text().splitlines()):
            if line["ap_trapezoid"]:
                scores.setdefault(line["name"], (line["pid"], []))[1].append(100 * float(line["ap_trapezoid"]))
    return {name: (pid, statistics.fmean(values)) for name, (pid, values) in scores.items()}


def _bootstrap(
    own: dict[str, tuple[str, float]] | None, others: dict[str, tuple[str, float]] | None
) -> Interval | None:
    """The interval of the difference when query identities are drawn anew, with replacement, the same for both sets."""
    if not own or not others or own.keys() != others.keys():
        return None
    names = list(own)
    pids, places = np.unique([own[name][0] for name in names], return_inverse=True)
    differences = np.array([own[name][1] - others[name][1] for name in names])
    sums, counts = np.bincount(places, differences), np.bincount(places)
    draws = np.random.RandomState(0).multinomial(len(pids), np.full(len(pids), 1 / len(pids)), size=DRAWS)
    means = (draws @ sums) / (draws @ counts)
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


Gap = tuple[float, float | None]  # a share, and its standard deviation; None = one seed


@dataclass(frozen=True)
class Summary:
    """One training set over its seeds; trapezoid mAP in per cent."""

    name: str
    portion: float
    seeds: int
    mean: float
    deviation: float | None  # of one sample, over seeds; None = one seed
    gap_recovered: float | None  # (mean - none) / (full - none); None = no such sets, or full is not above none
    gap_recovered_deviation: float | None


def summarise(rows: Iterable[dict[str, Any]]) -> list[Summary]:
    """Each training set of one table, in the order of the rows."""
    cells: dict[tuple[str, float], list[float]] = {}
    for row in sorted(rows, key=lambda row: int(row["seed"])):
        cells.setdefault((row["set"], row["portion"]), []).append(100 * row["mean_ap_trapezoid"])
    found = []
    for (name, portion), values in cells.items():
        none, full = cells.get(("none", portion), []), cells.get(("full", 1.0), [])
        gap = _gap(values, none, full) if name not in ("none", "full") else None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        found.append(Summary(name, portion, len(values), statistics.fmean(values), deviation, *(gap or (None, None))))
    return found


def _gap(augmented: Sequence[float], none: Sequence[float], full: Sequence[float]) -> Gap | None:
    """(augmented - none) / (full - none) of the means, and its standard deviation by propagation of theirs.

    Seeds of different sets share nothing, so their gaps are not formed seed by seed.
    """
    if not none or not full or statistics.fmean(full) <= statistics.fmean(none):
        return None
    lower, whole = statistics.fmean(none), statistics.fmean(full) - statistics.fmean(none)
    gap = (statistics.fmean(augmented) - lower) / whole
    if min(map(len, (augmented, none, full))) < 2:
        return gap, None
    slopes = (1.0, 1 - gap, gap)
    variance = sum(s**2 * statistics.variance(v) for s, v in zip(slopes, (augmented, none, full), strict=True))
    return gap, variance**0.5 / whole
