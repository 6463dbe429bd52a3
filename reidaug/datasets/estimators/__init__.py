"""The estimators of poses, by name. A new one needs a file and one entry in ESTIMATORS."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reidaug.datasets.estimators import vitpose
from reidaug.datasets.estimators.estimator import PoseEstimator

if TYPE_CHECKING:
    import torch


def _movenet(device: "str | torch.device") -> PoseEstimator:
    from reidaug.datasets.estimators.movenet import MoveNet  # here: it imports torch

    return MoveNet.load(device)


ESTIMATORS: dict[str, Callable[["str | torch.device"], PoseEstimator]] = {
    "movenet": _movenet,
    "vitpose": vitpose.ViTPose.load,
}


def from_hub(model: str) -> bool:
    """Whether a model of `load_estimator` comes from huggingface.co, unless it was fetched before."""
    return model == "vitpose" or (model.count("/") == 1 and not Path(model).exists())


def check_model(model: str) -> None:
    """Raises ReidAugError for a model of `load_estimator` that is not there; imports no torch, which takes seconds."""
    if model not in ESTIMATORS:
        vitpose.check_folder(model)


def load_estimator(model: str, device: "str | torch.device" = "auto") -> PoseEstimator:
    """An estimator that is ready for use.

    Args:
        model: a name in `ESTIMATORS`, or a ViTPose: a folder, or its name at huggingface.co.
        device: auto, cpu, cuda, cuda:N, mps, or a `torch.device`.

    Raises:
        ReidAugError: no such model or device, or a package that it needs is not installed.
    """
    return ESTIMATORS[model](device) if model in ESTIMATORS else vitpose.ViTPose.load(device, model)
