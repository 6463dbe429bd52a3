"""Options of commands, declared where a request declares its fields.

A request is a frozen dataclass: what a user can ask of a piece of work. A field that can be given on the command line
is `Annotated` with an `Option`; a field that is itself a request adds the options of its fields; any other field is for
callers in Python. So a new option is a new field::

    epochs: Annotated[int | None, Option("Without it: the recipe's.", min=1)] = None  # --epochs

`bool` is a switch, `bool | None` a pair --name/--no-name, a tuple an option that may be repeated, a `Literal` a choice.
Options that several commands share are defined here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

DATA, MACHINE, OUTPUT = "Data and study", "Machine", "Output"  # panels of options that many commands have
ABLATIONS = "Ablations of the paper (Tables III-V)"  # the last panel
LAST_SEED = 2**32 - 1  # the largest that numpy takes
DEFAULT_STUDY = Path("study")


@dataclass(frozen=True)
class Option:
    """How the command line shows a field, and what it accepts."""

    help: str  # the sentence that a user reads
    flag: str = ""  # such as "--ckpt"; empty = the field's name with dashes
    short: str = ""  # such as "-o"
    earlier: tuple[str, ...] = ()  # flags that it once had: still taken, no longer shown
    metavar: str = ""  # the value in --help; empty = FILE, N, X or TEXT by its type
    min: float | None = None
    max: float | None = None
    choices: Iterable[str] = ()  # for a str whose values are the keys of a table; else the type is a Literal
    panel: str | None = None  # its heading in --help
    environment: str | None = None  # the variable that is read if the flag is not given
    parse: Callable[[str], Any] | None = None  # from one text to the value; a default tuple is shown with commas


@dataclass(frozen=True)
class Argument(Option):
    """A positional argument: it has no flag."""


class LeaveOut:
    """For a field that is a request: its fields that the command does not offer; they keep their defaults."""

    def __init__(self, *fields: str) -> None:
        self.fields = fields


Precision = Literal["auto", "fp32", "bf16", "fp16"]  # of a generator
BaselinePrecision = Literal["auto", "fp32", "bf16"]

StudyFolder = Annotated[
    Path,
    Option(
        "The study folder: plans, image sets and results. Its study.toml may set options: seed = 1 for all commands, "
        "below [evaluate] for that one only.",
        flag="--study",
        metavar="FOLDER",
        panel=DATA,
        environment="REIDAUG_STUDY",
    ),
]
DataRoot = Annotated[
    Path | None,
    Option(
        "The data set, such as a Market-1501 root; if it has moved since a study was made of it, where it is now. "
        "Without it: that of the study's portions, else ./Market-1501-v15.09.15.",
        flag="--data",
        metavar="FOLDER",
        panel=DATA,
        environment="REIDAUG_DATA",
    ),
]
OnePortion = Annotated[
    str | None,
    Option(
        "One portion of the study, such as 0.4. Without it: all of them.", flag="--portion", short="-p", metavar="P"
    ),
]
Checkpoint = Annotated[
    Path, Option("The generator: a file that `reidaug train` wrote, or `shipped` for the package's own.", flag="--ckpt")
]
StudyCheckpoint = Annotated[
    Path,
    Option(
        "The generator: a file that `reidaug train` wrote, `shipped` for the package's own, or `adapted` for those "
        "that `reidaug adapt` trained.",
        flag="--ckpt",
    ),
]
Device = Annotated[
    str,
    Option("auto, cpu, cuda, cuda:N or mps. auto uses a GPU (cuda) if there is one.", metavar="DEVICE", panel=MACHINE),
]
SameCamera = Literal["ignore", "count"]  # gallery images of a query's person by its own camera
Seed = Annotated[int, Option("Seed of the random draws.", min=0, max=LAST_SEED)]
Copy = Annotated[bool, Option("Copy query and gallery instead of linking them.", panel=OUTPUT)]
