"""The options of `reidaug shrink` and `reidaug export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from reidaug.core.errors import ReidAugError
from reidaug.core.options import LAST_SEED, Argument, Option
from reidaug.study.portions import parse_portion, portion_name

Keep = Literal["per-identity", "uniform"]
Source = Literal["nearest", "random"]
Tool = Literal["torchreid", "fastreid", "transreid", "layumi", "huggingface", "torchvision"]  # the last: networks only


@dataclass(frozen=True)
class ShrinkConfig:
    """Which images are kept, and how condition images are chosen."""

    portion: Annotated[
        float, Option("The share of training images to keep: 0.01 to 0.99, two decimals.", parse=parse_portion)
    ]
    keep: Annotated[
        Keep, Option("per-identity keeps at least one image of each person; uniform is the paper's plain draw.")
    ] = "per-identity"
    source: Annotated[
        Source, Option("Condition image of a missing one: the kept image nearest in pose, or any of the person.")
    ] = "nearest"
    seed: Annotated[int, Option("Seed of the draw of kept images.", min=0, max=LAST_SEED)] = 0

    def __post_init__(self) -> None:
        portion_name(self.portion)
        for name, choices in (("keep", get_args(Keep)), ("source", get_args(Source))):
            if getattr(self, name) not in choices:
                raise ReidAugError(f"{name} is {getattr(self, name)!r}, expected {' or '.join(choices)}")
        if not 0 <= self.seed <= LAST_SEED:
            raise ReidAugError(f"seed is {self.seed}, expected 0 to {LAST_SEED}")


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
        Option("Copy the images instead of linking them, for another machine or an upload; layumi always gets copies."),
    ] = False
