"""Control flip: would mirrored condition images do as well?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reidaug.study.controls.control import Control, fill
from reidaug.study.plan import PlanRow
from reidaug.study.training_sets import TrainingSet, Transform

if TYPE_CHECKING:
    from torch import Tensor


def make(plan: Sequence[PlanRow], reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """Each missing image is its condition image, mirrored left to right."""
    return fill(plan, reduced, full, lambda row: row.condition, mirror)


def mirror(rows: Sequence[int]) -> Transform:
    """Mirrors some rows of the decoded images."""

    def apply(images: "Tensor") -> None:
        images[list(rows)] = images[list(rows)].flip(3)

    return Transform(list(rows), apply)


CONTROL = Control(
    "each missing image is its condition image mirrored; training mirrors at random anyway: like source-copy", make
)
