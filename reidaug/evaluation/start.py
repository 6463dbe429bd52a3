"""What networks start from: random weights, ImageNet's, a file's, or those of a network that knows rendered people."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reidaug.core.errors import ReidAugError
from reidaug.core.files import cache_folder
from reidaug.core.fingerprint import file_digest, fingerprint
from reidaug.synthesis.painter import shipped_checkpoint

if TYPE_CHECKING:
    from reid_baseline import Recipe

RENDERED = "rendered"  # the value of --weights
PLAIN = ("none", "imagenet")  # values that are no file


class NotPretrainedError(ReidAugError):
    """No network has been trained on rendered people yet."""


@dataclass(frozen=True)
class Start:
    """Weights that a network starts from."""

    weights: str  # none, imagenet or a file, as `reid_baseline.build_model` takes them
    name: str  # as results name them: with a file's digest but without its folder, on which results must not depend

    def check_unchanged(self) -> None:
        """Raises ReidAugError if the file has changed."""
        if self.weights not in PLAIN and _digits(Path(self.weights)) != self.name.rpartition(":")[2]:
            raise ReidAugError(f"weights {self.weights} have changed since this evaluation began: run it again")


def find_start(weights: str, recipe: "Recipe", arch: str) -> Start:
    """The start that `--weights` names; `rendered` is the one of `rendered_start` from the recipe's usual weights.

    Raises:
        ReidAugError: no such file.
    """
    if weights == RENDERED:
        usual = usual_weights(recipe)
        return rendered_start(Start(usual, usual), recipe, arch)
    if weights in PLAIN:
        return Start(weights, weights)
    check_weights_file(weights)
    path = Path(weights)
    return Start(weights, f"{path.name}:{_digits(path)}")


def check_weights_file(weights: str) -> None:
    """Raises ReidAugError if `--weights` names a file that is not there."""
    if weights not in (*PLAIN, RENDERED) and not Path(weights).is_file():
        raise ReidAugError(f"--weights {weights}: no such file; give a file, imagenet, rendered or none")


def usual_weights(recipe: "Recipe") -> str:
    """What a recipe starts from if nothing else is asked for."""
    return "none" if recipe.name == "quick" else "imagenet"


def rendered_start(first: Start, recipe: "Recipe", arch: str) -> Start:
    """A network that has been trained on the rendered people of the shipped generator; it is the same for any epochs.

    Args:
        first: what that training started from.
        recipe: the recipe of the evaluation.
        arch: the network.

    Raises:
        NotPretrainedError: it has not been trained yet.
    """
    if first.name.startswith(f"{RENDERED}:"):
        return first
    path = rendered_path(first, recipe, arch)
    if not path.is_file():
        command = f"reidaug pretrain --recipe {recipe.name} --arch {arch}"
        if first.weights != usual_weights(recipe):
            command += f" --weights {first.weights}"
        raise NotPretrainedError(
            f"no {arch} has been trained on rendered people yet: run `{command}` once, on any device"
        )
    return Start(str(path), f"{RENDERED}:{_digits(path)}")


def rendered_path(first: Start, recipe: "Recipe", arch: str) -> Path:
    """The file in the user's cache; its name depends on all that the network does, the shipped generator included."""
    from reid_baseline import RECIPES

    made_of = [file_digest(shipped_checkpoint()).hex(), RECIPES[recipe.name].differences(), arch, first.name]
    return cache_folder() / f"{RENDERED}-{arch}-{recipe.name}-{fingerprint(json.dumps(made_of))[:8]}.pt"


def _digits(path: Path) -> str:
    return file_digest(path).hex()[:12]
