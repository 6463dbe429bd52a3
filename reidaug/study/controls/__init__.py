"""The controls of `evaluate`: training sets that cost nothing, and that a useful generator must beat.

To add one, write a file like `duplicate.py` and list it here.
"""

from dataclasses import replace

from reidaug.core.errors import ReidAugError
from reidaug.study.controls import duplicate, flip, none_matched, rendered_first, source_copy
from reidaug.study.controls.control import Control
from reidaug.study.folder import Study
from reidaug.study.plan import read_plan
from reidaug.study.training_sets import TrainingSet

CONTROLS: dict[str, Control] = {
    "none-matched": none_matched.CONTROL,
    "duplicate": duplicate.CONTROL,
    "source-copy": source_copy.CONTROL,
    "flip": flip.CONTROL,
    "rendered-first": rendered_first.CONTROL,
}
MATCHED = "none-matched"  # the one that takes as many steps as the full set
RENDERED_FIRST = "rendered-first"  # the one that knows what the shipped generator knows


def set_of(label: str) -> str:
    """The name of a set, without the treatment of its synthetic images that a table adds in brackets."""
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


def make_control(study: Study, name: str, reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """One control of the portion of a reduced set.

    Args:
        name: one of `CONTROLS`.
        reduced: the set ``none`` of the portion.
        full: the full set.
    """
    plan = [row for row in read_plan(study.plan_path(reduced.portion)) if row.action != "drop"]
    return replace(CONTROLS[name].make(plan, reduced, full), name=name)
