"""Differences between training sets: when one may be claimed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reidaug.evaluation.query_scores import write_query_scores
from reidaug.evaluation.results import Result
from reidaug.reports.statistics import Comparison, compare, summarise
from tests.factories import image_named, make_result, seeds_of

PIDS = [pid for pid in range(1, 21) for _ in range(5)]
QUERIES = [image_named(f"{pid:04d}_c1s1_{i:06d}_00.jpg") for i, pid in enumerate(PIDS)]


def results_of(folder: Path, name: str, scores: list[np.ndarray]) -> list[Result]:
    for seed, values in enumerate(scores):
        write_query_scores(folder / f"{name}{seed}.csv", QUERIES, values, values)
    means = [float(np.nanmean(values)) for values in scores]
    return [make_result(name, 0.4, mean, seed, key=f"{name}{seed}") for seed, mean in enumerate(means)]


def scores(mean: float, seed: int, noise: float = 0.1) -> np.ndarray:
    """An AP for each query, the same for all queries of a person."""
    random = np.random.RandomState(seed)
    return (mean + noise * random.randn(20)).repeat(5).clip(0, 1)


def compared(folder: Path, pona: list[np.ndarray], none: list[np.ndarray]) -> Comparison:
    (comparison,) = compare([*results_of(folder, "pona", pona), *results_of(folder, "none", none)], folder)
    return comparison


def test_clear_gain_is_called_higher(tmp_path: Path) -> None:
    comparison = compared(
        tmp_path, [scores(0.6, i, 0.02) for i in (0, 1, 2)], [scores(0.4, i, 0.02) for i in (3, 4, 5)]
    )
    assert comparison.verdict == "higher" and comparison.reference == "none"
    assert comparison.gain == pytest.approx(20, abs=1.5)
    assert (
        comparison.interval is not None and 18 < comparison.interval[0] < comparison.gain < comparison.interval[1] < 22
    )
    assert compared(tmp_path, [scores(0.4, 0, 0)] * 2, [scores(0.6, 0, 0.01)] * 2).verdict == "lower"


def test_gain_below_the_spread_of_seeds_is_none(tmp_path: Path) -> None:
    pona = [scores(0.50, 0, 0), scores(0.60, 0, 0)]
    comparison = compared(tmp_path, pona, [scores(0.49, 1, 0), scores(0.55, 1, 0)])
    assert comparison.verdict == "within the spread of seeds"
    means = [[50, 60], [49, 55]]
    welch = stats.ttest_ind(*means, equal_var=False).confidence_interval(0.95)
    assert comparison.spread == pytest.approx((welch.high - welch.low) / 2, rel=0.1)


def test_gain_of_a_few_persons_is_none(tmp_path: Path) -> None:
    better = scores(0.5, 0, 0).copy()
    better[:5] = 1.0  # one of twenty persons
    comparison = compared(tmp_path, [better, better], [scores(0.5, 0, 0)] * 2)
    assert comparison.verdict == "within the interval of queries"
    assert comparison.gain == pytest.approx(2.5) and comparison.interval is not None and comparison.interval[0] == 0


def test_one_seed_is_no_claim(tmp_path: Path) -> None:
    assert compared(tmp_path, [scores(0.9, 0)], [scores(0.1, 1)]).verdict == "one seed: no claim"


def test_bootstrap_of_equal_scores_is_nothing(tmp_path: Path) -> None:
    comparison = compared(tmp_path, [scores(0.5, 0)], [scores(0.5, 0)])
    assert comparison.interval == (0.0, 0.0) and comparison.gain == 0


def test_interval_widens_with_persons_not_with_queries(tmp_path: Path) -> None:
    """20 persons of 5 equal queries: the deviation of the mean is that of 20 draws, not of 100."""
    comparison = compared(tmp_path, [scores(0.5, 0, 0.1)], [scores(0.5, 0, 0.0)])
    assert comparison.interval is not None
    deviation = scores(0.5, 0, 0.1)[::5].std() * 100
    assert comparison.interval[1] - comparison.interval[0] == pytest.approx(2 * 1.96 * deviation / 20**0.5, rel=0.1)


def test_without_scores_by_query_nothing_is_claimed(tmp_path: Path) -> None:
    sets = (("pona", 0.6), ("none", 0.4))
    rows = [make_result(name, 0.4, ap + seed / 1000, seed=seed) for name, ap in sets for seed in (0, 1)]
    assert compare(rows, tmp_path)[0].verdict == "no scores by query: no claim"
    twice_one_seed = [replace(row, seed=0) for row in rows]
    assert compare(twice_one_seed, tmp_path)[0].verdict == "one seed: no claim"


def test_missing_or_other_query_files_give_no_interval(tmp_path: Path) -> None:
    rows = [*results_of(tmp_path, "pona", [scores(0.6, 0)]), *results_of(tmp_path, "none", [scores(0.4, 0)])]
    (tmp_path / "none0.csv").unlink()
    assert compare(rows, tmp_path)[0].interval is None


def test_augmented_sets_meet_the_best_control_too(tmp_path: Path) -> None:
    rows = [make_result("none", 0.4, 0.4), make_result("pona", 0.4, 0.5), make_result("full", 1.0, 0.7)]
    rows += [make_result("duplicate", 0.4, 0.45), make_result("none-matched", 0.4, 0.47)]
    rows.append(make_result("source-copy", 0.4, 0.46, care={"synthetic_weight": 0.5}))
    pairs = {(pair.name, pair.reference): pair.gain for pair in compare(rows, tmp_path)}
    assert pairs.pop(("source-copy (weight 0.5)", "none")) == pytest.approx(6)
    assert pairs == pytest.approx(
        {("pona", "none"): 10, ("pona", "none-matched"): 3, ("duplicate", "none"): 5, ("none-matched", "none"): 7}
    )
    without = [row for row in rows if row.set != "none"]  # as in the middle of a sweep
    assert [(pair.name, pair.reference) for pair in compare(without, tmp_path)] == [("pona", "none-matched")]


def test_few_query_identities_are_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All draws of a single person have the same difference, so the interval has no width."""
    monkeypatch.setattr("tests.reports.test_statistics.QUERIES", QUERIES[:5])
    pona, none = ([scores(mean, i, 0.02)[:5] for i in (0, 1, 2)] for mean in (0.6, 0.4))
    comparison = compared(tmp_path, pona, none)
    assert comparison.interval is not None and comparison.interval[0] == comparison.interval[1] > 15
    assert comparison.verdict == "fewer than 20 query identities: no claim"


