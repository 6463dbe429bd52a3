"""What all runs of one evaluation have in common: recipe, network, weights, device, precision."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.progress import Say
from reidaug.evaluation.request import EvaluationRequest

if TYPE_CHECKING:
    import torch

    from reid_baseline import Recipe


@dataclass(frozen=True)
class Setting:
    """How the baselines of an evaluation are trained."""

    recipe: "Recipe"  # a control may have other epochs
    arch: str
    weights: str  # none, imagenet or a file
    weights_name: str  # the same as it is in results
    device: "torch.device"
    precision: str  # as asked for: auto, fp32 or bf16

    @property
    def asked_precision(self) -> str | None:
        """What a result depends on; None = auto: each machine computes as it is fast, for one and the same result."""
        return None if self.precision == "auto" else self.precision

    def configuration(self, recipe: object) -> dict[str, Any]:
        """What a result depends on besides images and seed, with some form of its recipe."""
        asked = {} if self.asked_precision is None else {"asked_precision": self.asked_precision}
        return {"recipe": recipe, "arch": self.arch, "weights": self.weights_name, **asked}

    def check_weights(self) -> None:
        """Raises ReidAugError where a file of weights is not what it was."""
        if weights_name(self.weights) != self.weights_name:
            raise ReidAugError(f"--weights {self.weights} has changed since this evaluation began: run it again")


def choose_setting(request: EvaluationRequest, say: Say) -> Setting:
    """The setting that a request comes to; a recipe that nobody named is said in a line.

    Raises:
        ReidAugError: no such device, or a file of weights that is not there.
        ReIDError: a recipe that cannot be.
    """
    from reid_baseline import RECIPES

    device = pick_device(request.device)
    name = request.recipe
    if name is None:
        name = "paper" if device.type == "cuda" else "quick"
        why = (
            "a GPU is there" if name == "paper" else "no GPU: `--recipe paper` is the paper's, for many hours on a CPU"
        )
        say(f"recipe {name} ({why})")
    changes: dict[str, Any] = {**request.care.given(), **({} if request.epochs is None else {"epochs": request.epochs})}
    recipe = replace(RECIPES[name], **changes)
    weights = request.weights or ("none" if name == "quick" else "imagenet")
    return Setting(recipe, request.arch, weights, weights_name(weights), device, request.precision)


def weights_name(weights: str) -> str:
    """``none``, ``imagenet``, or a file's name and digest: a result must not depend on where a file is.

    Raises:
        ReidAugError: no such file.
    """
    if weights in ("none", "imagenet"):
        return weights
    path = Path(weights)
    if not path.is_file():
        raise ReidAugError(f"--weights {weights}: no such file; give a file, imagenet or none")
    return f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
