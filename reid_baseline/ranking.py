"""Retrieval scores of re-identification: mAP (both conventions), mINP and CMC, exact and without sorting the gallery.

Only the ranks of the right gallery items matter, and the rank of an item is the number of items above it: each query
costs one row of the score matrix and one count per right item; memory holds one block of rows.

Sources: the Market-1501 protocol (Zheng et al., ICCV 2015) for what is ranked; its evaluation code for the trapezoid
AP; Ye et al., TPAMI 2021, for mINP.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reid_baseline.errors import ReIDError
from reid_baseline.similarity import Array, checked_arrays, similarity_blocks

Ids = Sequence[int] | np.ndarray
Distances = Callable[[np.ndarray, np.ndarray], Iterable[np.ndarray]]
"""Takes the features of Q queries and of G gallery items without junk, with rows of length 1; returns the (Q, G)
distances as blocks of consecutive rows."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores of one query set against one gallery. All scores are fractions, means are over the counted queries.

    A query without a right gallery item is not counted: it is NaN in the per-query arrays.
    """

    mean_ap: float  # plain AP: mean of k / rank of the k-th right item (torchreid, fast-reid, scikit-learn)
    mean_ap_trapezoid: float  # AP of the official Market-1501 code; never above the plain one
    mean_inp: float  # mean of (number of right items) / (rank of the last right item)
    cmc: np.ndarray  # (gallery items without junk,) float64; cmc[0] is rank-1
    average_precision: np.ndarray  # (all queries,) float64
    average_precision_trapezoid: np.ndarray  # (all queries,) float64
    queries: int  # counted queries
    queries_without_match: int  # not counted

    def rank(self, k: int) -> float:
        """Returns the CMC at rank ``k`` (from 1), also if the gallery has fewer than ``k`` items."""
        if k < 1:
            raise ReIDError(f"rank {k} does not exist: ranks start at 1")
        return float(self.cmc[min(k, len(self.cmc)) - 1])


def evaluate_ranking(
    query_features: Array,
    gallery_features: Array,
    query_pids: Array,
    gallery_pids: Array,
    query_camids: Array,
    gallery_camids: Array,
    *,
    distances: Distances | None = None,
) -> Ranking:
    """Ranks the gallery for each query by cosine similarity, or by given distances, and scores the order.

    Gallery items of the query's pid and camera are left out, and so is junk (pid < 0). Every other pid is ordinary:
    distractors are simply wrong. Equally similar (or equally far) items keep their gallery order. Where cameras mean
    nothing, give each image a number of its own as its camid: of the query's pid only the query is then left out.

    Args:
        query_features: (Q, D) floats, tensor or array, any device; need not be normalised. float64 is kept, any other
            type is computed in float32.
        gallery_features: (G, D) floats.
        query_pids, query_camids: (Q,) integers.
        gallery_pids, gallery_camids: (G,) integers.
        distances: computes the distances to rank by, such as `reid_baseline.reranked_distances`, from the features
            scaled to length 1, without junk. None = cosine.

    Raises:
        ReIDError: shapes that do not fit, ids that are not integers, features or distances that are not finite, or no
            query with a right gallery item.
    """
    query, gallery, query_pids, gallery_pids, query_camids, gallery_camids = checked_arrays(
        query_features, gallery_features, query_pids, gallery_pids, query_camids, gallery_camids
    )
    check_matches(query_pids, gallery_pids, query_camids, gallery_camids)
    kept = gallery_pids >= 0
    if not kept.all():
        gallery, gallery_pids, gallery_camids = gallery[kept], gallery_pids[kept], gallery_camids[kept]

    same_pid = _same_pid(query_pids, gallery_pids)
    right = [same[gallery_camids[same] != camid] for same, camid in zip(same_pid, query_camids, strict=True)]

    scores = np.full((3, len(query)), np.nan)
    first_hits = np.zeros(len(gallery))
    blocks = similarity_blocks(query, gallery) if distances is None else _negated(distances, query, gallery)
    for i, row in enumerate(row for block in blocks for row in block):
        if len(right[i]):
            ranks = _ranks(row, right[i], same_pid[i])
            scores[:, i] = _scores(ranks)
            first_hits[ranks[0]] += 1
    counted = int(first_hits.sum())
    means = np.nanmean(scores, axis=1)
    return Ranking(
        mean_ap=float(means[0]),
        mean_ap_trapezoid=float(means[1]),
        mean_inp=float(means[2]),
        cmc=np.cumsum(first_hits) / counted,
        average_precision=scores[0],
        average_precision_trapezoid=scores[1],
        queries=counted,
        queries_without_match=len(query) - counted,
    )


def check_matches(query_pids: Ids, gallery_pids: Ids, query_camids: Ids, gallery_camids: Ids) -> None:
    """Raises ReIDError, with the reason, if no query has a right gallery item. Useful before hours of work.

    Args:
        query_pids, query_camids: (Q,) integers.
        gallery_pids, gallery_camids: (G,) integers.
    """
    cameras: dict[int, set[int]] = {}
    for pid, camid in zip(gallery_pids, gallery_camids, strict=True):
        if pid >= 0:
            cameras.setdefault(pid, set()).add(camid)
    if not cameras:
        raise ReIDError(
            f"all {len(gallery_pids)} gallery items are junk (pid < 0): mAP needs a gallery of known persons"
        )
    queries = list(zip(query_pids, query_camids, strict=True))
    if any(cameras.get(pid, set()) - {camid} for pid, camid in queries):
        return
    all_cameras = {camid for _, camid in queries}.union(*cameras.values())
    if len(all_cameras) == 1:
        raise ReIDError(
            f"all images are of camera {all_cameras.pop()}, and a query's own camera does not count: mAP is undefined;"
            " use images of at least two cameras"
        )
    if not any(pid in cameras for pid, _ in queries):
        count = len({pid for pid, _ in queries})
        raise ReIDError(f"none of the {count} query pids is in the gallery, so mAP is undefined")
    raise ReIDError("no query has a gallery image of its person by another camera, so mAP is undefined")


def _negated(distances: Distances, query: np.ndarray, gallery: np.ndarray) -> Iterator[np.ndarray]:
    """Yields blocks of scores, higher for nearer items, with one row for each query."""
    rows = 0
    for block in distances(query, gallery):
        rows += len(block)
        if block.ndim != 2 or block.shape[1] != len(gallery) or rows > len(query):
            raise ReIDError(
                f"a block of distances ends at row {rows} and has shape {block.shape}: {_expected(query, gallery)}"
            )
        if not np.isfinite(block).all():
            raise ReIDError(f"distances up to row {rows} are not all finite: they give no order")
        yield 0.0 - block
    if rows < len(query):
        raise ReIDError(f"the distances end after {rows} rows: {_expected(query, gallery)}")


def _expected(query: np.ndarray, gallery: np.ndarray) -> str:
    return f"expected {len(query)} rows of {len(gallery)}, one for each gallery item without junk"


def _ranks(row: np.ndarray, right: np.ndarray, same_pid: np.ndarray) -> np.ndarray:
    """Returns the 0-based ranks of the right items, ascending; ``row`` is overwritten where the pid is the query's."""
    order = np.argsort(-row[right], kind="stable")
    right, values = right[order], row[right[order]]
    row[same_pid] = -np.inf  # these are right or left out, so not wrong
    wrong_above = [
        np.count_nonzero(row[:index] >= value) + np.count_nonzero(row[index:] > value)
        for index, value in zip(right.tolist(), values, strict=True)
    ]
    return np.asarray(wrong_above) + np.arange(len(right))


def _scores(ranks: np.ndarray) -> tuple[float, float, float]:
    """AP, trapezoid AP and INP of a query, from the ascending 0-based ranks r of its right items.

    AP is the mean of k / (r + 1) over the k-th right items; the trapezoid AP is the mean of
    (k / (r + 1) + (k - 1) / r) / 2, where the second term is 1 at r = 0.
    """
    count = len(ranks)
    hits = np.arange(1, count + 1)
    precision = hits / (ranks + 1)
    before = np.where(ranks == 0, 1.0, (hits - 1) / np.maximum(ranks, 1))
    return precision.sum() / count, (precision + before).sum() / (2 * count), count / (ranks[-1] + 1)


def _same_pid(query_pids: np.ndarray, gallery_pids: np.ndarray) -> list[np.ndarray]:
    """Returns for each query the ascending indices of the gallery items of its pid."""
    by_pid = np.argsort(gallery_pids, kind="stable")
    pids = gallery_pids[by_pid]
    first, last = np.searchsorted(pids, query_pids, "left"), np.searchsorted(pids, query_pids, "right")
    return [by_pid[a:b] for a, b in zip(first, last, strict=True)]
