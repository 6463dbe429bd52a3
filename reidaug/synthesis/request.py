"""What a user can ask of generators: to train one, to complete training sets with it, to tell what it costs."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from reidaug.core.options import (
    DEFAULT_STUDY,
    Checkpoint,
    Copy,
    DataRoot,
    Device,
    Option,
    Precision,
    Seed,
    StudyFolder,
)

_NETWORK, _LOSSES, _SCHEDULE = "Generator (ablations: Tables III-V)", "Losses and discriminators", "Schedule"
WATCH = "Reports"


@dataclass(frozen=True)
class TrainChanges:
    """What a training does otherwise than its preset: fields of `pona.train.TrainConfig`; None = the preset's value."""

    width: Annotated[int | None, Option("Channels of the first layer; an even number.", min=8, panel=_NETWORK)] = None
    blocks: Annotated[int | None, Option("PoNA blocks; the paper's: 3.", min=1, max=5, panel=_NETWORK)] = None
    fusion: Annotated[
        Literal["head", "middle", "tail", "none"] | None,
        Option("Where a block joins image and pose code; the paper's: head.", panel=_NETWORK),
    ] = None
    self_attention: Annotated[bool | None, Option("On the fused code.", panel=_NETWORK)] = None
    cross_attention: Annotated[
        bool | None,
        Option(
            "Of the image code, guided by the pose code; without it the image cannot follow the pose.", panel=_NETWORK
        ),
    ] = None
    discriminator_variant: Annotated[
        Literal["code", "paper"] | None,
        Option(
            "code: spectral norm, as published. paper: self-attention and LeakyReLU, as written.",
            flag="--discriminator",
            panel=_LOSSES,
        ),
    ] = None
    adversarial: Annotated[
        Literal["bce", "lsgan"] | None, Option("bce: Market-1501. lsgan: DeepFashion.", panel=_LOSSES)
    ] = None
    dropout: Annotated[
        bool | None, Option("In the generator's blocks while it trains; mini does without.", panel=_SCHEDULE)
    ] = None
    color_jitter: Annotated[
        float | None,
        Option(
            "Change the colours of both images of a pair alike, up to this share (hue: of 180 degrees), such as 0.3; "
            "0: never.",
            min=0.0,
            max=1.0,
            panel=_SCHEDULE,
        ),
    ] = None
    iterations: Annotated[
        int | None, Option("Length; the learning rate falls to 0 at the last.", min=1, panel=_SCHEDULE)
    ] = None
    minutes: Annotated[
        float | None,
        Option(
            "Length as time: the rate falls with the clock, so two runs differ. With --iterations what ends first.",
            min=0.1,
            panel=_SCHEDULE,
        ),
    ] = None
    batch_size: Annotated[int | None, Option("Pairs per iteration; devices share them.", min=1, panel=_SCHEDULE)] = None
    precision: Annotated[
        Precision | None,
        Option(
            "auto: bf16 where the device is faster with it. fp16, with scaled losses, is for GPUs without bf16 (V100, "
            "T4) and slow on CPUs.",
            panel=_SCHEDULE,
        ),
    ] = None
    learning_rate: Annotated[float | None, Option("Of Adam, at the start.", min=1e-8, panel=_SCHEDULE)] = None
    ema: Annotated[
        float | None,
        Option(
            "Save the moving average of the weights with this decay; 0 saves the last weights.",
            min=0.0,
            max=0.99999,
            panel=_SCHEDULE,
        ),
    ] = None
    validate_every: Annotated[
        int | None,
        Option(
            "Iterations between validations; each saves the weights and writes a picture to OUT.pictures/.",
            min=1,
            panel=WATCH,
        ),
    ] = None
    seed: Seed = 0

    def given(self) -> dict[str, Any]:
        """Those that are asked for."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class TrainRequest:
    """A training of a generator; None = the preset's value."""

    out: Annotated[Path, Option("The checkpoint to write, such as pona.pt; what belongs to it lies beside.")]
    data: DataRoot = None  # with the preset deepfashion the folder of that data set
    study: StudyFolder = DEFAULT_STUDY  # read only where a portion is given, and for the data set of its portions
    portion: Annotated[
        str | None, Option("Train on the kept images of this portion of the study only (protocol strict).")
    ] = None
    pairs: Annotated[
        Path | None,
        Option("Train on exactly the pairs of this CSV (columns from,to). Without it: all, or deepfashion's own file."),
    ] = None
    preset: Annotated[
        Literal["market", "deepfashion", "mini"],
        Option("market and deepfashion: the paper's. mini: for a machine without a GPU."),
    ] = "market"
    start_from: Annotated[
        Path | None,
        Option("A generator to start from; `shipped` (for mini) is the package's own. What it saw counts as seen."),
    ] = None
    changes: TrainChanges = TrainChanges()
    perceptual: Annotated[
        Literal["vgg19", "none"] | None,
        Option("Perceptual loss. Default: vgg19, but none with mini where there are no VGG-19 weights.", panel=_LOSSES),
    ] = None
    vgg_weights: Annotated[
        Path | None,
        Option(
            "VGG-19 weights: torchvision's, or vgg_normalised_conv2_1.pth. Default: those in torch's cache.",
            panel=_LOSSES,
        ),
    ] = None
    device: Device = "auto"
    devices: Annotated[  # None = as many processes as torchrun or SLURM started, else one
        int | None,
        Option("Train on so many GPUs of this machine (with --device cpu: in so many processes).", min=1),
    ] = None
    compiled: Annotated[
        bool, Option("Use torch.compile: minutes to start, then perhaps faster; try it first.", flag="--compile")
    ] = False  # only where there is a compiler


@dataclass(frozen=True)
class SynthesisOptions:
    """How a set is completed; none of it changes which images are generated."""

    name: Annotated[str, Option("Name of the image set: its folder and its row in the table.")] = "pona"
    batch_size: Annotated[int, Option("Images per batch.", min=1)] = 32
    precision: Annotated[
        Precision,
        Option(
            "auto takes bf16 where the device is faster with it; a grey level in some pixels differs. fp16 is for "
            "GPUs without bf16."
        ),
    ] = "auto"
    copy: Copy = False
    force: Annotated[bool, Option("Replace the set if it was made with another generator.")] = False
    device: Device = "auto"


@dataclass(frozen=True)
class ProfileRequest:
    """What to count and measure of a generator."""

    checkpoint: Checkpoint
    sizes: Annotated[
        tuple[str, ...],
        Option("HEIGHTxWIDTH in pixels; may be repeated. Without it: 128x64 and 256x176.", flag="--size"),
    ] = ("128x64", "256x176")
    batch_sizes: Annotated[
        tuple[int, ...], Option("Images at a time; may be repeated. Without it: 1 and 8.", flag="--batch-size", min=1)
    ] = (1, 8)
    seconds: Annotated[float, Option("Time of each figure, at least.", min=0.0)] = 2.0
    device: Device = "auto"
