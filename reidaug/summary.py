"""Means over seeds, and how much of the gap between the reduced and the full set each training set closes."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
