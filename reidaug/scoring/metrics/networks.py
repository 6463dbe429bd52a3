"""Metrics that look through a trained network: inception score and FID, LPIPS, identity similarity.

The networks' weights belong to no package and are not fetched here: where a file is not there, the error says which one
it is and where it goes.
"""

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
SPLITS = 10  # of the inception score
BATCH = 32  # images at a time


class Inception:
    """Inception features for inception score and FID, by torch-fidelity; an image that comes again costs nothing.

    Raises:
        ReidAugError: torch-fidelity or the weights are not there, or the file holds other things than tensors.
    """

    def __init__(self, device: Any) -> None:
        _need("torch_fidelity")
        path = _weights(INCEPTION_URL)
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        try:
            self._network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(path)).to(device)
        except (RuntimeError, KeyError, AttributeError, TypeError):
            raise ReidAugError(f"{path} is not torch-fidelity's Inception: fetch {INCEPTION_URL} again") from None
        self._device = device
        self._rows: dict[bytes, int] = {}  # digest of an image -> its row
        self._features: list[np.ndarray] = []  # (n, 2048 + 1008) float32 each

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB -> (N,) int64: the images' places, for the two metrics."""
        import torch

        digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
        new = {digest: row for row, digest in enumerate(digests) if digest not in self._rows}
        for digest in new:
            self._rows[digest] = len(self._rows)
        for start in range(0, len(new), BATCH):
            part = torch.from_numpy(images[list(new.values())[start : start + BATCH]]).permute(0, 3, 1, 2)
            with torch.inference_mode():
                found = self._network(part.contiguous().to(self._device))
            self._features.append(torch.cat(found, dim=1).cpu().numpy())
        return np.array([self._rows[digest] for digest in digests])

    def score(self, places: np.ndarray) -> tuple[float, float]:
        """Inception score (Salimans et al., NeurIPS 2016): mean and deviation over 10 splits; >= 1, higher is better.

        On logits without bias, as the original network gives them. torch-fidelity shuffles the images with a fixed
        seed first; the tables of PATN did not.

        Raises:
            ReidAugError: fewer images than splits.
        """
        import torch
        from torch_fidelity.metric_isc import isc_features_to_metric

        if len(places) < SPLITS:
            raise ReidAugError(f"inception score: {len(places)} images, expected at least {SPLITS}")
        found = isc_features_to_metric(torch.from_numpy(self._all()[places, 2048:]), splits=SPLITS)
        return found["inception_score_mean"], found["inception_score_std"]

    def distance(self, places: np.ndarray, real: np.ndarray) -> float:
        """FID (Heusel et al., NeurIPS 2017) of two sets of images; >= 0, lower is better, biased upwards for few.

        Raises:
            ReidAugError: fewer than two images.
        """
        if min(len(places), len(real)) < 2:
            raise ReidAugError("FID: expected at least two images")
        features = self._all()[:, :2048].astype(np.float64)
        return frechet_distance(features[places], features[real])

    def _all(self) -> np.ndarray:
        self._features = [np.concatenate(self._features)]
        return self._features[0]


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Frechet distance of two normal distributions that fit two sets of features, by torch-fidelity.

    Args:
        first: (N, D) float64.
        second: (M, D) float64.
    """
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    fits = [{"mu": each.mean(axis=0), "sigma": np.cov(each, rowvar=False)} for each in (first, second)]
    return max(0.0, float(next(iter(fid_statistics_to_metric(*fits, verbose=False).values()))))


def load_lpips(device: Any) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """LPIPS (Zhang et al., CVPR 2018) with AlexNet, version 0.1, by torchmetrics.

    Returns:
        Takes two times (N, H, W, 3) uint8 RGB, gives (N,) float64 >= 0, lower is better.

    Raises:
        ReidAugError: torchmetrics or AlexNet's weights are not there.
    """
    _need("torchmetrics")
    path = _weights(ALEXNET_URL)
    import torch
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    try:
        network = LearnedPerceptualImagePatchSimilarity("alex", normalize=True).to(device).net
    except (RuntimeError, KeyError):
        raise ReidAugError(f"{path} is not torchvision's AlexNet: fetch {ALEXNET_URL} again") from None

    def lpips(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        a, b = (torch.from_numpy(each).permute(0, 3, 1, 2).float().to(device) / 255 for each in (generated, target))
        with torch.inference_mode():
            parts = [network(x, y, normalize=True) for x, y in zip(a.split(BATCH), b.split(BATCH), strict=True)]
        return torch.cat(parts).flatten().double().cpu().numpy()

    return lpips


def load_identity(path: Path, device: Any) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Whether a re-ID network sees the same person: the cosine of its features of two images.

    Args:
        path: a network that ``reidaug evaluate --save-models`` wrote.
        device: where to compute.

    Returns:
        Takes two times (N, H, W, 3) uint8 RGB, gives (N,) float64, -1..1, higher is better.

    Raises:
        ReIDError: the file is none.
    """
    from reid_baseline.data import resize_images
    from reid_baseline.features import extract_features
    from reid_baseline.model import load_model

    model, recipe = load_model(path)

    def identity(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
        a, b = (extract_features(model, resize_images(x, recipe.size), recipe, device) for x in (generated, target))
        return (a * b).sum(dim=1).double().numpy()

    return identity


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise ReidAugError(f"needs {package.replace('_', '-')}: pip install 'reidaug[metrics]'")


def _weights(url: str) -> Path:
    """The file in torch's cache; it holds nothing but tensors, so that reading it runs nothing."""
    import torch

    from pona.checkpoint import read_torch
    from pona.errors import PoNAError

    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        raise ReidAugError(f"needs {url}, put at {path}")
    try:
        read_torch(path)
    except PoNAError as error:
        raise ReidAugError(f"{error}, from {url}") from None
    return path
