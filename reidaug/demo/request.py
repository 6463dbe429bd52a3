"""What a user can request of rendered people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from reidaug.core.options import Device, Option, Seed


@dataclass(frozen=True)
class MannequinConfig:
    """How many people and images to render."""

    train_ids: Annotated[int, Option("Identities for training; torchreid and fast-reid read 1,000 at most.", min=2)] = (
        100  # 1..9498
    )
    test_ids: Annotated[int, Option("Other identities for query and gallery.", min=2)] = 50  # 1..501
    images: Annotated[int, Option("Images of each identity.", min=4)] = 12
    cameras: Annotated[int, Option("Cameras.", min=2, max=6)] = 6
    seed: Seed = 0
    varied: Annotated[
        bool,
        Option(
            "Give each person places, light, lenses and colours of clothes of their own: to train generators, which "
            "else learns the six places by heart."
        ),
    ] = False
    distractors: int | None = None  # gallery images of people without a query; None = a tenth of the test images
    junk: int | None = None  # gallery images that are ignored in scoring; None = a tenth of the test images


@dataclass(frozen=True)
class AdaptRequest:
    """How to train a generator further on the kept images of a portion."""

    start_from: Annotated[Path, Option("The generator to start from: `shipped`, or one of the preset mini.")] = Path(
        "shipped"
    )
    iterations: Annotated[int, Option("Length, in steps of 16 pairs.", min=1)] = 500
    vgg_weights: Annotated[
        Path | None,
        Option(
            "VGG-19 weights for the perceptual loss: torchvision's, or vgg_normalised_conv2_1.pth. Default: those in "
            "torch's cache; without any, no perceptual loss."
        ),
    ] = None
    device: Device = "auto"
