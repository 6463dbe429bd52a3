"""The options of `reidaug shrink`."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from reidaug.core.errors import ReidAugError
from reidaug.core.options import LAST_SEED, Option
from reidaug.study.portions import parse_portion, portion_name

Keep = Literal["per-identity", "uniform"]
Source = Literal["nearest", "random"]
_KEEPING = "Which images are kept"


@dataclass(frozen=True)
class ShrinkConfig:
    """Which images are kept, and how condition images are chosen."""

    portion: Annotated[
        float,
        Option(
            "The share of training images to keep: 0.01 to 0.99, two decimals.",
            short="-p",
            metavar="P",
            parse=parse_portion,
        ),
    ]
    keep: Annotated[
        Keep,
        Option(
            "per-identity keeps at least one image of each person; uniform is the paper's plain draw.", panel=_KEEPING
        ),
    ] = "per-identity"
    source: Annotated[
        Source,
        Option(
            "Condition image of a missing one: the kept image nearest in pose, or any of the person.", panel=_KEEPING
        ),
    ] = "nearest"
    seed: Annotated[int, Option("Seed of the draw of kept images.", min=0, max=LAST_SEED, panel=_KEEPING)] = 0

    def __post_init__(self) -> None:
        portion_name(self.portion)
        for name, choices in (("keep", get_args(Keep)), ("source", get_args(Source))):
            if getattr(self, name) not in choices:
                raise ReidAugError(f"{name} is {getattr(self, name)!r}, expected {' or '.join(choices)}")
        if not 0 <= self.seed <= LAST_SEED:
            raise ReidAugError(f"seed is {self.seed}, expected 0 to {LAST_SEED}")
