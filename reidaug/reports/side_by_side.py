"""What two trained baselines retrieve for the same queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_image
from reidaug.evaluation.query_scores import read_query_scores
from reidaug.evaluation.results import Result
from reidaug.reports.ranks import RankedQuery, features_of, rank_queries
from reidaug.reports.request import RanksRequest
from reidaug.reports.statistics import mean_percent
from reidaug.study.controls import is_control
from reidaug.study.folder import PLAIN_SET, Study
from reidaug.study.training_sets import FULL_SET


@dataclass(frozen=True, eq=False)
class TwoLists:
    """One query in both lists."""

    before: RankedQuery
    after: RankedQuery
    why: str  # "largest gain", "largest loss" or "random"
    photos: tuple[np.ndarray, ...] = ()  # (H, W, 3) uint8: the query, the first list, the second


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Two results, and some of their queries."""

    before: Result
    after: Result
    queries: list[TwoLists]


def choose_results(results: Sequence[Result], study: Study) -> tuple[Result, Result] | None:
    """Two results of one table and seed with saved features: kept images alone, and the best generated set.

    Where no generated set has features, the best other set takes its place, the full one last.
    """
    saved = [result for result in results if study.features_path(result.key).is_file()]
    pairs = [
        (before, after)
        for before, after in product(saved, saved)
        if before.set == PLAIN_SET != after.set
        and (before.table, before.seed) == (after.table, after.seed)
        and after.portion in (before.portion, 1.0)
    ]

    def preference(pair: tuple[Result, Result]) -> tuple[bool, bool, float, float]:
        before, after = pair
        return after.set == FULL_SET, is_control(after.label), before.portion, -mean_percent([after])

    return min(pairs, key=preference, default=None)


def compare_lists(study: Study, before: Result, after: Result, *, count: int, photos: bool, seed: int) -> SideBySide:
    """The queries that gain and lose most, and some at random.

    Args:
        before, after: results of one test set, with saved features.
        count: of queries.
        photos: whether the images themselves are given.
        seed: of numpy's RandomState.

    Raises:
        ReidAugError: features of other images, no scores by query, or an image that cannot be read.
    """
    scores = [read_query_scores(study.queries_path / f"{result.key}.csv") for result in (before, after)]
    if scores[0] is None or scores[1] is None:
        raise ReidAugError("the scores by query are gone")
    names = sorted(scores[0].keys() & scores[1].keys())
    gains = np.array([scores[1][name].ap_trapezoid - scores[0][name].ap_trapezoid for name in names])
    chosen = choose_queries(gains, count, seed)
    request = RanksRequest(queries=tuple(names[index] for index in chosen))
    lists = [rank_queries(features_of(study, result), request, result.same_camera) for result in (before, after)]
    queries = [TwoLists(*row) for row in zip(*lists, chosen.values(), strict=True)]
    if photos:
        queries = [TwoLists(two.before, two.after, two.why, _photos(two)) for two in queries]
    return SideBySide(before, after, queries)


def choose_queries(gains: np.ndarray, count: int, seed: int) -> dict[int, str]:
    """Indices of queries, and why they are shown: a third of the largest gains, of the largest losses, at random."""
    rising = np.argsort(gains, kind="stable").tolist()
    chosen: dict[int, str] = {}
    third = -(-count // 3)
    for index in [index for index in rising[::-1] if gains[index] > 0][:third]:
        chosen[index] = "largest gain"
    for index in [index for index in rising if gains[index] < 0][: min(third, count - len(chosen))]:
        chosen[index] = "largest loss"
    for index in np.random.RandomState(seed).permutation(len(gains)).tolist():
        if len(chosen) < count:
            chosen.setdefault(index, "random")
    return chosen


def _photos(two: TwoLists) -> tuple[np.ndarray, ...]:
    images = [two.before.image, *two.before.matches, *two.after.matches]
    return tuple(read_image(image.path) for image in images)
