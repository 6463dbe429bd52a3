"""Control none-matched: is it the images, or only that a larger set is trained for more steps?"""

from collections.abc import Sequence
from dataclasses import replace

from reidaug.study.controls.control import Control
from reidaug.study.plan import PlanRow
from reidaug.study.training_sets import TrainingSet


def make(plan: Sequence[PlanRow], reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """The reduced set, trained for as many steps as the full one, to a whole epoch."""
    return replace(reduced, steps_of=full.pids)


CONTROL = Control("the kept images, trained for as many iterations as the full set, to a whole epoch", make)
