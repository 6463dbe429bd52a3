"""The runs of an evaluation: one per training set and seed, each with the key of its result."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from reidaug.evaluation.results import RowKey, result_key
from reidaug.evaluation.setting import Setting
from reidaug.evaluation.start import Start
from reidaug.study.training_sets import TrainingSet

if TYPE_CHECKING:
    from reid_baseline import Recipe


@dataclass(frozen=True, eq=False)
class Run:
    """One baseline to train and score."""

    training_set: TrainingSet
    seed: int
    recipe: "Recipe"  # without what does not concern this set; a control may have other epochs
    start: Start  # a control may have another than the setting
    configuration: dict[str, object]  # all that the result depends on besides images and seed
    asked_weights: str  # those of the setting, as results name them
    key: str  # of the result

    @property
    def row_key(self) -> RowKey:
        """The row key of its result."""
        return self.key, self.training_set.name, self.training_set.portion, self.asked_weights

    def title(self) -> str:
        """The name of the run in messages."""
        return f"{self.training_set.title()}, seed {self.seed}"

    def set_fields(self, setting: Setting) -> dict[str, Any]:
        """The fields of a result in which runs of one experiment differ: equal images, start and number of steps."""
        training_set = self.training_set
        return {
            "set": training_set.name,
            "portion": training_set.portion,
            "epochs": setting.recipe.epochs,
            "weights": self.asked_weights,
            "trained_weights": None if self.start.name == self.asked_weights else self.start.name,
            "synthetic": len(training_set.synthetic),
            "reduced_fingerprint": training_set.reduced or None,
            "provenance": training_set.provenance,
        }

    def fields(self, setting: Setting) -> dict[str, Any]:
        """The fields of a result that are known before the training."""
        training_set = self.training_set
        return {
            "key": self.key,
            **self.set_fields(setting),
            "recipe": self.recipe.name,
            "arch": setting.arch,
            "trained_epochs": self.recipe.epochs,
            "care": self.recipe.care(),
            "seed": self.seed,
            "images": len(training_set.images),
            "identities": len(set(training_set.pids)),
            "training_fingerprint": training_set.fingerprint,
            "configuration": self.configuration,
            "asked_precision": setting.asked_precision,
            "same_camera": setting.asked_same_camera,
        }


def make_run(training_set: TrainingSet, seed: int, setting: Setting, test_fingerprint: str) -> Run:
    """The run of a training set with a seed, in the setting of all runs; `test_fingerprint` is of query and gallery."""
    from reid_baseline.recipe import CARE, DEFAULTS
    from reid_baseline.sampling import count_steps

    recipe = setting.recipe
    if not training_set.synthetic:  # care for generated images changes nothing here, so the key leaves it out
        without: dict[str, Any] = {name: DEFAULTS[name] for name in CARE}
        recipe = replace(recipe, **without)
    if training_set.steps_of:
        wanted, steps = (count_steps(pids, recipe) for pids in (training_set.steps_of, training_set.pids))
        recipe = replace(recipe, epochs=max(1, round(recipe.epochs * wanted / steps)))
    start = setting.start_of(training_set)
    differences = setting.configuration(recipe.differences(), start)
    key = result_key(training_set.fingerprint, test_fingerprint, differences, seed)
    return Run(training_set, seed, recipe, start, setting.configuration(asdict(recipe), start), setting.start.name, key)
