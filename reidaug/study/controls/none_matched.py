"""Control none-matched: do the images help, or only the additional training steps of a larger set?"""

from collections.abc import Sequence
from dataclasses import replace

from reidaug.study.controls.control import Control
from reidaug.study.plan import PlanRow
from reidaug.study.training_sets import TrainingSet


def make(plan: Sequence[PlanRow], reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """The reduced set, trained for as many steps as the full one, rounded to whole epochs."""
    return replace(reduced, steps_of=full.pids)


CONTROL = Control("the kept images, trained for as many iterations as the full set, rounded to whole epochs", make)
