"""The setting that all runs of an evaluation share: recipe, network, weights, device and precision."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import file_digest
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
    weights_name: str  # the same as results name it
    device: "torch.device"
    precision: str  # as requested: auto, fp32 or bf16

    @property
    def asked_precision(self) -> str | None:
        """The precision if a result depends on it; None = auto: machines that choose differently share a result."""
        return None if self.precision == "auto" else self.precision

    def configuration(self, recipe: object) -> dict[str, object]:
        """All that a result depends on besides images and seed; `recipe` is some form of its recipe."""
        asked = {} if self.asked_precision is None else {"asked_precision": self.asked_precision}
        return {"recipe": recipe, "arch": self.arch, "weights": self.weights_name, **asked}

    def check_weights_unchanged(self) -> None:
        """Raises ReidAugError if a weights file has changed."""
        if weights_name(self.weights) != self.weights_name:
            raise ReidAugError(f"--weights {self.weights} has changed since this evaluation began: run it again")


def choose_setting(request: EvaluationRequest, say: Say) -> Setting:
    """The setting of a request; says in a line which recipe it chose if the request names none.

    Raises:
        ReidAugError: no such device or weights file.
        ReIDError: a recipe with invalid values.
    """
    from reid_baseline import RECIPES

    device = pick_device(request.device)
    name = request.recipe
    if name is None:
        name = "paper" if device.type == "cuda" else "quick"
        slow = "no GPU: `--recipe paper` is the paper's, which takes many hours on a CPU"
        say(f"recipe {name} ({'there is a GPU' if name == 'paper' else slow})")
    changes: dict[str, Any] = request.care.given()
    if request.epochs is not None:
        changes["epochs"] = request.epochs
    recipe = replace(RECIPES[name], **changes)
    weights = request.weights or ("none" if name == "quick" else "imagenet")
    return Setting(recipe, request.arch, weights, weights_name(weights), device, request.precision)


def weights_name(weights: str) -> str:
    """``none``, ``imagenet``, or a file's name and digest, but not its folder: results must not depend on that.

    Raises:
        ReidAugError: no such file.
    """
    if weights in ("none", "imagenet"):
        return weights
    path = Path(weights)
    if not path.is_file():
        raise ReidAugError(f"--weights {weights}: no such file; give a file, imagenet or none")
    return f"{path.name}:{file_digest(path).hex()[:12]}"
