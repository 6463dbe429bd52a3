"""Identity similarity: whether a re-ID network recognises the same person."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reidaug.scoring.metrics.metric import Column, Job, Meter, Metric, NotComputed

if TYPE_CHECKING:
    import torch


def load_identity(path: Path, device: "torch.device") -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The cosine of a re-ID network's features of two images; only values of the same network can be compared.

    Args:
        path: a network that ``reidaug evaluate --save-models`` wrote.
        device: where to compute.

    Returns:
        A function of two (N, H, W, 3) uint8 RGB arrays that returns (N,) float64, -1..1, higher is better.

    Raises:
        ReIDError: the file is no such network.
    """
    from reid_baseline.data import resize_images
    from reid_baseline.features import extract_features
    from reid_baseline.model import load_model

    model, recipe = load_model(path)

    def identity(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        a, b = (extract_features(model, resize_images(x, recipe.size), recipe, device) for x in (images, targets))
        return (a * b).sum(dim=1).double().numpy()

    return identity


def _set_up(job: Job) -> Meter:
    if job.request.reid is None:
        raise NotComputed("give a network that `reidaug evaluate --save-models` saved (--reid)")
    identity = load_identity(job.request.reid, job.device)
    return Meter(lambda batch: {"identity": identity(batch.images, batch.targets)})


METRIC = Metric((Column("identity", "identity ↑", 3),), ("identity",), _set_up)
