"""The first gallery items of a query, in the order that `evaluate_ranking` scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_baseline.errors import ReIDError
from reid_baseline.similarity import Array, checked_arrays, similarity_blocks


@dataclass(frozen=True, eq=False)
class Matches:
    """What stands first for one query; fewer than asked for where the gallery holds no more that count."""

    gallery: np.ndarray  # (count,) int64 places in the gallery, best first
    right: np.ndarray  # (count,) bool: whether it is the query's person


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

    Left out are, as in `evaluate_ranking`, junk (pid < 0) and items of the query's pid and camera; equally similar ones
    keep their gallery order. All similarities are computed as there, so that the order is the same to the last bit.

    Args:
        query_features: (Q, D) floats, and the five other arrays as `evaluate_ranking` takes them.
        gallery_features: (G, D) floats.
        query_pids: (Q,) integers.
        gallery_pids: (G,) integers.
        query_camids: (Q,) integers.
        gallery_camids: (G,) integers.
        queries: places of the wanted queries, 0 to Q - 1.
        count: how many items for each.

    Returns:
        One for each of ``queries``, in their order.

    Raises:
        ReIDError: as `evaluate_ranking`, or a query that does not exist.
    """
    query, gallery, query_pids, gallery_pids, query_camids, gallery_camids = checked_arrays(
        query_features, gallery_features, query_pids, gallery_pids, query_camids, gallery_camids
    )
    if any(not 0 <= place < len(query) for place in queries):
        raise ReIDError(f"queries {list(queries)} are not all among the {len(query)} that there are")
    kept = np.flatnonzero(gallery_pids >= 0)
    found = {}
    rows = (row for block in similarity_blocks(query, gallery[kept]) for row in block)
    wanted = set(queries)
    for place, row in enumerate(rows):
        if place in wanted:
            same = gallery_pids[kept] == query_pids[place]
            counts = ~(same & (gallery_camids[kept] == query_camids[place]))
            first = np.flatnonzero(counts)[np.argsort(-row[counts], kind="stable")[:count]]
            found[place] = Matches(kept[first], same[first])
    return [found[place] for place in queries]
