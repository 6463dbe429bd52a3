"""The options of the commands for data sets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from reidaug.core.errors import ReidAugError
from reidaug.core.options import MACHINE, OUTPUT, Argument, Device, Option, SameCamera, Seed

DEFAULT_MODEL = "movenet"
Split = Literal["train", "test"]  # of the keypoint files; test: gallery and query


def parse_size(text: str) -> tuple[int, int]:
    """`"128x64"` -> (128, 64), height and width.

    Raises:
        ReidAugError: another form, or a side that generators do not take.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None or not all(int(side) and int(side) % 4 == 0 for side in match.groups()):
        raise ReidAugError(f"--size {text!r}: give HEIGHTxWIDTH in pixels, both divisible by 4, such as 128x64")
    return int(match[1]), int(match[2])


@dataclass(frozen=True)
class SplitRequest:
    """Which images to divide into training, query and gallery images."""

    data: Annotated[
        Path,
        Argument("A data set, whose training images are taken, or a folder of images with Market-1501 names."),
    ]
    out: Annotated[Path, Argument("The new Market-1501 root.")]
    test_portion: Annotated[
        float, Option("The share of the people seen by two cameras that become test people.", min=0.0, max=1.0)
    ] = 0.5
    seed: Seed = 0
    same_camera: Annotated[
        SameCamera,
        Option("count: camera numbers mean nothing, people with two images can be tested; see `reidaug evaluate`."),
    ] = "ignore"
    copy: Annotated[bool, Option("Copy the images instead of linking them.", panel=OUTPUT)] = False


@dataclass(frozen=True)
class ImportRequest:
    """Which data set to write as a Market-1501 root."""

    source: Annotated[
        Path,
        Argument("The data set: a folder, a CSV with the columns path,pid,camid,split, or a COCO JSON with boxes."),
    ]
    out: Annotated[Path, Argument("The new Market-1501 root.")]
    size: Annotated[
        tuple[int, int] | None,
        Option(
            "Height and width in pixels of all images, such as 128x64, both divisible by 4. Without it: the size that "
            "all have, else 128x64.",
            metavar="HxW",
            parse=parse_size,
        ),
    ] = None
    layout: Annotated[
        str | None, Option("The kind of data set, if it is not the one that `reidaug inspect` names.", metavar="NAME")
    ] = None
    cameras: Annotated[
        str,
        Option(
            "renumber: count cameras from 1 if any is above 9, as re-ID tools read one digit. keep: leave those "
            "numbers, which reidaug alone reads. Or a CSV with the columns camera,camid; cameras may share a number.",
            metavar="renumber|keep|FILE",
        ),
    ] = "renumber"


@dataclass(frozen=True)
class PoseRequest:
    """Which keypoint CSV to write, and with which estimator."""

    data: Annotated[Path, Argument("A data set, or a folder of images.")]
    out: Annotated[Path, Option("The keypoint CSV to write.", short="-o")]
    split: Annotated[Split | None, Option("Of a data set: train (the default), or test: gallery and query.")] = None
    read: Annotated[
        Path | None,
        Option(
            "Estimate nothing: convert a keypoint CSV, COCO's or AlphaPose's JSON, or a folder that OpenPose, MMPose "
            "or YOLO wrote."
        ),
    ] = None
    model: Annotated[
        str,
        Option(
            "movenet, which is in the package; vitpose, fetched once from huggingface.co; or another ViTPose: a "
            "folder, or its name there.",
            metavar="NAME|FOLDER",
        ),
    ] = DEFAULT_MODEL
    threshold: Annotated[float, Option("Confidence below which a joint counts as missing.", min=0.0, max=1.0)] = 0.3
    batch_size: Annotated[int, Option("Images at a time.", min=1, panel=MACHINE)] = 32
    force: Annotated[bool, Option("Replace the CSV, and what an interrupted run with other settings left.")] = False
    device: Device = "auto"
