"""The options of `reidaug shrink`, `augment` and `export`."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from reidaug.core.errors import ReidAugError
from reidaug.core.options import LAST_SEED, OUTPUT, Argument, Option, Seed
from reidaug.study.portions import parse_portion, portion_name

Keep = Literal["per-identity", "uniform"]
Source = Literal["nearest", "random"]
Tool = Literal["torchreid", "fastreid", "transreid", "layumi", "huggingface", "torchvision"]  # the last: networks only
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


@dataclass(frozen=True)
class AugmentConfig:
    """How many images each person gets, and the seed of the choice of their poses."""

    per_person: Annotated[
        int | None,
        Option("Images of each person, real and generated together; who has as many or more gets none.", min=1),
    ] = None
    factor: Annotated[
        float | None,
        Option("In its place: how many times the images that a person has; 2 doubles them, 1.5 adds half.", min=1.0),
    ] = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        if (self.per_person is None) == (self.factor is None):
            given = "neither" if self.factor is None else "both"
            raise ReidAugError(f"{given} of --per-person and --factor: give one of them, such as --per-person 12")
        if self.factor is not None and not math.isfinite(self.factor):
            raise ReidAugError(f"--factor {self.factor}: expected a number from 1, such as 2")

    def new_images(self, count: int) -> int:
        """How many images to generate for a person who has `count` real ones."""
        if self.factor is not None:
            return round((self.factor - 1) * count)
        return max(0, (self.per_person or 0) - count)


@dataclass(frozen=True)
class ExportRequest:
    """Which set to lay out, and for which tool."""

    set: Annotated[
        Path,
        Argument(
            "A data set, a set of a study, such as study/p0.40/pona, or a network that `evaluate --save-models` kept, "
            "such as study/models/KEY.pt."
        ),
    ]
    out: Annotated[
        Path, Argument("The folder to write to, which may hold other exports; of a network, the file, such as net.pth.")
    ]
    tool: Annotated[Tool, Option("The tool; torchvision: of a network only, as torchreid.", flag="--for")]
    copy: Annotated[
        bool,
        Option(
            "Copy the images instead of linking them, for another machine or an upload; layumi always gets copies.",
            panel=OUTPUT,
        ),
    ] = False
