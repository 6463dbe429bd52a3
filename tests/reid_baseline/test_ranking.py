"""evaluate_ranking: by hand, against scikit-learn, and against an independent sort-everything implementation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from reid_baseline import ReIDError, evaluate_ranking


def unit_rows(angles):
    """Features in the plane: similarity to the angle 0 falls as |angle| grows to 180 degrees."""
    radians = np.deg2rad(np.asarray(angles, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def rank_one_query(hits):
    """Ranks one query of pid 1, camera 1 against a gallery that holds ``hits`` from most to least similar."""
    pids = [1 if hit else 2 for hit in hits]
    return evaluate_ranking(unit_rows([0]), unit_rows(10 * np.arange(len(hits))), *ids([1], pids, [1], [2] * len(hits)))


def ids(*columns):
    return [np.asarray(column, dtype=np.int64) for column in columns]


@pytest.mark.parametrize(
    ("hits", "plain", "trapezoid", "inp"),
    [
        ([1, 0, 1], 0.8333, 0.7917, 2 / 3),  # (1 + 2/3) / 2 and (1 + (2/3 + 1/2) / 2) / 2
        ([1, 1, 1], 1.0, 1.0, 1.0),
        ([0, 1], 0.5, 0.25, 0.5),  # the trapezoid's second term is 0 / 1
        ([0, 0, 0, 1, 1], (1 / 4 + 2 / 5) / 2, (1 / 8 + (2 / 5 + 1 / 4) / 2) / 2, 2 / 5),
    ],
)
def test_one_query_by_hand(hits, plain, trapezoid, inp):
    ranking = rank_one_query(hits)
    assert ranking.mean_ap == pytest.approx(plain, abs=5e-5)
    assert ranking.mean_ap_trapezoid == pytest.approx(trapezoid, abs=5e-5)
    assert ranking.mean_inp == pytest.approx(inp)
    assert ranking.cmc.tolist() == [float(any(hits[: k + 1])) for k in range(len(hits))]


def test_five_by_five_by_hand():
    # Rows of one-hot queries, so the gallery's columns are the similarities; each column has length 1.
    similarity = np.array(
        [
            [0.8, 0.6, 0.1, 0.3, 0.5],
            [0.1, 0.2, 0.7, 0.6, 0.4],
            [0.5, 0.4, 0.3, 0.2, 0.1],
            [0.1, 0.2, 0.3, 0.4, 0.5],
            [0.3, 0.1, 0.2, 0.5, 0.4],
        ]
    )
    rest = np.sqrt(1.1 - (similarity**2).sum(axis=0))  # a sixth dimension makes all columns equally long
    gallery = np.vstack([similarity, rest]).T
    ranking = evaluate_ranking(
        np.eye(6)[:5],
        gallery,
        *ids([1, 1, 2, 3, 9], [1, 1, 2, 2, -1], [1, 2, 1, 1, 1], [1, 2, 1, 2, 2]),
    )
    # Query 1: item 0 left out, junk 4 left out, order 1+ 3 2: AP 1. Query 2: item 1 left out, order 2 3 0+: AP 1/3.
    # Query 3: item 2 left out, order 0 1 3+: AP 1/3. Query 4: pid 3 has no item. Query 5: pid 9 neither.
    np.testing.assert_allclose(ranking.average_precision, [1, 1 / 3, 1 / 3, np.nan, np.nan])
    np.testing.assert_allclose(ranking.average_precision_trapezoid, [1, 1 / 6, 1 / 6, np.nan, np.nan])
    assert (ranking.queries, ranking.queries_without_match) == (3, 2)
    np.testing.assert_allclose(ranking.cmc, [1 / 3, 1 / 3, 1, 1])
    assert ranking.mean_inp == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert [ranking.rank(k) for k in (1, 3, 10)] == pytest.approx([1 / 3, 1, 1])


def test_equals_scikit_learn_per_query():
    rng = np.random.default_rng(0)
    query, gallery = rng.standard_normal((40, 16)), rng.standard_normal((500, 16))
    query_pids, query_camids = rng.integers(1, 30, 40), rng.integers(1, 4, 40)
    gallery_pids, gallery_camids = rng.integers(-1, 30, 500), rng.integers(1, 4, 500)
    ranking = evaluate_ranking(query, gallery, query_pids, gallery_pids, query_camids, gallery_camids)
    cosine = query @ gallery.T / np.linalg.norm(query, axis=1)[:, None] / np.linalg.norm(gallery, axis=1)
    for i in range(40):
        kept = (gallery_pids >= 0) & ~((gallery_pids == query_pids[i]) & (gallery_camids == query_camids[i]))
        expected = average_precision_score(gallery_pids[kept] == query_pids[i], cosine[i, kept])
        assert ranking.average_precision[i] == pytest.approx(expected, abs=1e-12)


def naive_ranking(similarity, query_pids, gallery_pids, query_camids, gallery_camids):
    """Plain and trapezoid AP, INP and first hit per query, by one full stable sort and one walk down the list."""
    rows = []
    for i, scores in enumerate(similarity):
        right, wrong, plain, trapezoid, precision = 0, 0, [], [], 1.0
        first = last = None
        for j in sorted(range(len(scores)), key=lambda j: (-scores[j], j)):
            if gallery_pids[j] < 0 or (gallery_pids[j] == query_pids[i] and gallery_camids[j] == query_camids[i]):
                continue
            hit = gallery_pids[j] == query_pids[i]
            right, wrong = right + hit, wrong + (not hit)
            now = right / (right + wrong)
            if hit:
                plain.append(now)
                trapezoid.append((precision + now) / 2)
                first, last = right + wrong if first is None else first, right + wrong
            precision = now
        rows.append((np.mean(plain), np.mean(trapezoid), right / last, first) if right else None)
    return rows


# Unit vectors whose products with the axes are exact in float32, so that many similarities are really equal.
DIRECTIONS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_equals_a_naive_implementation_with_ties(data):
    queries, gallery = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 25))

    def draw(low, high, count):
        return np.array(data.draw(st.lists(st.integers(low, high), min_size=count, max_size=count)))

    query_rows, gallery_rows = DIRECTIONS[draw(0, 3, queries)], DIRECTIONS[draw(0, 3, gallery)]
    columns = draw(0, 3, queries), draw(-1, 3, gallery), draw(1, 2, queries), draw(1, 2, gallery)
    expected = naive_ranking(query_rows @ gallery_rows.T, *columns)
    counted = [row for row in expected if row is not None]
    if not counted:
        with pytest.raises(ReIDError):
            evaluate_ranking(query_rows, gallery_rows, *columns)
        return
    ranking = evaluate_ranking(query_rows, gallery_rows, *columns)
    nothing = (np.nan, np.nan)
    np.testing.assert_allclose(ranking.average_precision, [(row or nothing)[0] for row in expected])
    np.testing.assert_allclose(ranking.average_precision_trapezoid, [(row or nothing)[1] for row in expected])
    assert ranking.queries == len(counted)
    assert ranking.mean_ap == pytest.approx(np.mean([row[0] for row in counted]))
    assert ranking.mean_ap_trapezoid <= ranking.mean_ap + 1e-12
    assert ranking.mean_inp == pytest.approx(np.mean([row[2] for row in counted]))
    for k in range(len(ranking.cmc)):
        assert ranking.cmc[k] == pytest.approx(np.mean([row[3] <= k + 1 for row in counted]))


def test_gallery_order_does_not_matter_without_ties():
    rng = np.random.default_rng(1)
    query, gallery = rng.standard_normal((20, 8)), rng.standard_normal((300, 8))
    columns = rng.integers(1, 20, 20), rng.integers(0, 20, 300), rng.integers(1, 3, 20), rng.integers(1, 3, 300)
    order = rng.permutation(300)
    shuffled = columns[0], columns[1][order], columns[2], columns[3][order]
    one, other = evaluate_ranking(query, gallery, *columns), evaluate_ranking(query, gallery[order], *shuffled)
    np.testing.assert_array_equal(one.average_precision, other.average_precision)
    np.testing.assert_array_equal(one.cmc, other.cmc)


def test_equal_features_keep_gallery_order_at_any_size():
    # 512 dimensions and an odd gallery size, where a BLAS uses several kernels in one product.
    rng = np.random.default_rng(2)
    query, twin = rng.standard_normal((130, 512), dtype=np.float32), rng.standard_normal((1, 512), dtype=np.float32)
    gallery = np.repeat(twin, 2001, axis=0)
    pids = np.full(2001, 5)
    pids[1000] = 1
    columns = np.ones(130, int), pids, np.ones(130, int), np.full(2001, 2)
    ranking = evaluate_ranking(query, gallery, *columns)
    np.testing.assert_array_equal(ranking.average_precision, np.full(130, 1 / 1001))


def test_tensors_arrays_and_scaled_features_give_the_same():
    rng = np.random.default_rng(3)
    query, gallery = rng.standard_normal((9, 4), dtype=np.float32), rng.standard_normal((50, 4), dtype=np.float32)
    columns = rng.integers(1, 5, 9), rng.integers(1, 5, 50), rng.integers(1, 3, 9), rng.integers(1, 3, 50)
    arrays = evaluate_ranking(query, gallery, *columns)
    tensors = evaluate_ranking(torch.tensor(query), torch.tensor(gallery), *map(torch.tensor, columns))
    np.testing.assert_array_equal(arrays.average_precision, tensors.average_precision)
    scaled = evaluate_ranking(query, gallery * np.exp2(rng.integers(-3, 3, (50, 1))).astype(np.float32), *columns)
    np.testing.assert_array_equal(arrays.average_precision, scaled.average_precision)


def test_distractors_are_wrong_and_junk_is_nothing():
    columns = ids([1], [0, -1, 1], [1], [2, 2, 2])
    ranking = evaluate_ranking(unit_rows([0]), unit_rows([10, 20, 30]), *columns)
    assert ranking.mean_ap == 0.5


GOOD = (unit_rows([0]), unit_rows([0, 10]), *ids([1], [1, 2], [1], [2, 2]))


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, unit_rows([0])[0], r"query features.*shape"),
        (0, np.zeros((0, 2)), r"query features.*shape"),
        (1, np.zeros((2, 3)), "use one model"),
        (1, np.array([[1, 0], [np.nan, 0]]), r"1 of 2 gallery.*not finite"),
        (0, np.array([[np.inf, 0]]), r"1 of 1 query.*not finite"),
        (2, np.array([1, 1]), r"query_pids.*\(2,\)"),
        (3, np.array([1.0, 2.0]), r"gallery_pids.*float64"),
        (5, np.array([2]), r"gallery_camids.*shape"),
        (3, np.array([-1, -1]), "junk"),
        (3, np.array([2, 2]), r"none.*1 query pids"),
        (5, np.array([1, 1]), r"camera 1.*undefined"),
        (5, np.array([1, 2]), r"no query.*another camera"),
    ],
)
def test_bad_input_is_one_clear_line(position, value, message):
    arguments = list(GOOD)
    arguments[position] = value
    with pytest.raises(ReIDError, match=message) as error:
        evaluate_ranking(*arguments)
    assert "\n" not in str(error.value)


def test_ranks_start_at_one():
    with pytest.raises(ReIDError, match="start at 1"):
        evaluate_ranking(*GOOD).rank(0)


def test_given_distances_order_the_gallery_and_ties_keep_its_order():
    query, gallery = unit_rows([0, 0]), unit_rows([10, 20, 30, 40])
    columns = ids([1, 1], [2, 1, -1, 1], [1, 1], [2, 2, 2, 2])
    rows = np.array([[3, 2, 1], [1, 1, 1]])
    seen = []

    def distances(*features):
        seen.extend(features)
        yield rows[:1]
        yield rows[1:]

    ranking = evaluate_ranking(query, 5 * gallery, *columns, distances=distances)
    np.testing.assert_allclose(ranking.average_precision, [1, (1 / 2 + 2 / 3) / 2])
    np.testing.assert_allclose(seen[0], query)
    np.testing.assert_allclose(seen[1], gallery[[0, 1, 3]])  # of length 1, and without junk
    assert rows.tolist() == [[3, 2, 1], [1, 1, 1]]  # the caller's arrays are not changed


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([np.zeros((2, 2))], r"row 2.*\(2, 2\).*1 rows of 2"),
        ([np.zeros((1, 3))], r"\(1, 3\).*1 rows of 2"),
        ([], r"0 rows.*1 rows of 2"),
        ([np.array([[1.0, np.nan]])], "not all finite"),
    ],
)
def test_distances_that_do_not_fit_are_one_clear_line(blocks, message):
    with pytest.raises(ReIDError, match=message):
        evaluate_ranking(*GOOD, distances=lambda query, gallery: blocks)
