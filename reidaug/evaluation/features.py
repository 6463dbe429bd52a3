"""Features of query and gallery as a trained baseline sees them: what an evaluation keeps with ``--save-models``.

Half precision: a Market-1501 test set takes 24 MB, and similarities change by some 1e-5. Whatever is computed from
features beside the plain scores uses them as they are kept, so that a number is the same at once and later.
"""

import io
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.datasets.market1501 import ImageRecord, parse_name
from reidaug.evaluation.results import append_result, read_results
from reidaug.study.folder import Study

FORMAT = "reidaug features 1"


@dataclass(frozen=True, eq=False)
class SavedFeatures:
    """Features of one baseline for all images of query and gallery, junk and distractors among them."""

    query: np.ndarray  # (Q, D) float16, rows of length 1
    gallery: np.ndarray  # (G, D) float16
    query_images: tuple[ImageRecord, ...]
    gallery_images: tuple[ImageRecord, ...]
    fingerprint: str  # of the query and gallery images

    def ranking_arguments(self) -> list[np.ndarray]:
        """Features, pids and camids as `reid_baseline.evaluate_ranking` takes them."""
        images = (self.query_images, self.gallery_images)
        ids = [np.array([getattr(each, name) for each in side]) for name in ("pid", "camid") for side in images]
        return [self.query, self.gallery, *ids]


def make_features(
    query: Any,
    gallery: Any,
    query_images: Sequence[ImageRecord],
    gallery_images: Sequence[ImageRecord],
    fingerprint: str,
) -> SavedFeatures:
    """Brings (Q, D) and (G, D) float tensors or arrays on the CPU into the precision in which they are kept."""
    halves = [np.asarray(features).astype(np.float16) for features in (query, gallery)]
    return SavedFeatures(halves[0], halves[1], tuple(query_images), tuple(gallery_images), fingerprint)


def save_features(path: Path, features: SavedFeatures) -> None:
    """Writes one ``.npz``, whole or not at all; its folder is made.

    Raises:
        ReidAugError: features that are not finite.
    """
    _check_finite(features.query, features.gallery, path)
    content = io.BytesIO()
    np.savez(
        content,
        format=np.array(FORMAT),
        fingerprint=np.array(features.fingerprint),
        query=features.query,
        gallery=features.gallery,
        query_names=np.array([image.name for image in features.query_images]),
        gallery_names=np.array([image.name for image in features.gallery_images]),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, content.getvalue())


def load_features(path: Path, fingerprint: str) -> SavedFeatures:
    """Reads what `save_features` wrote; nothing in the file is run.

    Args:
        path: the file.
        fingerprint: of the query and gallery images that there are now.

    Raises:
        ReidAugError: no such file, a file that `save_features` did not write, features of other images, or features
            that are not finite.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            if str(content["format"]) != FORMAT:
                raise ValueError
            saved = str(content["fingerprint"])
            query, query_images = _read_side(content, "query")
            gallery, gallery_images = _read_side(content, "gallery")
    except FileNotFoundError:
        raise ReidAugError(f"no {path}: run `reidaug evaluate` with --save-models") from None
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, ReidAugError):
        raise ReidAugError(
            f"{path} holds no features of reidaug: remove it and run `reidaug evaluate` with --save-models"
        ) from None
    if saved != fingerprint:
        raise ReidAugError(
            f"{path} is of other query and gallery images (fingerprint {saved}, not {fingerprint}): they have changed"
            " since; run `reidaug evaluate` with --save-models again"
        )
    _check_finite(query, gallery, path)
    return SavedFeatures(query, gallery, query_images, gallery_images, saved)


def _read_side(content: Any, name: str) -> tuple[np.ndarray, tuple[ImageRecord, ...]]:
    features, images = content[name], tuple(map(parse_name, content[f"{name}_names"].tolist()))
    if features.dtype != np.float16 or features.ndim != 2 or len(features) != len(images):
        raise ValueError
    return features, images


def _check_finite(query: np.ndarray, gallery: np.ndarray, path: Path) -> None:
    for name, features in (("query", query), ("gallery", gallery)):
        bad = int((~np.isfinite(features)).any(axis=1).sum())
        if bad:
            raise ReidAugError(
                f"{path}: {bad} of {len(features)} {name} features are not finite: remove it, and train again"
            )


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
