"""Scores that need a baseline's features and no new training: k-reciprocal re-ranking."""

from collections.abc import Collection
from functools import partial
from typing import Any

from reidaug.results import append_result, read_results
from reidaug.saved_features import SavedFeatures, load_features
from reidaug.study import Study

RERANKING: dict[str, Any] = {"k1": 20, "k2": 6, "weight": 0.3}  # Zhong et al., CVPR 2017; weight is their lambda
RERANKED = "rerank_mean_ap"  # a row that has this field has all of `reranked_scores`


def reranked_scores(features: SavedFeatures) -> dict[str, Any]:
    """The fields that a result gets with ``--rerank``: fractions, and the settings of the re-ranking."""
    from reid_baseline import evaluate_ranking, reranked_distances

    ranking = evaluate_ranking(*features.ranking_arguments(), distances=partial(reranked_distances, **RERANKING))
    return {
        RERANKED: ranking.mean_ap,
        "rerank_mean_ap_trapezoid": ranking.mean_ap_trapezoid,
        "rerank_rank1": ranking.rank(1),
        "reranking": RERANKING,
    }


def add_reranked_scores(study: Study, keys: Collection[str], test_fingerprint: str) -> list[dict[str, Any]]:
    """Gives the results of some keys their re-ranked scores, where they lack them and their features are kept.

    Returns:
        The rows as they now are, of those that got them.

    Raises:
        ReidAugError: features that cannot be used.
    """
    added = []
    scores: dict[str, dict[str, Any]] = {}  # equal training sets share a key
    for row in read_results(study.results_path):
        key = row["key"]
        if key in keys and RERANKED not in row and study.features_path(key).is_file():
            if key not in scores:
                scores[key] = reranked_scores(load_features(study.features_path(key), test_fingerprint))
            added.append({**row, **scores[key]})
            append_result(study.results_path, added[-1])
    return added
