"""Cosine similarities of features in blocks of rows, equal for equal features."""

from collections.abc import Iterator

import numpy as np
import torch

from reid_baseline.errors import ReIDError

BLOCK_ROWS = 128  # queries per block: 10 MB of scores with 19,732 gallery items, as fast as one product

Array = np.ndarray | torch.Tensor


def similarity_blocks(rows: np.ndarray, columns: np.ndarray, block: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
    """Yields the (block, C) products of rows with all columns, in arrays that the caller may change.

    Args:
        rows: (R, D) features from `unit_features`.
        columns: (C, D) features.
        block: rows in a block; the last one may have fewer.
    """
    copies, originals = _repeated_rows(columns)
    for start in range(0, len(rows), block):
        product = rows[start : start + block] @ columns.T
        # A BLAS may sum columns in different orders, so that equal features differ in the last bit.
        product[:, copies] = product[:, originals]
        yield product


def _repeated_rows(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of rows that repeat an earlier row, and those of the first such rows."""
    first: dict[bytes, int] = {}
    originals = np.array([first.setdefault(row.tobytes(), i) for i, row in enumerate(features)])
    copies = np.flatnonzero(originals != np.arange(len(features)))
    return copies, originals[copies]


def unit_features(query: Array, gallery: Array) -> tuple[np.ndarray, np.ndarray]:
    """Returns query (Q, D) and gallery (G, D) with rows of length 1 (all-zero rows stay zero).

    float64 is kept, any other type becomes float32.

    Raises:
        ReIDError: shapes that do not fit, or features that are not finite.
    """
    query, gallery = _unit_rows(query, "query"), _unit_rows(gallery, "gallery")
    if query.shape[1] != gallery.shape[1]:
        raise ReIDError(
            f"query features have {query.shape[1]} columns, gallery features {gallery.shape[1]}: use one model"
        )
    return query, gallery


def checked_arrays(
    query_features: Array,
    gallery_features: Array,
    query_pids: Array,
    gallery_pids: Array,
    query_camids: Array,
    gallery_camids: Array,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the six arrays in this order: features from `unit_features`, ids from `integer_ids`.

    Raises:
        ReIDError: as in these two.
    """
    query, gallery = unit_features(query_features, gallery_features)
    return (
        query,
        gallery,
        integer_ids(query_pids, "query_pids", len(query)),
        integer_ids(gallery_pids, "gallery_pids", len(gallery)),
        integer_ids(query_camids, "query_camids", len(query)),
        integer_ids(gallery_camids, "gallery_camids", len(gallery)),
    )


def _unit_rows(features: Array, name: str) -> np.ndarray:
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


def integer_ids(ids: Array, name: str, count: int) -> np.ndarray:
    """Returns (count,) int64.

    Raises:
        ReIDError: another shape, or ids that are not integers.
    """
    if isinstance(ids, torch.Tensor):
        ids = ids.detach().cpu().numpy()
    ids = np.asarray(ids)
    if ids.shape != (count,):
        raise ReIDError(f"{name} has shape {ids.shape}: expected one id per image, ({count},)")
    if ids.dtype.kind not in "iu":
        raise ReIDError(f"{name} has type {ids.dtype}: expected integers")
    return ids.astype(np.int64)
