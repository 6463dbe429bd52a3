"""The options of pose estimation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from reidaug.core.options import MACHINE, Argument, Device, Option, SameCamera, Seed

DEFAULT_MODEL = "usyd-community/vitpose-base-simple"
Split = Literal["train", "test"]  # of the keypoint files; test: gallery and query


@dataclass(frozen=True)
class SplitRequest:
    """Which images to divide into training, query and gallery images."""

    data: Annotated[
        Path, Argument("A Market-1501 root, whose training images are taken, or a folder of images with such names.")
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
    copy: Annotated[bool, Option("Copy the images instead of linking them.")] = False


@dataclass(frozen=True)
class PoseRequest:
    """Which keypoint CSV to write, and with which estimator."""

    data: Annotated[Path, Argument("A folder of images, or a Market-1501 root.")]
    out: Annotated[Path, Option("The keypoint CSV to write.", short="-o")]
    split: Annotated[
        Split | None, Option("Of a Market-1501 root: train (the default), or test: gallery and query.")
    ] = None
    read: Annotated[
        Path | None,
        Option(
            "Estimate nothing: convert a keypoint CSV, COCO's or AlphaPose's JSON, or a folder that OpenPose, MMPose "
            "or YOLO wrote."
        ),
    ] = None
    model: Annotated[
        str, Option("A ViTPose model: a folder, or its name at huggingface.co.", metavar="FOLDER|NAME")
    ] = DEFAULT_MODEL
    threshold: Annotated[float, Option("Confidence below which a joint counts as missing.", min=0.0, max=1.0)] = 0.3
    batch_size: Annotated[int, Option("Images at a time.", min=1, panel=MACHINE)] = 32
    force: Annotated[bool, Option("Replace the CSV, and what an interrupted run with other settings left.")] = False
    device: Device = "auto"