def test_a_gain_must_exceed_seeds_and_queries_together(tmp_path: Path) -> None:
    """A gain of 5 points is above 4 (seeds) and 4.4 (queries), but not above the root of the sum of their squares."""
    persons = scores(0.5, 0, 0.1)
    pona = [persons + 0.05 + shift - (persons - 0.5).mean() for shift in (-0.0175, 0.0, 0.0175)]
    comparison = compared(tmp_path, pona, [np.full(100, 0.5) + shift for shift in (-0.0175, 0.0, 0.0175)])
    assert (
        comparison.gain == pytest.approx(5, abs=0.01)
        and comparison.spread is not None
        and comparison.interval is not None
    )
    assert comparison.spread < comparison.gain and comparison.interval[0] > 0
    assert comparison.verdict == "within both intervals together"


def test_no_share_is_given_of_a_gap_that_may_be_chance() -> None:
    """Full is 1 point above none, and both have deviations of 1 and 2 points: -600 +- 1300 %."""
    rows = [*seeds_of("none", 0.4, 0.86, 0.88, 0.87), *seeds_of("full", 1.0, 0.90, 0.86, 0.88)]
    (pona,) = [row for row in summarise([*rows, *seeds_of("pona", 0.4, 0.8, 0.81, 0.82)]) if row.name == "pona"]
    assert pona.mean == pytest.approx(81) and pona.gap_recovered is None and pona.gap_recovered_deviation is None


def test_gap_s_deviation_is_propagated_from_those_of_its_three_means() -> None:
    values = {"none": (0.40, 0.44, 0.42), "pona": (0.50, 0.58), "full": (0.70, 0.72)}
    rows = [row for name in values for row in seeds_of(name, 1.0 if name == "full" else 0.4, *values[name])]
    (summary,) = (summary for summary in summarise(rows) if summary.name == "pona")
    random = np.random.RandomState(0)
    draws = (np.mean(seeds) + np.std(seeds, ddof=1) * random.randn(100_000) for seeds in values.values())
    none, pona, full = draws
    assert summary.gap_recovered == pytest.approx((0.54 - 0.42) / (0.71 - 0.42))
    assert summary.gap_recovered_deviation == pytest.approx(((pona - none) / (full - none)).std(), abs=0.01)


def test_a_set_is_compared_with_the_controls_of_its_size(tmp_path: Path) -> None:
    results = [
        *seeds_of("none", 0.4, 0.1, 0.1),
        *seeds_of("duplicate", 0.4, 0.4, 0.4),
        *seeds_of("duplicate for more", 0.4, 0.2, 0.2),
        *seeds_of("none-matched for more", 0.4, 0.3, 0.3),
        *seeds_of("more", 0.4, 0.5, 0.5),
        *seeds_of("pona", 0.4, 0.6, 0.6),
    ]
    against = {(pair.name, pair.reference) for pair in compare(results, tmp_path)}
    assert {("more", "none"), ("more", "none-matched for more"), ("pona", "none"), ("pona", "duplicate")} <= against
    assert {name for name, reference in against if reference != "none"} == {"more", "pona"}
