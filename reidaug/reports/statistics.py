"""Means over seeds, gaps recovered, and whether a difference between two training sets is more than chance."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidaug.evaluation.query_scores import read_query_scores
from reidaug.evaluation.results import Result
from reidaug.study.controls import is_control
from reidaug.study.folder import PLAIN_SET
from reidaug.study.training_sets import FULL_SET

DRAWS = 2000  # of the bootstrap
FEWEST = 20  # query identities, below which the bootstrap finds differences where there are none
LEVEL = 95  # per cent, of its intervals
Interval = tuple[float, float]
Gap = tuple[float, float | None]  # a share, and its standard deviation; None = one seed
Scores = dict[str, tuple[str, float]]  # query name -> (pid, trapezoid AP in per cent)


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


@dataclass(frozen=True)
class Comparison:
    """One training set against another of the same portion; trapezoid mAP in per cent, means over seeds."""

    name: str
    portion: float
    reference: str  # the set that it is compared with
    gain: float  # points
    spread: float | None  # half the 95 % interval of the gain over seeds (Welch); None = one seed
    interval: Interval | None  # of the gain, over query identities; None = no per-query figures
    verdict: str


def by_set(results: Iterable[Result]) -> dict[tuple[str, float], list[Result]]:
    """Results by label and portion, each ordered by seed, in the order in which the sets come by seed."""
    sets: dict[tuple[str, float], list[Result]] = {}
    for result in sorted(results, key=lambda result: result.seed):
        sets.setdefault((result.label, result.portion), []).append(result)
    return sets


def mean_percent(results: Sequence[Result]) -> float:
    """Trapezoid mAP in per cent, mean over results."""
    return statistics.fmean(percents(results))


def percents(results: Iterable[Result]) -> list[float]:
    """Trapezoid mAP in per cent."""
    return [100 * result.mean_ap_trapezoid for result in results]


def summarise(results: Iterable[Result]) -> list[Summary]:
    """Each training set of one table over its seeds."""
    sets = {place: percents(members) for place, members in by_set(results).items()}
    summaries = []
    for (name, portion), values in sets.items():
        none, full = sets.get((PLAIN_SET, portion), []), sets.get((FULL_SET, 1.0), [])
        gap = _gap(values, none, full) if name not in (PLAIN_SET, FULL_SET) else None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        mean = statistics.fmean(values)
        summaries.append(Summary(name, portion, len(values), mean, deviation, *(gap or (None, None))))
    return summaries


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


def compare(results: Sequence[Result], queries: Path) -> list[Comparison]:
    """Each augmented set against ``none``, and against the best control that there is; each control against ``none``.

    Args:
        results: of one recipe and test set.
        queries: the folder of the scores by query.
    """
    sets = by_set(results)
    comparisons = []
    for (name, portion), own in sets.items():
        if name in (PLAIN_SET, FULL_SET):
            continue
        references = [PLAIN_SET] if (PLAIN_SET, portion) in sets else []
        controls = [label for label, place in sets if place == portion and is_control(label)]
        if controls and not is_control(name):
            references.append(max(controls, key=lambda label: mean_percent(sets[label, portion])))
        comparisons += [_compare((name, own), (label, sets[label, portion]), queries) for label in references]
    return comparisons


def _compare(first: tuple[str, list[Result]], second: tuple[str, list[Result]], queries: Path) -> Comparison:
    (name, own), (reference, others) = first, second
    gain = mean_percent(own) - mean_percent(others)
    spread = spread_over_seeds(own, others)
    scores = _query_scores(own, queries)
    interval = _bootstrap(scores, _query_scores(others, queries))
    verdict = _verdict(gain, spread, interval, scores)
    return Comparison(name, own[0].portion, reference, gain, spread, interval, verdict)


def _verdict(gain: float, spread: float | None, interval: Interval | None, scores: Scores | None) -> str:
    if spread is None:
        return "one seed: no claim"
    if abs(gain) <= spread:
        return "within the spread of seeds"
    if interval is None or scores is None:
        return "no scores by query: no claim"
    if len({pid for pid, _ in scores.values()}) < FEWEST:
        return f"fewer than {FEWEST} query identities: no claim"
    if interval[0] <= 0 <= interval[1]:
        return "within the interval of queries"
    if abs(gain) <= math.hypot(spread, (interval[1] - interval[0]) / 2):
        return "within both intervals together"
    return "higher" if gain > 0 else "lower"


def spread_over_seeds(own: Sequence[Result], others: Sequence[Result]) -> float | None:
    """Half the 95 % interval of the difference of two means over seeds (Welch's t interval), in points of mAP.

    None = a side has one seed or none.
    """
    from scipy.special import stdtrit  # the quantile of scipy.stats.t, whose import takes seconds

    sides = [percents(own), percents(others)]
    if min(len({result.seed for result in side}) for side in (own, others)) < 2:
        return None
    shares = [statistics.variance(side) / len(side) for side in sides]
    total = sum(shares)
    if not total:
        return 0.0
    freedom = total**2 / sum(share**2 / (len(side) - 1) for share, side in zip(shares, sides, strict=True))
    return float(stdtrit(freedom, 0.5 + LEVEL / 200) * total**0.5)


def _query_scores(results: Sequence[Result], queries: Path) -> Scores | None:
    """Means over seeds; None where a file is missing."""
    values: dict[str, tuple[str, list[float]]] = {}
    for result in results:
        scores = read_query_scores(queries / f"{result.key}.csv")
        if scores is None:
            return None
        for name, (pid, score) in scores.items():
            values.setdefault(name, (pid, []))[1].append(100 * score)
    return {name: (pid, statistics.fmean(scores)) for name, (pid, scores) in values.items()}


def _bootstrap(own: Scores | None, others: Scores | None) -> Interval | None:
    """The interval of the difference over draws of query identities, with replacement, the same for both sets."""
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
