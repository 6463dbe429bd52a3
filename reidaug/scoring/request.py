"""What a user can request of the metrics of generated images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from reidaug.core.options import OUTPUT, Device, Option, Seed
from reidaug.datasets.request import DEFAULT_MODEL

_NETWORKS = "What some metrics need"


@dataclass(frozen=True)
class ScoreRequest:
    """What to measure: either checkpoints or images."""

    checkpoints: Annotated[
        tuple[Path, ...], Option("A generator, or `shipped`; may be repeated: a row for each.", flag="--ckpt")
    ] = ()
    images: Annotated[
        Path | None,
        Option(
            "Instead of a generator: a folder of images that any model generated, named CONDITION___TARGET.png, or a "
            "set that `reidaug synthesize` completed.",
            metavar="FOLDER",
        ),
    ] = None
    pairs: Annotated[
        Path | None,
        Option(
            "CSV of the pairs (columns from,to). Without it: those of the set's manifest, else the test pairs "
            "(Market-1501 has 12,000 published ones)."
        ),
    ] = None
    count: Annotated[int | None, Option("Draw this many of the pairs. Without it: all.", min=1)] = None
    reid: Annotated[
        Path | None,
        Option("For identity similarity: a network that `reidaug evaluate --save-models` saved.", panel=_NETWORKS),
    ] = None
    poses: Annotated[
        Path | None,
        Option(
            "For PCKh: keypoints that were estimated in the generated images (COCO's JSON, OpenPose, ...).",
            panel=_NETWORKS,
        ),
    ] = None
    pose_model: Annotated[
        str,
        Option(
            "For PCKh: what estimates them, as `reidaug pose --model`.",
            flag="--model",
            earlier=("--pose-model",),
            metavar="NAME|FOLDER",
            panel=_NETWORKS,
        ),
    ] = DEFAULT_MODEL
    out: Annotated[
        Path | None,
        Option("A folder for per-image.csv, worst.png and best.png.", short="-o", metavar="FOLDER", panel=OUTPUT),
    ] = None
    save_images: Annotated[
        Path | None,
        Option("A folder for the measured images, as CONDITION___TARGET.png.", metavar="FOLDER", panel=OUTPUT),
    ] = None
    seed: Seed = 0
    device: Device = "auto"
