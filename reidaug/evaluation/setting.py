"""The setting that all runs of an evaluation share: recipe, network, weights, device and precision."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reidaug.core.device import pick_device
from reidaug.core.options import SameCamera
from reidaug.core.progress import Say
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.start import RENDERED, Start, find_start, rendered_start, usual_weights
from reidaug.study.controls import RENDERED_FIRST
from reidaug.study.training_sets import TrainingSet

if TYPE_CHECKING:
    import torch

    from reid_baseline import Recipe


FROM_SCRATCH = ("none", RENDERED)  # weights that quick's own learning rate is made for
FINE_TUNING_RATE = 0.01  # of the backbone in quick from other weights: 0.1 unlearns them (docs/experiments.md)


@dataclass(frozen=True)
class Setting:
    """How the baselines of an evaluation are trained."""

    recipe: "Recipe"  # a control may have other epochs
    arch: str
    start: Start  # weights; a control may have others
    device: "torch.device"
    precision: str  # as requested: auto, fp32 or bf16
    same_camera: SameCamera = "ignore"  # gallery images of a query's person by its own camera

    @property
    def asked_precision(self) -> str | None:
        """The precision if a result depends on it; None = auto: machines that choose differently share a result."""
        return None if self.precision == "auto" else self.precision

    @property
    def asked_same_camera(self) -> str | None:
        """What results record; None = the protocol's ignore."""
        return None if self.same_camera == "ignore" else self.same_camera

    def start_of(self, training_set: TrainingSet) -> Start:
        """What a network that is trained on this set starts from.

        Raises:
            ReidAugError: a network that has not been trained yet.
        """
        return rendered_start(self.start, self.recipe, self.arch) if training_set.rendered_first else self.start

    def configuration(self, recipe: object, start: Start) -> dict[str, object]:
        """All that a result depends on besides images and seed; `recipe` is some form of its recipe."""
        asked = {} if self.asked_precision is None else {"asked_precision": self.asked_precision}
        if self.asked_same_camera is not None:
            asked["same_camera"] = self.asked_same_camera
        return {"recipe": recipe, "arch": self.arch, "weights": start.name, **asked}


def choose_setting(request: EvaluationRequest, say: Say) -> Setting:
    """The setting of a request; says in a line which recipe it chose if the request names none.

    Raises:
        ReidAugError: no such device or weights.
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
    start = find_start(request.weights or usual_weights(recipe), recipe, request.arch)
    if name == "quick" and request.weights not in (None, *FROM_SCRATCH):
        recipe = replace(recipe, lr_backbone=FINE_TUNING_RATE)
        say(f"the backbone's learning rate is {FINE_TUNING_RATE} instead of quick's {RECIPES[name].lr_backbone:g}")
    if RENDERED_FIRST in request.controls:
        rendered_start(start, recipe, request.arch)  # raises now what would be raised after hours of work
    return Setting(recipe, request.arch, start, device, request.precision, request.same_camera)
