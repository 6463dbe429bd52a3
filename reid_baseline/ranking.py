"""Retrieval scores of re-identification: mAP (both conventions), mINP and CMC, exactly and without sorting a gallery.

Only the ranks of the right gallery items matter, and such a rank is the number of items above it. So each query costs
one row of the score matrix and a count per right item; memory stays at one block of rows.

Sources: the Market-1501 protocol (Zheng et al., ICCV 2015) for what counts; its evaluation code for the trapezoid AP;
Ye et al., TPAMI 2021, for mINP.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from reid_baseline.errors import ReIDError

BLOCK_ROWS = 128  # queries per block: 10 MB of scores against 19,732 gallery items, and as fast as one whole product

Array = np.ndarray | torch.Tensor


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores of one query set against one gallery. All scores are fractions, means are over the counted queries.

    A query that has no right gallery item counts nowhere: it is NaN in the per-query arrays.
    """

    mean_ap: float  # plain AP: mean of k / rank of the k-th right item (torchreid, fast-reid, scikit-learn)
    mean_ap_trapezoid: float  # AP of the official Market-1501 code; never above the plain one
    mean_inp: float  # mean of (number of right items) / (rank of the last right item)
    cmc: np.ndarray  # (gallery items that are no junk,): cmc[0] is rank-1; float64
    average_precision: np.ndarray  # (all queries,) float64
    average_precision_trapezoid: np.ndarray  # (all queries,) float64
    queries: int  # counted queries
    queries_without_match: int  # not counted

    def rank(self, k: int) -> float:
        """Returns the CMC at rank ``k`` (from 1), also where the gallery holds fewer than ``k`` items."""
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
) -> Ranking:
    """Ranks the gallery for each query by cosine similarity and scores the order.

    For a query, gallery items of its pid and its camera are left out, as is junk (pid < 0) for all. Every other pid is
    ordinary, so distractors are simply wrong. Items of equal similarity keep their gallery order.

    Args:
        query_features: (Q, D) floats, tensor or array, any device; need not be normalised. float64 is kept, any other
            type is computed in float32.
        gallery_features: (G, D) floats.
        query_pids: (Q,) integers.
        gallery_pids: (G,) integers.
        query_camids: (Q,) integers.
        gallery_camids: (G,) integers.

    Raises:
        ReIDError: shapes that do not fit, ids that are no integers, features that are not finite, or no query that has
            a right gallery item.
    """
    query, gallery = _features(query_features, "query"), _features(gallery_features, "gallery")
    if query.shape[1] != gallery.shape[1]:
        raise ReIDError(
            f"query features have {query.shape[1]} columns, gallery features {gallery.shape[1]}: use one model"
        )
    query_pids = _ids(query_pids, "query_pids", len(query))
    query_camids = _ids(query_camids, "query_camids", len(query))
    gallery_pids = _ids(gallery_pids, "gallery_pids", len(gallery))
    gallery_camids = _ids(gallery_camids, "gallery_camids", len(gallery))

    kept = gallery_pids >= 0
    if not kept.any():
        raise ReIDError(f"all {len(kept)} gallery items are junk (pid < 0): mAP needs a gallery of known persons")
    if not kept.all():
        gallery, gallery_pids, gallery_camids = gallery[kept], gallery_pids[kept], gallery_camids[kept]

    same_pid = _same_pid(query_pids, gallery_pids)
    right = [same[gallery_camids[same] != camid] for same, camid in zip(same_pid, query_camids, strict=True)]
    if not any(map(len, right)):
        raise ReIDError(_why_no_match(query_pids, query_camids, gallery_pids, gallery_camids))

    scores = np.full((3, len(query)), np.nan)
    first_hits = np.zeros(len(gallery))
    for i, row in enumerate(_score_rows(query, gallery)):
        if len(right[i]):
            ranks = _ranks(row, right[i], same_pid[i])
            scores[:, i] = _average_precision(ranks), _average_precision_trapezoid(ranks), len(ranks) / (ranks[-1] + 1)
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


def _score_rows(query: np.ndarray, gallery: np.ndarray) -> Iterator[np.ndarray]:
    """Yields for each query its (G,) scores, in a buffer that the caller may change until the next one."""
    copies, originals = _repeated_rows(gallery)
    for start in range(0, len(query), BLOCK_ROWS):
        block = query[start : start + BLOCK_ROWS] @ gallery.T
        # A BLAS may sum different columns in different orders, and so split ties between equal features by a last bit.
        block[:, copies] = block[:, originals]
        yield from block


