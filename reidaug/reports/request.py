"""What a user can ask for in pictures of generated images and of ranked gallery images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from reidaug.core.options import Checkpoint, Device, Option, Seed

Layout = Literal["poses", "persons", "pairs"]


@dataclass(frozen=True)
class GridRequest:
    """Which people and poses a table of images shows, and from which generators."""

    checkpoints: Annotated[
        tuple[Path, ...],
        Option("A generator, or `shipped`; may be repeated to compare several.", flag="--ckpt"),
    ]
    layout: Annotated[
        Layout,
        Option(
            "poses: one person in many poses. persons: many persons in one pose. pairs: condition and target of "
            "one person, beside the real image."
        ),
    ] = "poses"
    persons: Annotated[
        tuple[str, ...],
        Option(
            "File name of a condition image; may be repeated.",
            flag="--condition",
            earlier=("--person",),
            metavar="NAME",
        ),
    ] = ()  # () = drawn
    poses: Annotated[
        tuple[str, ...],
        Option(
            "File name of an image whose pose is the target; may be repeated.",
            flag="--target",
            earlier=("--pose",),
            metavar="NAME",
        ),
    ] = ()  # () = drawn
    count: Annotated[int, Option("The most poses, persons or pairs to draw if none is named.", min=1, max=100)] = 8
    seed: Seed = 0
    device: Device = "auto"


@dataclass(frozen=True)
class AttentionRequest:
    """Which generator to look into, with which pair and at which points."""

    checkpoint: Checkpoint
    condition: Annotated[str | None, Option("File name of the condition image. Without it: drawn.", metavar="NAME")] = (
        None
    )
    target: Annotated[
        str | None, Option("File name of an image whose pose is the target. Without it: drawn.", metavar="NAME")
    ] = None
    points: Annotated[
        tuple[str, ...],
        Option(
            "X,Y in pixels of the target image; may be repeated. Without it: nose, a wrist, a hip and an ankle.",
            flag="--point",
            metavar="X,Y",
        ),
    ] = ()
    seed: Seed = 0
    device: Device = "auto"


@dataclass(frozen=True)
class RanksRequest:
    """Which result to draw, and which of its queries; None = any result, and the worst queries."""

    set_name: Annotated[
        str | None,
        Option(
            "Training set of the result: none, full, pona or another of the table.",
            flag="--name",
            short="-n",
            earlier=("--set",),
            metavar="NAME",
        ),
    ] = None
    portion: Annotated[
        str | None, Option("Portion of the result, such as 0.4; 1 for the full set.", short="-p", metavar="P")
    ] = None
    seed: Annotated[int | None, Option("Seed of the result.", min=0)] = None
    key: Annotated[
        str | None, Option("Key of the result, if name, portion and seed are not enough.", metavar="KEY")
    ] = None
    queries: Annotated[
        tuple[str, ...], Option("File name of a query; may be repeated.", flag="--query", metavar="NAME")
    ] = ()
    worst: Annotated[int | None, Option("Number of queries with the lowest AP (default 10).", min=1, max=100)] = None
    best: Annotated[int | None, Option("Number of queries with the highest AP.", min=1, max=100)] = None


@dataclass(frozen=True)
class ReportRequest:
    """What the report of a study shows."""

    images: Annotated[
        int,
        Option(
            "How many generated images it shows, of all sets together; an eighth as many queries. The file stays below "
            "5 MB.",
            min=8,
            max=200,
        ),
    ] = 48
    no_photos: Annotated[
        bool, Option("No image of the data in the file, and no generated one: for data that must not leave.")
    ] = False
    checkpoints: Annotated[
        tuple[Path, ...],
        Option(
            "Where a generator of the study is now, for the log of its training beside it; may be repeated. Without "
            "it: looked for in the working folder, in the study, and beside it.",
            flag="--ckpt",
        ),
    ] = ()
    reid: Annotated[
        Path | None,
        Option(
            "For identity similarity: a network that `reidaug evaluate --save-models` saved. Without it: one of the "
            "study, that of the full set first."
        ),
    ] = None
    seed: Seed = 0
    device: Device = "auto"
