"""What a control is, and what the controls share that replace missing images by kept ones."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reidaug.core.fingerprint import fingerprint, stamp_files
from reidaug.study.plan import PlanRow
from reidaug.study.training_sets import TrainingSet, Transform


@dataclass(frozen=True)
class Control:
    """A way to make a training set from the kept images alone."""

    description: str  # for the notes below the table
    make: Callable[[Sequence[PlanRow], TrainingSet, TrainingSet], TrainingSet]  # plan, reduced set, full set -> control


def fill(
    plan: Sequence[PlanRow],
    reduced: TrainingSet,
    full: TrainingSet,
    stand_in: Callable[[PlanRow], str],
    transform: Callable[[Sequence[int]], Transform] | None = None,
) -> TrainingSet:
    """A set of the size of the full one, in which kept images replace the missing ones.

    Args:
        plan: of the portion, without dropped images.
        reduced: the set ``none`` of the portion.
        full: the full set.
        stand_in: gives the name of the kept image that replaces a missing one.
        transform: from the rows of the replaced images to a change of their pixels before training; None = no change.
    """
    original = {image.name: image for image in full.images}
    shown = [row.name if row.kept else stand_in(row) for row in plan]
    images = tuple(replace(original[name], pid=row.pid, name=row.name) for name, row in zip(shown, plan, strict=True))
    synthetic = tuple(i for i, row in enumerate(plan) if not row.kept)
    change = transform(synthetic) if transform else None
    return TrainingSet(
        name="",
        portion=reduced.portion,
        fingerprint=fingerprint(json.dumps([reduced.fingerprint, shown, change.record if change else []])),
        images=images,
        synthetic=synthetic,
        reduced=reduced.fingerprint,
        transform=change,
        stamp=stamp_files(image.path for image in images),
    )