def _ranks(row: np.ndarray, right: np.ndarray, same_pid: np.ndarray) -> np.ndarray:
    """Returns the 0-based ranks of the right items, ascending; ``row`` is overwritten where the pid is the query's."""
    order = np.argsort(-row[right], kind="stable")
    right, values = right[order], row[right[order]]
    row[same_pid] = -np.inf  # neither right items nor left-out ones are wrong ones
    wrong_above = [
        np.count_nonzero(row[:index] >= value) + np.count_nonzero(row[index:] > value)
        for index, value in zip(right.tolist(), values, strict=True)
    ]
    return np.asarray(wrong_above) + np.arange(len(right))


def _average_precision(ranks: np.ndarray) -> float:
    """Mean of k / (r + 1) over the k-th right item at 0-based rank r."""
    return float((np.arange(1, len(ranks) + 1) / (ranks + 1)).sum() / len(ranks))


def _average_precision_trapezoid(ranks: np.ndarray) -> float:
    """Mean of (k / (r + 1) + (k - 1) / r) / 2, where the second term is 1 at r = 0."""
    hits = np.arange(1, len(ranks) + 1)
    before = np.where(ranks == 0, 1.0, (hits - 1) / np.maximum(ranks, 1))
    return float((hits / (ranks + 1) + before).sum() / (2 * len(ranks)))


def _same_pid(query_pids: np.ndarray, gallery_pids: np.ndarray) -> list[np.ndarray]:
    """Returns for each query the ascending indices of the gallery items of its pid."""
    by_pid = np.argsort(gallery_pids, kind="stable")
    pids = gallery_pids[by_pid]
    first, last = np.searchsorted(pids, query_pids, "left"), np.searchsorted(pids, query_pids, "right")
    return [by_pid[a:b] for a, b in zip(first, last, strict=True)]


def _repeated_rows(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of rows that repeat an earlier row, and those of the first such rows."""
    first: dict[bytes, int] = {}
    originals = np.array([first.setdefault(row.tobytes(), i) for i, row in enumerate(features)])
    copies = np.flatnonzero(originals != np.arange(len(features)))
    return copies, originals[copies]


def _features(features: Array, name: str) -> np.ndarray:
    """Returns (N, D) rows of length 1 (all-zero rows stay zero), float64 where it was given, else float32."""
    if isinstance(features, torch.Tensor):
        features = features.detach().cpu()
        features = (features if features.dtype == torch.float64 else features.float()).numpy()
    features = np.asarray(features)
    if features.ndim != 2 or 0 in features.shape:
        raise ReIDError(
            f"{name} features have shape {features.shape}: expected (images, dimensions), at least one of each"
        )
    features = features.astype(np.float64 if features.dtype == np.float64 else np.float32, copy=False)
    norms = np.sqrt(np.einsum("nd,nd->n", features, features))[:, None]
    bad = np.flatnonzero(~np.isfinite(norms))
    if len(bad):
        raise ReIDError(
            f"{len(bad)} of {len(features)} {name} features are not finite (first: row {bad[0]}): the model is broken"
        )
    return features / np.maximum(norms, np.finfo(features.dtype).tiny)


def _ids(ids: Array, name: str, count: int) -> np.ndarray:
    if isinstance(ids, torch.Tensor):
        ids = ids.detach().cpu().numpy()
    ids = np.asarray(ids)
    if ids.shape != (count,):
        raise ReIDError(f"{name} has shape {ids.shape}: expected one id per image, ({count},)")
    if ids.dtype.kind not in "iu":
        raise ReIDError(f"{name} has type {ids.dtype}: expected integers")
    return ids.astype(np.int64)


def _why_no_match(
    query_pids: np.ndarray, query_camids: np.ndarray, gallery_pids: np.ndarray, gallery_camids: np.ndarray
) -> str:
    cameras = np.union1d(query_camids, gallery_camids)
    if len(cameras) == 1:
        return (
            f"all images are of camera {cameras[0]}, and a query's own camera does not count: mAP is undefined;"
            " use images of at least two cameras"
        )
    if not np.isin(query_pids, gallery_pids).any():
        return f"none of the {len(np.unique(query_pids))} query pids is in the gallery, so mAP is undefined"
    return "no query has a gallery image of its person by another camera, so mAP is undefined"
