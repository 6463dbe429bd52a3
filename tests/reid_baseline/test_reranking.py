"""k-reciprocal re-ranking: against a dense implementation written from the paper, by hand, and by its properties."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_baseline import ReIDError, evaluate_ranking, reranked_distances


def people(seed, queries, gallery, persons=6, noise=0.6, dimensions=8):
    """Features in clusters, with ids: two cameras, so that a person is seen by both."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((persons, dimensions))
    query_pids, gallery_pids = rng.integers(0, persons, queries), rng.integers(0, persons, gallery)
    features = [
        centres[pids] + noise * rng.standard_normal((len(pids), dimensions)) for pids in (query_pids, gallery_pids)
    ]
    return *features, query_pids, gallery_pids, rng.integers(1, 3, queries), rng.integers(1, 3, gallery)


def dense_reranking(query, gallery, k1, k2, weight):
    """Sections 3.2 to 3.5 of the paper, set by set, over all pairs of images at once."""
    images = [row / math.sqrt(sum(row * row)) for row in [*query, *gallery]]
    everyone = range(len(images))
    distance = np.array([[sum((a - b) ** 2) for b in images] for a in images])
    scaled = distance / distance.max(axis=1, keepdims=True)
    lists = [sorted(everyone, key=lambda j, i=i: (j != i, distance[i, j], j)) for i in everyone]

    def nearest(i, k):
        return set(lists[i][: k + 1])

    def reciprocal(i, k):
        return {j for j in nearest(i, k) if i in nearest(j, k)}

    encodings = np.zeros(distance.shape)
    for i in everyone:
        core = reciprocal(i, k1)
        whole = set(core)
        for j in core:
            candidates = reciprocal(j, int(np.around(k1 / 2)))
            if len(core & candidates) > 2 / 3 * len(candidates) + 1e-9:
                whole |= candidates
        for j in whole:
            encodings[i, j] = math.exp(-scaled[i, j])
        encodings[i] /= encodings[i].sum()
    averaged = np.array([np.mean([encodings[j] for j in lists[i][:k2]], axis=0) for i in everyone])
    final = np.empty((len(query), len(gallery)))
    for i in range(len(query)):
        for j in range(len(gallery)):
            one, other = averaged[i], averaged[len(query) + j]
            jaccard = 1 - np.minimum(one, other).sum() / np.maximum(one, other).sum()
            final[i, j] = (1 - weight) * jaccard + weight * scaled[i, len(query) + j]
    return final


def whole(*arguments, **settings):
    return np.concatenate(list(reranked_distances(*arguments, **settings)))


@pytest.mark.parametrize(
    ("queries", "gallery", "k1", "k2", "weight"),
    [
        (9, 41, 20, 6, 0.3),
        (9, 41, 7, 3, 0.3),  # half of 7 is rounded to 4
        (9, 41, 5, 2, 0.3),  # half of 5 is rounded to 2
        (9, 41, 1, 1, 0.0),
        (9, 41, 4, 9, 0.5),  # k2 above k1
        (9, 41, 6, 1, 1.0),
        (3, 8, 20, 6, 0.3),  # fewer images than k1
        (1, 2, 20, 6, 0.3),
        (2, 3, 3, 20, 0.3),
        (1, 1, 1, 1, 0.3),
    ],
)
def test_equals_a_dense_implementation(queries, gallery, k1, k2, weight):
    for seed in range(3):
        query, items, *_ = people(seed, queries, gallery)
        expected = dense_reranking(query, items, k1, k2, weight)
        actual = whole(query, items, k1=k1, k2=k2, weight=weight)
        assert actual.dtype == np.float64
        np.testing.assert_allclose(actual, expected, atol=1e-12)


# Few directions: many features are equal, so that lists depend on the order of equal neighbours.
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_the_dense_one_with_repeated_features(data):
    angles = [0, 5, 11, 24, 49, 100, 203]
    rows = [data.draw(st.lists(st.sampled_from(angles), min_size=1, max_size=size)) for size in (4, 14)]
    k1, k2 = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 5))
    query, gallery = (np.stack([np.cos(np.deg2rad(row)), np.sin(np.deg2rad(row))], axis=1) for row in rows)
    if len({*rows[0], *rows[1]}) == 1:
        return  # all distances are 0, and the scaled ones undefined
    np.testing.assert_allclose(
        whole(query, gallery, k1=k1, k2=k2), dense_reranking(query, gallery, k1, k2, 0.3), atol=1e-9
    )


