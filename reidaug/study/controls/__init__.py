"""The controls of `evaluate`: training sets that cost nothing, and that a useful generator must beat.

To add one, write a file like `duplicate.py` and list it here.
"""

from dataclasses import replace

from reidaug.core.errors import ReidAugError
from reidaug.study.controls import duplicate, flip, none_matched, rendered_first, source_copy
from reidaug.study.controls.control import Control
from reidaug.study.folder import Study
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


_FOR = " for "  # between the control and the augmented set that it is made for: "duplicate for augmented"


def set_of(label: str) -> str:
    """The name of a set, without the treatment of its synthetic images that a table adds in brackets."""
    return label.split(" (")[0]


def control_of(label: str) -> str:
    """The control that a set of this name or label is, or its own name; "duplicate" of "duplicate for augmented"."""
    return set_of(label).split(_FOR)[0]


def made_for(label: str) -> str:
    """The augmented set whose size a control has; empty for those of the size of the full set."""
    return set_of(label).partition(_FOR)[2]


def name_for(control: str, augmented: str) -> str:
    """The name of a control of the size of an augmented set."""
    return f"{control}{_FOR}{augmented}"


def is_control(label: str) -> bool:
    """Whether a set of this name or label is a control."""
    return control_of(label) in CONTROLS


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
        full: the full set, or an augmented set of the portion: the control then has its size.
    """
    if full.plan:
        return replace(CONTROLS[name].make(full.plan, reduced, full), name=name_for(name, full.name))
    plan = [row for row in study.read_plan(reduced.portion, full.images) if row.action != "drop"]
    return replace(CONTROLS[name].make(plan, reduced, full), name=name)
