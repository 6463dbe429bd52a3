"""The best gallery items of a query, in the order that `evaluate_ranking` scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_baseline.errors import ReIDError
from reid_baseline.similarity import Array, checked_arrays, similarity_blocks


@dataclass(frozen=True, eq=False)
class Matches:
    """The best gallery items of one query; fewer than asked for if no more are ranked."""

    gallery: np.ndarray  # (count,) int64 indices into the gallery, best first
    right: np.ndarray  # (count,) bool, whether the person is that of the query


def best_matches(
    query_features: Array,
    gallery_features: Array,
    query_pids: Array,
    gallery_pids: Array,
    query_camids: Array,
    gallery_camids: Array,
    *,
    queries: Sequence[int],
    count: int = 10,
) -> list[Matches]:
    """Finds the most similar gallery items of some queries.

    As in `evaluate_ranking`, junk (pid < 0) and items of the query's pid and camera are left out, and equally similar
    items keep their gallery order. Similarities are computed in the same way, so the order is exactly the same.

    Args:
        query_features: (Q, D) floats; all six arrays are those of `evaluate_ranking`.
        gallery_features: (G, D) floats.
        query_pids, query_camids: (Q,) integers.
        gallery_pids, gallery_camids: (G,) integers.
        queries: indices of the wanted queries, 0 to Q - 1.
        count: items per query.

    Returns:
        The matches of each of ``queries``, in their order.

    Raises:
        ReIDError: as `evaluate_ranking`, or a query that does not exist.
    """
    query, gallery, query_pids, gallery_pids, query_camids, gallery_camids = checked_arrays(
        query_features, gallery_features, query_pids, gallery_pids, query_camids, gallery_camids
    )
    if any(not 0 <= index < len(query) for index in queries):
        raise ReIDError(f"queries {list(queries)} do not all exist: expected indices from 0 to {len(query) - 1}")
    kept = np.flatnonzero(gallery_pids >= 0)
    matches = {}
    rows = (row for block in similarity_blocks(query, gallery[kept]) for row in block)
    wanted = set(queries)
    for index, row in enumerate(rows):
        if index in wanted:
            same = gallery_pids[kept] == query_pids[index]
            ranked = ~(same & (gallery_camids[kept] == query_camids[index]))
            best = np.flatnonzero(ranked)[np.argsort(-row[ranked], kind="stable")[:count]]
            matches[index] = Matches(kept[best], same[best])
    return [matches[index] for index in queries]