def test_one_neighbour_by_hand():
    # Angles 0 | 10, 100: query and first item are each other's neighbour, the other's nearest (90) has a nearer one.
    query, gallery = (
        np.array([[math.cos(a), math.sin(a)] for a in map(math.radians, row)]) for row in ([0], [10, 100])
    )
    squared = {angle: 2 - 2 * math.cos(math.radians(angle)) for angle in (10, 90, 100)}
    a, b = (math.exp(-squared[10] / squared[angle]) for angle in (100, 90))  # of the query; of the first item
    one, other = np.array([1, a]) / (1 + a), np.array([b, 1]) / (1 + b)
    jaccard = 1 - np.minimum(one, other).sum() / np.maximum(one, other).sum()
    expected = [0.7 * jaccard + 0.3 * squared[10] / squared[100], 0.7 + 0.3]
    np.testing.assert_allclose(whole(query, gallery, k1=1, k2=1), [expected])


def test_several_blocks_give_what_one_gives():
    query, gallery, *_ = people(0, 300, 90)
    actual = whole(query, gallery)
    assert actual.shape == (300, 90) and actual.min() >= 0 and actual.max() <= 1
    np.testing.assert_allclose(actual, dense_reranking(query, gallery, 20, 6, 0.3), atol=1e-12)


def test_tensors_types_and_scales_give_the_same_order():
    query, gallery, *_ = people(1, 20, 80)
    plain = whole(query, gallery)
    np.testing.assert_allclose(whole(7 * query, gallery * np.exp2(np.arange(80) % 5)[:, None]), plain, atol=1e-12)
    single = whole(torch.tensor(query).float(), torch.tensor(gallery).float())
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, plain, atol=1e-5)


def test_weight_one_is_the_order_of_cosine():
    arguments = people(2, 30, 120, noise=1.5)

    def original(query, gallery):
        return reranked_distances(query, gallery, weight=1.0)

    cosine, same = evaluate_ranking(*arguments), evaluate_ranking(*arguments, distances=original)
    np.testing.assert_array_equal(same.average_precision, cosine.average_precision)
    np.testing.assert_array_equal(same.cmc, cosine.cmc)


def test_it_helps_where_persons_are_clusters():
    arguments = people(3, 60, 300, persons=20, noise=0.9, dimensions=24)
    cosine, reranked = evaluate_ranking(*arguments), evaluate_ranking(*arguments, distances=reranked_distances)
    assert reranked.mean_ap > cosine.mean_ap + 0.02


def test_junk_takes_no_part():
    query, gallery, query_pids, gallery_pids, *camids = people(4, 20, 60)
    expected = evaluate_ranking(query, gallery, query_pids, gallery_pids, *camids, distances=reranked_distances)
    twins = np.concatenate([gallery, np.repeat(query, 3, axis=0)])  # they would fill every list of neighbours
    pids = np.concatenate([gallery_pids, np.full(60, -1)])
    gallery_camids = np.concatenate([camids[1], np.ones(60, int)])
    actual = evaluate_ranking(query, twins, query_pids, pids, camids[0], gallery_camids, distances=reranked_distances)
    np.testing.assert_array_equal(actual.average_precision, expected.average_precision)
    assert not np.allclose(whole(query, twins)[:, :60], whole(query, gallery))


def test_all_images_alike_are_finite_and_keep_their_order():
    actual = whole(np.ones((2, 3)), np.ones((40, 3)))
    assert np.isfinite(actual).all()


@pytest.mark.parametrize("settings", [{"k1": 0}, {"k2": 0}, {"weight": -0.1}, {"weight": 1.1}, {"weight": math.nan}])
def test_settings_out_of_range(settings):
    with pytest.raises(ReIDError, match="k1, k2 >= 1"):
        reranked_distances(np.eye(3), np.eye(3), **settings)


def test_features_that_are_not_finite_are_refused_at_once():
    with pytest.raises(ReIDError, match=r"1 of 3 gallery.*not finite"):
        reranked_distances(np.eye(3), np.diag([1, np.nan, 1]))
    with pytest.raises(ReIDError, match="use one model"):
        reranked_distances(np.eye(3), np.eye(4))
