"""Whether a trained re-ID network takes two images for the same person."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import ReidAugError

if TYPE_CHECKING:
    import torch


def load_identity(path: Path, device: "torch.device | str") -> Callable[[np.ndarray], np.ndarray]:
    """A re-ID network as a judge: the cosine of two images is the scalar product of their features.

    Only cosines of the same network can be compared: -1..1, higher is more alike.

    Args:
        path: a network that ``reidaug evaluate --save-models`` or ``reidaug pretrain`` wrote.
        device: where to compute.

    Returns:
        A function of (N, H, W, 3) uint8 RGB that returns (N, D) float64 features, rows of length 1.

    Raises:
        ReidAugError: the file is no such network.
    """
    from reid_baseline import ReIDError
    from reid_baseline.data import resize_images
    from reid_baseline.features import extract_features
    from reid_baseline.model import load_model

    try:
        model, recipe = load_model(path)
    except ReIDError as error:
        raise ReidAugError(str(error)) from None

    def features(images: np.ndarray) -> np.ndarray:
        return extract_features(model, resize_images(images, recipe.size), recipe, device).double().numpy()

    return features
