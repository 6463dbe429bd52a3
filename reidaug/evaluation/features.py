"""The features of query and gallery images from a trained baseline, which an evaluation saves with ``--save-models``.

They are saved in half precision: 24 MB for the test images of Market-1501, similarities change by some 1e-5. Re-ranking
always uses the half-precision features, so its scores are the same right after training and from saved features.
"""

import io
import math
import sys
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.core.fingerprint import file_digest, refuse_pipe
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import Dataset, Image
from reidaug.evaluation.results import Result, append_result, read_results
from reidaug.study.folder import Study

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "reidaug features 1"
RERANKING: dict[str, Any] = {"k1": 20, "k2": 6, "weight": 0.3}  # Zhong et al., CVPR 2017; weight is their lambda


@dataclass(frozen=True, eq=False)
class SavedFeatures:
    """Features of one baseline for all query and gallery images, including junk and distractors."""

    query: np.ndarray  # (Q, D) float16, rows of length 1
    gallery: np.ndarray  # (G, D) float16
    query_images: tuple[Image, ...]
    gallery_images: tuple[Image, ...]
    fingerprint: str  # of the query and gallery images

    def ranking_arguments(self, same_camera: str | None = None) -> list[np.ndarray]:
        """Features and ids as `reid_baseline.evaluate_ranking` takes them, by `ranking_ids`."""
        return [self.query, self.gallery, *ranking_ids(self.query_images, self.gallery_images, same_camera)]


def ranking_ids(query: Sequence[Image], gallery: Sequence[Image], same_camera: str | None) -> list[np.ndarray]:
    """Query pids, gallery pids, query camids and gallery camids.

    With `same_camera` "count" each image is a camera of its own, so that of a query's person only the query image
    itself is left out, should the gallery have it too: under its name, or with its bytes.
    """
    sides = [list(query), list(gallery)]
    pids = [np.array([image.pid for image in side]) for side in sides]
    if same_camera != "count":
        return [*pids, *(np.array([image.camid for image in side]) for side in sides)]
    asked = {image.name: image for image in query}
    digests = in_threads(lambda image: file_digest(asked.get(image.name, image).path), [*query, *gallery])
    numbers = {digest: number for number, digest in enumerate(dict.fromkeys(digests))}
    return [*pids, *np.split(np.array([numbers[digest] for digest in digests]), [len(query)])]


def make_features(query: "Tensor", gallery: "Tensor", data: Dataset, fingerprint: str) -> SavedFeatures:
    """Converts features to half precision.

    Args:
        query: (Q, D) float, on the CPU: features of the query images.
        gallery: (G, D) float, of the gallery images.
        data: the data set.
        fingerprint: of its query and gallery images.
    """
    query_half, gallery_half = (np.asarray(features).astype(np.float16) for features in (query, gallery))
    images = (tuple(data.images("query")), tuple(data.images("gallery")))
    return SavedFeatures(query_half, gallery_half, *images, fingerprint)


def save_features(path: Path, features: SavedFeatures) -> None:
    """Writes a ``.npz`` file, whole or not at all; creates its folder.

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
    """Reads a file of `save_features`; runs no code from it.

    Args:
        path: the file.
        data: the data set of the query and gallery images.

    Raises:
        ReidAugError: no such file, a file of another format, features of other images, or features that are not finite.
    """
    images = {split: data.images(split) for split in ("query", "gallery")}
    advice = "remove it and run `reidaug evaluate` with --save-models"
    try:
        arrays = _read_arrays(path)
        if str(arrays["format"]) != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        query, gallery = (arrays[split] for split in images)
        for split, features in (("query", query), ("gallery", gallery)):
            if features.dtype != np.float16 or features.ndim != 2 or not features.shape[1]:
                raise ValueError(f"{split} is {features.dtype} {features.shape}, expected float16 (images, numbers)")
            if arrays[f"{split}_names"].shape != features.shape[:1] or query.shape[1] != gallery.shape[1]:
                raise ValueError(f"{split} is {features.shape}, which does not fit the names or the other side")
        saved = str(arrays["fingerprint"])
        names = {split: arrays[f"{split}_names"].tolist() for split in images}
    except FileNotFoundError:
        raise ReidAugError(f"no {path}: run `reidaug evaluate` with --save-models") from None
    except ValueError as error:
        raise ReidAugError(f"{path} holds no features of reidaug ({error}): {advice}") from None
    now = data.fingerprint("query", "gallery")
    if saved != now or any(names[split] != [image.name for image in images[split]] for split in images):
        raise ReidAugError(
            f"{path} is of other query and gallery images (fingerprint {saved}, not {now}), which have changed since: "
            "run `reidaug evaluate` with --save-models again"
        )
    _check_finite(query, gallery, path)
    return SavedFeatures(query, gallery, tuple(images["query"]), tuple(images["gallery"]), saved)


_ARRAYS = {  # in a file -> kind of numpy's type, and dimensions
    **{"format": ("U", 0), "fingerprint": ("U", 0), "query": ("f", 2), "gallery": ("f", 2)},
    **{"query_names": ("U", 1), "gallery_names": ("U", 1)},
}


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, each checked by its header before memory is taken for it.

    Raises:
        ValueError: not a file of `save_features`; what is wrong with it.
    """
    arrays = {}
    refuse_pipe(path)
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            for name, (kind, dimensions) in _ARRAYS.items():
                member = archive.getinfo(f"{name}.npy")
                if member.compress_type != zipfile.ZIP_STORED:  # what is stored is never larger than its file
                    raise ValueError(f"{name} is compressed")
                content = archive.read(member)
                file = io.BytesIO(content)
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"{name} has another version of numpy's format")
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
                form = (dtype.kind, len(shape), dtype.isnative, fortran)
                if form != (kind, dimensions, True, False) or min(shape, default=0) < 0:
                    raise ValueError(f"{name} is {dtype} {shape}")
                if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
                    raise ValueError(f"{name} is cut off")
                if kind == "U" and (np.frombuffer(content, np.uint32, offset=file.tell()) > sys.maxunicode).any():
                    raise ValueError(f"{name} is no Unicode")
                arrays[name] = np.frombuffer(content, dtype, math.prod(shape), file.tell()).reshape(shape).copy()
    except OSError:
        raise
    except ValueError as error:
        raise ValueError(" ".join(str(error).split())[:100]) from None
    except Exception as error:
        raise ValueError(f"{type(error).__name__} while reading it") from None
    return arrays


def _check_finite(query: np.ndarray, gallery: np.ndarray, path: Path) -> None:
    for name, features in (("query", query), ("gallery", gallery)):
        if bad := int((~np.isfinite(features)).any(axis=1).sum()):
            counts = f"{bad} of {len(features)} {name} features"
            raise ReidAugError(f"{path}: {counts} are not finite: remove the file and train again")


def add_reranked_scores(result: Result, features: SavedFeatures) -> Result:
    """The result with the scores and settings of k-reciprocal re-ranking."""
    from reid_baseline import evaluate_ranking, reranked_distances

    ranking = evaluate_ranking(
        *features.ranking_arguments(result.same_camera), distances=partial(reranked_distances, **RERANKING)
    )
    return replace(
        result,
        rerank_mean_ap=ranking.mean_ap,
        rerank_mean_ap_trapezoid=ranking.mean_ap_trapezoid,
        rerank_rank1=ranking.rank(1),
        reranking=RERANKING,
    )


def rerank_saved(study: Study, keys: Collection[str], data: Dataset) -> int:
    """Adds re-ranked scores to results that lack them and whose features are saved.

    Returns:
        The number of these results, among those with the given keys.

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
