"""Control rendered-first: do generated images help, or only what their generator knows of rendered people?"""

from collections.abc import Sequence
from dataclasses import replace

from reidaug.study.controls.control import Control
from reidaug.study.plan import PlanRow
from reidaug.study.training_sets import TrainingSet


def make(plan: Sequence[PlanRow], reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """The control none-matched, from a network that was trained on the rendered people of the shipped generator."""
    return replace(reduced, steps_of=full.pids, rendered_first=True)


CONTROL = Control(
    "none-matched, from a network that was trained on the rendered people that the shipped generator knows", make
)
