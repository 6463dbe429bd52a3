"""Control source-copy: do the new poses help, or would copies of the condition images do as well?"""

from collections.abc import Sequence

from reidaug.study.controls.control import Control, fill
from reidaug.study.plan import PlanRow
from reidaug.study.training_sets import TrainingSet


def make(plan: Sequence[PlanRow], reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """Each missing image is a copy of its condition image."""
    return fill(plan, reduced, full, lambda row: row.condition)


CONTROL = Control("each missing image is a copy of its condition image", make)
