"""Control duplicate: do the new images help, or only their number?"""

from collections.abc import Sequence

import numpy as np

from reidaug.study.controls.control import Control, fill
from reidaug.study.plan import PlanRow
from reidaug.study.training_sets import TrainingSet


def make(plan: Sequence[PlanRow], reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """Each missing image is a copy of a kept image of the person, drawn with seed 0."""
    kept_of: dict[int, list[str]] = {}
    for row in plan:
        if row.kept:
            kept_of.setdefault(row.pid, []).append(row.name)
    random = np.random.RandomState(0)

    def any_kept(row: PlanRow) -> str:
        kept = kept_of[row.pid]
        return kept[random.randint(len(kept))]

    return fill(plan, reduced, full, any_kept)


CONTROL = Control("each missing image is a copy of any kept one of the person", make)
