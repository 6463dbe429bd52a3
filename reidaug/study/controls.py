"""Training sets that cost nothing: what a generator must beat before its images are worth anything."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import stamp_files
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import PlanRow, read_plan
from reidaug.study.training_sets import TrainingSet

MATCHED = "none-matched"


CONTROLS = {
    MATCHED: "the kept images, trained for as many iterations as the full set, to a whole epoch",
    "duplicate": "each missing image is a copy of any kept one of the person",
    "source-copy": "each missing image is a copy of its condition image",
    "flip": "each missing image is its condition image mirrored; training mirrors at random too: like source-copy",
}


def set_of(label: str) -> str:
    """The name of a set, without what a table adds in brackets of how its copies or painted images were treated."""
    return label.split(" (")[0]


def is_control(label: str) -> bool:
    """Whether a set of this name or label is a control."""
    return set_of(label) in CONTROLS


def parse_controls(text: str | None) -> tuple[str, ...]:
    """``"duplicate,flip"`` or ``"all"`` -> names of controls.

    Raises:
        ReidAugError: an unknown name.
    """
    if text is None:
        return ()
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if names == ("all",):
        return tuple(CONTROLS)
    if unknown := [name for name in names if name not in CONTROLS]:
        raise ReidAugError(f"--controls {', '.join(unknown)}: expected all, or some of {', '.join(CONTROLS)}")
    return names


def make_control(study: Study, portion: float, name: str, reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """One control of one portion.

    ``none-matched`` is the reduced set, trained for as many iterations as the full one, to a whole epoch. The others
    have the size of the full set, each missing image replaced by a kept one of the person: ``duplicate`` by any (drawn
    with seed 0), ``source-copy`` by its condition image, ``flip`` by its condition image mirrored.

    Args:
        study: where the plan lies.
        portion: which plan.
        name: one of `CONTROLS`.
        reduced: the set ``none`` of this portion.
        full: the full set.
    """
    if name == MATCHED:
        return replace(reduced, name=name, as_many_steps_as=full.pids)
    plan = [row for row in read_plan(study.plan_path(portion)) if row.action != "drop"]
    kept_of: dict[int, list[str]] = {}
    for row in plan:
        if row.kept:
            kept_of.setdefault(row.pid, []).append(row.name)
    random = np.random.RandomState(0)

    def stand_in(row: PlanRow) -> str:
        kept = kept_of[row.pid]
        return kept[random.randint(len(kept))] if name == "duplicate" else row.condition

    shown = [row.name if row.kept else stand_in(row) for row in plan]
    synthetic = tuple(place for place, row in enumerate(plan) if not row.kept)
    mirrored = synthetic if name == "flip" else ()
    folder: Path = split_folder(study.data_of(portion), "train")
    files = tuple(folder / each for each in shown)
    content = json.dumps([reduced.fingerprint, shown, mirrored])
    return TrainingSet(
        name,
        portion,
        hashlib.sha256(content.encode()).hexdigest()[:16],
        files,
        tuple(row.pid for row in plan),
        synthetic=synthetic,
        reduced=reduced.fingerprint,
        mirrored=mirrored,
        stamp=stamp_files(files),
    )
