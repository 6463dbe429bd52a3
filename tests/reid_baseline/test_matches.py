"""best_matches: what stands first is what evaluate_ranking scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_baseline import ReIDError, best_matches, evaluate_ranking


def draw(seed, queries=40, gallery=90):
    """Few distinct features, so that ties are many; junk and distractors among the gallery."""
    rng = np.random.default_rng(seed)
    pool = rng.standard_normal((30, 16), dtype=np.float32)
    return (
        *(pool[rng.integers(0, 30, queries)], pool[rng.integers(0, 30, gallery)]),
        *(rng.integers(1, 6, queries), rng.integers(-1, 6, gallery)),
        *(rng.integers(1, 4, queries), rng.integers(1, 4, gallery)),
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_whole_lists_give_the_average_precision_of_evaluate_ranking(seed):
    arguments = draw(seed)
    ranking = evaluate_ranking(*arguments)
    for query, matches in enumerate(best_matches(*arguments, queries=range(40), count=90)):
        hits = np.flatnonzero(matches.right)
        if not len(hits):
            assert np.isnan(ranking.average_precision[query])
            continue
        expected = np.mean(np.arange(1, len(hits) + 1) / (hits + 1))
        assert ranking.average_precision[query] == pytest.approx(expected, abs=1e-12)


def test_junk_and_the_own_camera_are_left_out_and_ties_keep_gallery_order():
    _, _, query_pids, gallery_pids, query_camids, gallery_camids = arguments = draw(3)
    _, gallery = arguments[:2]
    for query, matches in enumerate(best_matches(*arguments, queries=range(40), count=90)):
        counts = (gallery_pids >= 0) & ~((gallery_pids == query_pids[query]) & (gallery_camids == query_camids[query]))
        assert sorted(matches.gallery) == np.flatnonzero(counts).tolist()
        np.testing.assert_array_equal(matches.right, gallery_pids[matches.gallery] == query_pids[query])
        for one, other in zip(matches.gallery, matches.gallery[1:], strict=False):
            assert one < other or (gallery[one] != gallery[other]).any()


def test_some_queries_in_the_order_asked_for_and_as_many_as_there_are():
    arguments = draw(4)
    every = best_matches(*arguments, queries=range(40), count=10)
    some = best_matches(*arguments, queries=[33, 2], count=3)
    assert [len(matches.gallery) for matches in every] == [10] * 40
    for query, matches in zip((33, 2), some, strict=True):
        np.testing.assert_array_equal(matches.gallery, every[query].gallery[:3])


@pytest.mark.parametrize("query", [-1, 40])
def test_a_query_that_does_not_exist(query):
    with pytest.raises(ReIDError, match="0 to 39"):
        best_matches(*draw(5), queries=[query])
