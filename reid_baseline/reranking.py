"""k-reciprocal re-ranking: distances that also depend on the neighbours that two images share.

Zhong, Zheng, Cao and Li, "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017; k1 = 20, k2 = 6
and weight (their lambda) = 0.3 are theirs. Where paper and published code differ, this follows the code, since all
published results come from it: an image is one more neighbour of itself, a candidate is added if *more* than 2/3
(paper: at least) of its neighbours are shared, and distances are divided by the greatest in their row. Half of k1 is
rounded to even, as in the Python code.

The authors compute all N x N distances and encodings of the N = Q + G images densely (four such arrays). Here
distances are computed in blocks, and the encodings, with some dozen entries in a row, are sparse.
"""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from reid_baseline.errors import ReIDError
from reid_baseline.similarity import BLOCK_ROWS, Array, similarity_blocks, unit_features

PAIRS = 1 << 15  # distances of single pairs computed at once: 128 MiB of gathered 512-dimensional features


def reranked_distances(
    query_features: Array, gallery_features: Array, *, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> Iterator[np.ndarray]:
    """Computes (1 - weight) * Jaccard distance + weight * original distance, as `evaluate_ranking` takes it.

    Neighbours are searched among queries and gallery together, so every gallery item has an effect. Leave out junk, as
    torchreid and fast-reid do when loading (the authors' MATLAB code ranks it too) and as
    ``evaluate_ranking(..., distances=reranked_distances)`` does. Equally near neighbours keep their order, queries
    first; an image is always its own first neighbour.

    Args:
        query_features: (Q, D) floats, tensor or array, any device; need not be normalised. float64 is kept, any other
            type is computed in float32.
        gallery_features: (G, D) floats.
        k1: neighbours of an image, besides itself.
        k2: neighbours, including itself, over which encodings are averaged; 1 = no averaging.
        weight: share of the original distance, 0 to 1.

    Returns:
        Blocks of consecutive rows of the (Q, G) distances, in 0 to 1, float64 or float32.

    Raises:
        ReIDError: shapes that do not fit, features that are not finite, or settings out of range.
    """
    if k1 < 1 or k2 < 1 or not 0 <= weight <= 1:
        raise ReIDError(f"re-ranking with k1 = {k1}, k2 = {k2}, weight = {weight}: expected k1, k2 >= 1, weight 0 to 1")
    query, gallery = unit_features(query_features, gallery_features)
    images = np.concatenate([query, gallery])
    neighbours, greatest = _neighbours(images, max(k1 + 1, k2))
    encoding = _encoding(images, _expanded(neighbours, k1), greatest)
    if k2 > 1:
        nearest = _rows_to_matrix(neighbours[:, :k2], encoding.dtype)
        encoding = (nearest / min(k2, len(images)) @ encoding).tocsr()
    return _distance_blocks(query, gallery, greatest[: len(query)], encoding, weight)


def _distance_blocks(
    query: np.ndarray, gallery: np.ndarray, greatest: np.ndarray, encoding: sparse.csr_matrix, weight: float
) -> Iterator[np.ndarray]:
    inverted = encoding[len(query) :].T.tocsr()  # (Q + G, G): for each image, the gallery items whose encoding has it
    for number, similarity in enumerate(similarity_blocks(query, gallery)):
        start = number * BLOCK_ROWS
        original = _squared_distance(similarity) / greatest[start : start + len(similarity), None]
        yield np.stack(
            [
                (1 - weight) * _jaccard_distance(encoding[start + row], inverted) + weight * original[row]
                for row in range(len(original))
            ]
        ).astype(query.dtype, copy=False)


def _jaccard_distance(encoding: sparse.csr_matrix, inverted: sparse.csr_matrix) -> np.ndarray:
    """1 - (sum of minima) / (sum of maxima) of one encoding with those of the gallery: equation 10 of the paper.

    Encodings sum to 1, so the maxima sum to 2 minus the minima.
    """
    shared = inverted[encoding.indices]
    smaller = np.minimum(shared.data, np.repeat(encoding.data, np.diff(shared.indptr)))
    minima = np.bincount(shared.indices, smaller, minlength=inverted.shape[1])
    return 1 - minima / (2 - minima)


def _neighbours(images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nearest images of each image, itself first, and its distance to the farthest one.

    Args:
        images: (N, D), rows of length 1.
        count: how many; at most N are returned.

    Returns:
        (N, count) int32 indices, nearest first, and (N,) squared distances above 0.
    """
    count = min(count, len(images))
    nearest, greatest = np.empty((len(images), count), dtype=np.int32), np.empty(len(images), dtype=images.dtype)
    for number, similarity in enumerate(similarity_blocks(images, images)):
        local = np.arange(len(similarity))
        rows = number * BLOCK_ROWS + local
        greatest[rows] = _squared_distance(similarity.min(axis=1))
        similarity[local, rows] = np.inf
        least = np.partition(similarity, len(images) - count, axis=1)[:, len(images) - count]
        row, column = np.nonzero(similarity >= least[:, None])  # more than `count` if the last ones are equal
        order = np.lexsort((-similarity[row, column], row))  # stable: ties keep their order
        first = np.searchsorted(row, local)
        nearest[rows] = column[order][first[:, None] + np.arange(count)]
    return nearest, np.maximum(greatest, np.finfo(images.dtype).tiny)


def _expanded(neighbours: np.ndarray, k1: int) -> sparse.csr_matrix:
    """Returns R*(p, k1) of each image p (equation 5 of the paper, bounds as in the code) as an (N, N) 0/1 matrix."""
    reciprocal = _reciprocal(neighbours[:, : k1 + 1])
    half = _reciprocal(neighbours[:, : round(k1 / 2) + 1])
    shared = reciprocal.multiply(reciprocal @ half.T).tocoo()  # for each image and candidate: common neighbours
    added = 3 * shared.data > 2 * np.diff(half.indptr)[shared.col]
    candidates = sparse.csr_matrix((shared.data[added], (shared.row[added], shared.col[added])), shape=half.shape)
    return (reciprocal + candidates @ half).tocsr()


def _reciprocal(neighbours: np.ndarray) -> sparse.csr_matrix:
    """Returns R(p, k): row p has a 1 for each of its neighbours that has p as a neighbour."""
    forward = _rows_to_matrix(neighbours, np.dtype(np.int32))
    return forward.multiply(forward.T).tocsr()


def _rows_to_matrix(columns: np.ndarray, dtype: np.dtype) -> sparse.csr_matrix:
    """Returns the (N, N) matrix that has a 1 in row i at each of ``columns[i]``."""
    count = columns.shape[1]
    starts = np.arange(0, columns.size + 1, count)
    return sparse.csr_matrix((np.ones(columns.size, dtype), columns.ravel(), starts), shape=(len(columns),) * 2)


def _encoding(images: np.ndarray, expanded: sparse.csr_matrix, greatest: np.ndarray) -> sparse.csr_matrix:
    """Returns exp(-distance) to each image of the expanded neighbours, scaled to sum 1 in a row (equation 7)."""
    rows, columns = np.repeat(np.arange(len(images)), np.diff(expanded.indptr)), expanded.indices
    weights = np.empty(len(rows), dtype=images.dtype)
    for start in range(0, len(rows), PAIRS):
        row, column = rows[start : start + PAIRS], columns[start : start + PAIRS]
        distance = _squared_distance(np.einsum("nd,nd->n", images[row], images[column]))
        weights[start : start + PAIRS] = np.exp(-distance / greatest[row])
    weights /= np.bincount(rows, weights)[rows]
    return sparse.csr_matrix((weights, columns, expanded.indptr), shape=expanded.shape)


def _squared_distance(similarity: np.ndarray) -> np.ndarray:
    """Of vectors of length 1 with this scalar product."""
    return np.maximum(2 - 2 * similarity, 0)
