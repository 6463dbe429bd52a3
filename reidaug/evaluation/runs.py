"""The cells of an evaluation: each training set with each seed, and what names and describes its result."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from reidaug.evaluation.results import result_key
from reidaug.study.training_sets import TrainingSet


@dataclass(frozen=True)
class Cell:
    """One baseline to be trained."""

    training_set: TrainingSet
    seed: int
    recipe: Any  # reid_baseline.Recipe; a control may have epochs of its own
    asked_epochs: int  # of the recipe that all cells share
    configuration: dict[str, Any]  # what the result hangs on besides images and seed
    key: str  # names the result

    def title(self) -> str:
        """For people."""
        return f"{self.training_set.title()}, seed {self.seed}"

    def place(self) -> tuple[str, str, float]:
        """Where its result stands: equal training sets share a key, and each has its own line in the table."""
        return self.key, self.training_set.name, self.training_set.portion

    def own_fields(self) -> dict[str, Any]:
        """What a row says of its training set, and of the length that was asked for, beside its experiment.

        Equal images trained for as many steps are one experiment, under whatever name and for whatever reason.
        """
        each = self.training_set
        return {
            "set": each.name,
            "portion": each.portion,
            "epochs": self.asked_epochs,
            "synthetic": len(each.synthetic),
            "reduced_fingerprint": each.reduced or None,
            **each.provenance,
        }

    def fields(self) -> dict[str, Any]:
        """What a row says of the experiment."""
        return {
            "key": self.key,
            **self.own_fields(),
            "recipe": self.recipe.name,
            "arch": self.configuration["arch"],
            "weights": self.configuration["weights"],
            "trained_epochs": self.recipe.epochs,
            "care": self.recipe.care(),
            "seed": self.seed,
            "images": len(self.training_set.files),
            "identities": len(set(self.training_set.pids)),
            "training_fingerprint": self.training_set.fingerprint,
            "configuration": self.configuration,
        }


def make_cell(each: TrainingSet, seed: int, recipe: Any, setting: dict[str, Any], test_fingerprint: str) -> Cell:
    """A baseline of a training set, trained after a recipe as far as it concerns that set.

    Args:
        each: the training set.
        seed: of its training.
        recipe: reid_baseline.Recipe, which all cells share.
        setting: what else the result hangs on: network, weights, precision.
        test_fingerprint: of query and gallery.
    """
    from reid_baseline.recipe import CARE, DEFAULTS
    from reid_baseline.sampling import count_steps

    own = recipe
    if not each.synthetic:  # care for generated images changes nothing here, nor does it name the result
        own = replace(own, **{name: DEFAULTS[name] for name in CARE})
    if each.as_many_steps_as:
        wanted, steps = (count_steps(pids, own) for pids in (each.as_many_steps_as, each.pids))
        own = replace(own, epochs=max(1, round(own.epochs * wanted / steps)))
    key = result_key(each.fingerprint, test_fingerprint, {"recipe": own.differences(), **setting}, seed)
    return Cell(each, seed, own, recipe.epochs, {"recipe": asdict(own), **setting}, key)
