"""LPIPS: the distance between two images in the features of a classification network."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from reidaug.scoring.metrics.metric import Column, Job, Meter, Metric, NotComputed
from reidaug.scoring.metrics.weights import find_weights

if TYPE_CHECKING:
    import torch

ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
BATCH = 32  # images at a time


def load_lpips(device: "torch.device") -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """LPIPS (Zhang et al., CVPR 2018, doi:10.1109/CVPR.2018.00068) with AlexNet, version 0.1, by torchmetrics.

    Returns:
        A function of two (N, H, W, 3) uint8 RGB arrays that returns (N,) float64 >= 0, lower is better.

    Raises:
        NotComputed: torchmetrics is not installed, or AlexNet's weights are missing.
    """
    path = find_weights(ALEXNET_URL, "torchmetrics")
    import torch
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    try:
        network = LearnedPerceptualImagePatchSimilarity("alex", normalize=True).to(device).net
    except (RuntimeError, KeyError):
        raise NotComputed(f"{path} is not torchvision's AlexNet: fetch {ALEXNET_URL} again") from None

    def lpips(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        a, b = (torch.from_numpy(part).permute(0, 3, 1, 2).float().to(device) / 255 for part in (images, targets))
        with torch.inference_mode():
            parts = [network(x, y, normalize=True) for x, y in zip(a.split(BATCH), b.split(BATCH), strict=True)]
        return torch.cat(parts).flatten().double().cpu().numpy()

    return lpips


def _set_up(job: Job) -> Meter:
    lpips = load_lpips(job.device)
    return Meter(lambda batch: {"lpips": lpips(batch.images, batch.targets)})


METRIC = Metric((Column("lpips", "LPIPS ↓", 3),), ("lpips",), _set_up)
