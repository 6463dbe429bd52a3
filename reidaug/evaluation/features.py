"""Features of query and gallery as a trained baseline sees them: what an evaluation keeps with ``--save-models``.

Half precision: a Market-1501 test set takes 24 MB, and similarities change by some 1e-5. Whatever is computed from
features beside the plain scores uses them as they are kept, so that a number is the same at once and later.
"""

import io
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.datasets.dataset import Dataset, Image
from reidaug.evaluation.results import Result, append_result, read_results
from reidaug.study.folder import Study

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "reidaug features 1"


@dataclass(frozen=True, eq=False)
class SavedFeatures:
    """Features of one baseline for all images of query and gallery, junk and distractors among them."""

    query: np.ndarray  # (Q, D) float16, rows of length 1
    gallery: np.ndarray  # (G, D) float16
    query_images: tuple[Image, ...]
    gallery_images: tuple[Image, ...]
    fingerprint: str  # of the query and gallery images

    def ranking_arguments(self) -> list[np.ndarray]:
        """Features, pids and camids as `reid_baseline.evaluate_ranking` takes them."""
        images = (self.query_images, self.gallery_images)
        ids = [np.array([getattr(each, name) for each in side]) for name in ("pid", "camid") for side in images]
        return [self.query, self.gallery, *ids]


def make_features(query: "Tensor", gallery: "Tensor", data: Dataset, fingerprint: str) -> SavedFeatures:
    """Brings (Q, D) and (G, D) float features on the CPU into the precision in which they are kept.

    Args:
        query: of the query images of a data set.
        gallery: of its gallery images.
        data: the data set.
        fingerprint: of these images.
    """
    query_half, gallery_half = (np.asarray(features).astype(np.float16) for features in (query, gallery))
    images = (tuple(data.images("query")), tuple(data.images("gallery")))
    return SavedFeatures(query_half, gallery_half, *images, fingerprint)


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


def load_features(path: Path, data: Dataset) -> SavedFeatures:
    """Reads what `save_features` wrote; nothing in the file is run.

    Args:
        path: the file.
        data: the data set of the query and gallery images.

    Raises:
        ReidAugError: no such file, a file that `save_features` did not write, features of other images, or features
            that are not finite.
    """
    images = {split: data.images(split) for split in ("query", "gallery")}
    try:
        with np.load(path, allow_pickle=False) as content:
            if str(content["format"]) != FORMAT:
                raise ValueError
            saved = str(content["fingerprint"])
            names = {split: content[f"{split}_names"].tolist() for split in images}
            query, gallery = (content[split] for split in images)
        if any(each.dtype != np.float16 or each.ndim != 2 for each in (query, gallery)):
            raise ValueError
        if [len(query), len(gallery)] != [len(names[split]) for split in images]:
            raise ValueError
    except FileNotFoundError:
        raise ReidAugError(f"no {path}: run `reidaug evaluate` with --save-models") from None
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        raise ReidAugError(
            f"{path} holds no features of reidaug: remove it and run `reidaug evaluate` with --save-models"
        ) from None
    now = data.fingerprint("query", "gallery")
    if saved != now or any(names[split] != [image.name for image in images[split]] for split in images):
        raise ReidAugError(
            f"{path} is of other query and gallery images (fingerprint {saved}, not {now}): they have changed"
            " since; run `reidaug evaluate` with --save-models again"
        )
    _check_finite(query, gallery, path)
    return SavedFeatures(query, gallery, tuple(images["query"]), tuple(images["gallery"]), saved)


def _check_finite(query: np.ndarray, gallery: np.ndarray, path: Path) -> None:
    for name, features in (("query", query), ("gallery", gallery)):
        bad = int((~np.isfinite(features)).any(axis=1).sum())
        if bad:
            raise ReidAugError(
                f"{path}: {bad} of {len(features)} {name} features are not finite: remove it, and train again"
            )


RERANKING: dict[str, Any] = {"k1": 20, "k2": 6, "weight": 0.3}  # Zhong et al., CVPR 2017; weight is their lambda


def add_reranked_scores(result: Result, features: SavedFeatures) -> Result:
    """A result with its scores under k-reciprocal re-ranking, and the settings of these."""
    from reid_baseline import evaluate_ranking, reranked_distances

    ranking = evaluate_ranking(*features.ranking_arguments(), distances=partial(reranked_distances, **RERANKING))
    return replace(
        result,
        rerank_mean_ap=ranking.mean_ap,
        rerank_mean_ap_trapezoid=ranking.mean_ap_trapezoid,
        rerank_rank1=ranking.rank(1),
        reranking=RERANKING,
    )


def rerank_saved(study: Study, keys: Collection[str], data: Dataset) -> int:
    """Adds re-ranked scores to the results of some keys that lack them and whose features are kept; counts these.

    Raises:
        ReidAugError: features that cannot be used.
    """
    count = 0
    for result in read_results(study.results_path):
        path = study.features_path(result.key)
        if result.key in keys and result.reranking is None and path.is_file():
            append_result(study.results_path, add_reranked_scores(result, load_features(path, data)))
            count += 1
    return count
