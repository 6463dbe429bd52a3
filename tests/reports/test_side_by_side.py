"""Two ranked lists: which results and which queries are chosen, and that both lists are of the same query."""

from pathlib import Path

import numpy as np
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_image
from reidaug.evaluation.query_scores import write_query_scores
from reidaug.evaluation.results import Result, read_results
from reidaug.reports.side_by_side import choose_queries, choose_results, compare_lists
from reidaug.study.folder import Study
from tests.factories import make_result
from tests.reports.test_ranks import add_result


def keep(study: Study, *results: Result) -> None:
    """Pretends that the features of results are saved."""
    for result in results:
        path = study.features_path(result.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_the_kept_images_against_the_best_generated_set(tmp_path: Path) -> None:
    study = Study(tmp_path)
    none, other_seed = make_result("none", 0.4), make_result("none", 0.4, seed=1)
    full, duplicate = make_result("full", 1.0, 0.9), make_result("duplicate", 0.4, 0.8)
    pona, patn = make_result("pona", 0.4, 0.6), make_result("patn", 0.4, 0.55)
    results = [patn, full, pona, none, duplicate, other_seed, make_result("pona", 0.2, 0.7)]
    assert choose_results(results, study) is None
    keep(study, none)
    assert choose_results(results, study) is None
    for better in (full, duplicate, patn, pona):  # each is preferred to those before it
        keep(study, better)
        assert choose_results(results, study) == (none, better)


def test_gains_losses_and_others_at_random() -> None:
    gains = np.array([0.0, 0.5, -0.1, 0.2, -0.4, 0.1, 0.0, 0.05])
    chosen = choose_queries(gains, 6, seed=0)
    assert [(index, why) for index, why in chosen.items() if why != "random"] == [
        (1, "largest gain"), (3, "largest gain"), (4, "largest loss"), (2, "largest loss"),
    ]  # fmt: skip
    assert len(chosen) == 6 and choose_queries(gains, 6, seed=0) == chosen
    assert set(choose_queries(np.zeros(4), 3, seed=0).values()) == {"random"}
    assert len(choose_queries(gains, 100, seed=0)) == len(gains)


@pytest.fixture
def two(study: Study, tiny_root: Path) -> tuple[Result, Result]:
    """Results of `none` and `pona` with features and scores by query."""
    for seed, name in enumerate(("none", "pona")):
        features = add_result(study, tiny_root, name, 0.4, seed)
        random = np.random.RandomState(seed).random_sample(len(features.query_images))
        write_query_scores(study.queries_path / f"{name}-{seed}.csv", features.query_images, random, random)
    none, pona = read_results(study.results_path)
    return none, pona


def test_both_lists_are_of_the_same_query(study: Study, two: tuple[Result, Result]) -> None:
    lists = compare_lists(study, *two, count=3, photos=True, seed=0)
    assert len(lists.queries) == 3 and lists.queries[0].why == "largest gain"
    for query in lists.queries:
        assert query.before.image == query.after.image
        shown = [query.before.image, *query.before.matches, *query.after.matches]
        for photo, image in zip(query.photos, shown, strict=True):
            np.testing.assert_array_equal(photo, read_image(image.path))
    assert not any(query.photos for query in compare_lists(study, *two, count=3, photos=False, seed=0).queries)


def test_scores_by_query_that_are_gone(study: Study, two: tuple[Result, Result]) -> None:
    (study.queries_path / f"{two[1].key}.csv").unlink()
    with pytest.raises(ReidAugError, match="scores by query are gone"):
        compare_lists(study, *two, count=3, photos=False, seed=0)
