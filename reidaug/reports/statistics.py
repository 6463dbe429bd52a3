"""Means over seeds, gaps recovered, and tests whether a difference between two training sets may be chance."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from reidaug.evaluation.query_scores import read_query_scores
from reidaug.evaluation.results import Result
from reidaug.study.controls import is_control, made_for, set_of
from reidaug.study.folder import PLAIN_SET
from reidaug.study.training_sets import FULL_SET

DRAWS = 2000  # of the bootstrap
FEWEST = 20  # query identities; with fewer, the bootstrap reports differences where there are none
LEVEL = 95  # per cent, of the intervals
Interval = tuple[float, float]
Gap = tuple[float, float | None]  # a share, and its standard deviation; None = one seed
Scores = dict[str, tuple[int, float]]  # query name -> (pid, trapezoid AP in per cent)


@dataclass(frozen=True)
class Summary:
    """One training set over its seeds; trapezoid mAP in per cent."""

    name: str
    portion: float
    seeds: int
    mean: float
    deviation: float | None  # the sample standard deviation over seeds; None = one seed
    gap_recovered: float | None  # (mean - none) / (full - none); None = a set is missing, or see `_gap`
    gap_recovered_deviation: float | None


@dataclass(frozen=True)
class Comparison:
    """One training set against another of the same portion; trapezoid mAP in per cent, means over seeds."""

    name: str
    portion: float
    reference: str  # the set that it is compared with
    gain: float  # points
    spread: float | None  # half the 95 % interval of the gain over seeds (Welch); None = one seed
    interval: Interval | None  # of the gain, over query identities; None = no scores by query
    verdict: str


def by_set(results: Iterable[Result]) -> dict[tuple[str, float], list[Result]]:
    """Results by label and portion, in their order; those of a set are ordered by seed."""
    sets: dict[tuple[str, float], list[Result]] = {}
    for result in results:
        sets.setdefault((result.label, result.portion), []).append(result)
    return {key: sorted(members, key=lambda result: result.seed) for key, members in sets.items()}


def mean_percent(results: Iterable[Result]) -> float:
    """Trapezoid mAP in per cent, mean over results."""
    return fmean(percents(results))


def percents(results: Iterable[Result]) -> list[float]:
    """Trapezoid mAP in per cent."""
    return [100 * result.mean_ap_trapezoid for result in results]


def summarise(results: Iterable[Result]) -> list[Summary]:
    """Each training set of one table over its seeds."""
    sets = {key: percents(members) for key, members in by_set(results).items()}
    summaries = []
    for (name, portion), values in sets.items():
        none, full = sets.get((PLAIN_SET, portion), []), sets.get((FULL_SET, 1.0), [])
        gap = _gap(values, none, full) if name not in (PLAIN_SET, FULL_SET) else None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        summaries.append(Summary(name, portion, len(values), fmean(values), deviation, *(gap or (None, None))))
    return summaries


def _gap(augmented: Sequence[float], none: Sequence[float], full: Sequence[float]) -> Gap | None:
    """(augmented - none) / (full - none) of the means, and its standard deviation by error propagation.

    The trainings of different sets with one seed are independent, so gaps are not computed seed by seed. None where
    full is not above none, or so little that the deviation is above 100 %.
    """
    if not none or not full or (whole := fmean(full) - fmean(none)) <= 0:
        return None
    gap = (fmean(augmented) - fmean(none)) / whole
    if min(map(len, (augmented, none, full))) < 2:
        return gap, None
    slopes = (1.0, 1 - gap, gap)
    variance = sum(s**2 * statistics.variance(v) for s, v in zip(slopes, (augmented, none, full), strict=True))
    deviation = variance**0.5 / whole
    return None if deviation > 1 else (gap, deviation)


def compare(results: Sequence[Result], queries: Path) -> list[Comparison]:
    """Each augmented set against ``none``, and against the best control if there is one; each control against ``none``.

    Args:
        results: of one recipe and test set.
        queries: the folder of the scores by query.
    """
    sets = by_set(results)
    comparisons = []
    for (name, portion), members in sets.items():
        if name in (PLAIN_SET, FULL_SET):
            continue
        references = [PLAIN_SET] if (PLAIN_SET, portion) in sets else []
        controls = [label for label, p in sets if p == portion and is_control(label)]
        controls = [label for label in controls if made_for(label) == set_of(name)] or [
            label for label in controls if not made_for(label)
        ]
        if controls and not is_control(name):
            references.append(max(controls, key=lambda label: mean_percent(sets[label, portion])))
        comparisons += [_compare(members, sets[label, portion], queries) for label in references]
    return comparisons


def _compare(results: list[Result], references: list[Result], queries: Path) -> Comparison:
    first, gain = results[0], mean_percent(results) - mean_percent(references)
    spread = spread_over_seeds(results, references)
    scores = _query_scores(results, queries)
    interval = _bootstrap(scores, _query_scores(references, queries))
    verdict = _verdict(gain, spread, interval, scores)
    return Comparison(first.label, first.portion, references[0].label, gain, spread, interval, verdict)


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


def spread_over_seeds(results: Sequence[Result], references: Sequence[Result]) -> float | None:
    """Half the 95 % interval of the difference of two means over seeds (Welch's t interval), in points of mAP.

    None = a side has fewer than two seeds.
    """
    from scipy.special import stdtrit  # the quantile of scipy.stats.t, whose import takes seconds

    if min(len({result.seed for result in side}) for side in (results, references)) < 2:
        return None
    sides = [percents(results), percents(references)]
    variances = [statistics.variance(side) / len(side) for side in sides]  # of the means
    total = sum(variances)
    if not total:
        return 0.0
    freedom = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(variances, sides, strict=True))
    return float(stdtrit(freedom, 0.5 + LEVEL / 200) * total**0.5)


def _query_scores(results: Sequence[Result], queries: Path) -> Scores | None:
    """Means over seeds; None if a file is missing."""
    values: dict[str, tuple[int, list[float]]] = {}
    for result in results:
        scores = read_query_scores(queries / f"{result.key}.csv")
        if scores is None:
            return None
        for name, score in scores.items():
            values.setdefault(name, (score.pid, []))[1].append(100 * score.ap_trapezoid)
    return {name: (pid, fmean(scores)) for name, (pid, scores) in values.items()}


def _bootstrap(scores: Scores | None, references: Scores | None) -> Interval | None:
    """The interval of the difference over draws of query identities, with replacement, the same for both sets."""
    if not scores or not references or scores.keys() != references.keys():
        return None
    pids, groups = np.unique([pid for pid, _ in scores.values()], return_inverse=True)
    differences = np.array([score - references[name][1] for name, (_, score) in scores.items()])
    sums, counts = np.bincount(groups, differences), np.bincount(groups)
    draws = np.random.RandomState(0).multinomial(len(pids), np.full(len(pids), 1 / len(pids)), size=DRAWS)
    tail = (100 - LEVEL) / 2
    low, high = np.percentile((draws @ sums) / (draws @ counts), [tail, 100 - tail])
    return float(low), float(high)
