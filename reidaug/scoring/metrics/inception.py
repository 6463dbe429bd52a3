"""Inception score and FID of a whole set of images, by torch-fidelity."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.scoring.metrics.metric import Batch, Column, Job, Meter, Metric, NotComputed, Values
from reidaug.scoring.metrics.weights import find_weights

if TYPE_CHECKING:
    import torch

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
FEATURES = 2048
SPLITS = 10  # of the inception score
BATCH = 32  # images at a time


class Inception:
    """The network of 2015-12-05; it caches its outputs, so an image that comes again costs nothing.

    Raises:
        NotComputed: torch-fidelity is not installed, or the weights are missing or of another network.
    """

    def __init__(self, device: "torch.device") -> None:
        path = find_weights(INCEPTION_URL, "torch_fidelity")
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        try:
            self._network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(path)).to(device)
        except (RuntimeError, KeyError, AttributeError, TypeError):
            raise NotComputed(f"{path} is not torch-fidelity's Inception: fetch {INCEPTION_URL} again") from None
        self._device = device
        self._rows: dict[bytes, int] = {}  # digest of an image -> its row
        self._outputs: list[np.ndarray] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB -> (N,) int64: the images' rows in `outputs`."""
        import torch

        digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
        new = {digest: row for row, digest in enumerate(digests) if digest not in self._rows}
        for digest in new:
            self._rows[digest] = len(self._rows)
        for start in range(0, len(new), BATCH):
            part = torch.from_numpy(images[list(new.values())[start : start + BATCH]]).permute(0, 3, 1, 2)
            with torch.inference_mode():
                both = self._network(part.contiguous().to(self._device))
            self._outputs.append(torch.cat(both, dim=1).cpu().numpy())
        return np.array([self._rows[digest] for digest in digests])

    def outputs(self) -> tuple[np.ndarray, np.ndarray]:
        """Of all images so far: (N, 2048) float32 features for FID, (N, 1008) logits without bias for the score."""
        self._outputs = [np.concatenate(self._outputs)]
        return self._outputs[0][:, :FEATURES], self._outputs[0][:, FEATURES:]


def inception_score(logits: np.ndarray) -> tuple[float, float]:
    """Inception score (Salimans et al., NeurIPS 2016, doi:10.48550/arXiv.1606.03498) of a set of images.

    torch-fidelity shuffles the images with a fixed seed first; the tables of PATN did not.

    Args:
        logits: (N, 1008) float32, without bias, as the original network gives them.

    Returns:
        Mean and standard deviation over 10 splits; the mean is >= 1, higher is better.

    Raises:
        ReidAugError: fewer images than splits.
    """
    import torch
    from torch_fidelity.metric_isc import isc_features_to_metric

    if len(logits) < SPLITS:
        raise ReidAugError(f"inception score: {len(logits)} images, expected at least {SPLITS}")
    result = isc_features_to_metric(torch.from_numpy(logits), splits=SPLITS)
    return result["inception_score_mean"], result["inception_score_std"]


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """FID (Heusel et al., NeurIPS 2017, doi:10.48550/arXiv.1706.08500): the distance between two sets of features.

    Args:
        first: (N, D) features of a set of images.
        second: (M, D) of the true images.

    Returns:
        Frechet distance of the normal distributions fitted to them: >= 0, lower is better, too high for few images.

    Raises:
        ReidAugError: fewer than two images.
    """
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    if min(len(first), len(second)) < 2:
        raise ReidAugError("FID: expected at least two images")
    parts = (part.astype(np.float64) for part in (first, second))
    fits = [{"mu": part.mean(axis=0), "sigma": np.cov(part, rowvar=False)} for part in parts]
    return max(0.0, float(next(iter(fid_statistics_to_metric(*fits, verbose=False).values()))))


def inception_meter(inception: Inception) -> Meter:
    """Inception score and FID of the images, and mask-IS: the score with all but the person set to black.

    mask-IS is by Ma et al., NeurIPS 2017, doi:10.48550/arXiv.1705.09368; the mask is that of the target pose.
    """
    from pona.metrics import pose_mask

    def measure(batch: Batch) -> Values:
        size = (batch.images.shape[1], batch.images.shape[2])
        masks = np.stack([pose_mask(pose, size) for pose in batch.keypoints])
        return {"whole": inception(batch.images), "masked": inception(batch.images * masks[..., None])}

    def sum_up(values: Values, real: Values) -> dict[str, float]:
        features, logits = inception.outputs()
        figures: dict[str, float] = {}
        for name, rows in (("is", values["whole"]), ("mask_is", values["masked"])):
            figures[name], figures[f"{name}_std"] = inception_score(logits[rows])
        figures["fid"] = frechet_distance(features[values["whole"]], features[real["whole"]])
        return figures

    return Meter(measure, sum_up)


def _set_up(job: Job) -> Meter:
    if len(job.pairs) < SPLITS:
        raise NotComputed(f"needs at least {SPLITS} pairs")
    return inception_meter(Inception(job.device))


METRIC = Metric((Column("is", "IS ↑", 3), Column("mask_is", "mask-IS ↑", 3), Column("fid", "FID ↓", 1)), (), _set_up)
