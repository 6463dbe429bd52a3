"""The options of the generator commands: train, synthesize, adopt, profile."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from reidaug.core.options import (
    ABLATIONS,
    DATA,
    DEFAULT_STUDY,
    MACHINE,
    OUTPUT,
    Argument,
    Copy,
    DataRoot,
    Device,
    Option,
    Precision,
    Seed,
    StudyFolder,
)

WATCH = "Reports"
_ablation = partial(Option, panel=ABLATIONS)
_loss = partial(Option, panel="Losses and discriminators")
_schedule = partial(Option, panel="Schedule")


@dataclass(frozen=True)
class TrainChanges:
    """Changes to a preset: fields of `pona.train.TrainConfig`; None = the preset's value."""

    width: Annotated[int | None, _schedule("Channels of the first layer, an even number.", min=8)] = None
    blocks: Annotated[int | None, _ablation("PoNA blocks; the paper's: 3.", min=1, max=5)] = None
    fusion: Annotated[
        Literal["head", "middle", "tail", "none"] | None,
        _ablation("Where a block joins image and pose code; the paper's: head."),
    ] = None
    self_attention: Annotated[bool | None, _ablation("On the fused code.")] = None
    cross_attention: Annotated[
        bool | None, _ablation("Of the image code, guided by the pose code; without it images do not follow the pose.")
    ] = None
    discriminator_variant: Annotated[
        Literal["code", "paper"] | None,
        _ablation(
            "code: spectral norm, as in the public code. paper: self-attention and LeakyReLU, as in the paper.",
            flag="--discriminator",
        ),
    ] = None
    adversarial: Annotated[Literal["bce", "lsgan"] | None, _ablation("bce: Market-1501. lsgan: DeepFashion.")] = None
    identity_weight: Annotated[float | None, _loss("Weight of the identity loss; L1 has 10.", min=0.0)] = None
    dropout: Annotated[bool | None, _schedule("In the generator's blocks during training; mini has none.")] = None
    color_jitter: Annotated[
        float | None,
        _schedule(
            "Change the colours of both images of a pair alike, by up to this share (hue: of 180 degrees), such as "
            "0.3; 0: never.",
            min=0.0,
            max=1.0,
        ),
    ] = None
    iterations: Annotated[int | None, _schedule("Length; the learning rate falls to 0 at the last one.", min=1)] = None
    minutes: Annotated[
        float | None,
        _schedule(
            "Length in time: the rate falls with the clock, so runs differ. With --iterations: whichever ends first.",
            min=0.1,
        ),
    ] = None
    batch_size: Annotated[int | None, Option("Pairs per iteration; devices share them.", min=1, panel=MACHINE)] = None
    precision: Annotated[
        Precision | None,
        Option(
            "auto: bf16 if the device is faster with it. fp16, with scaled losses, is for GPUs without bf16 (V100, "
            "T4) and slow on CPUs.",
            panel=MACHINE,
        ),
    ] = None
    learning_rate: Annotated[float | None, _schedule("Initial learning rate of Adam.", min=1e-8)] = None
    ema: Annotated[
        float | None,
        _schedule(
            "Save the moving average of the weights with this decay; 0 saves the last weights.", min=0.0, max=0.99999
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
        """The fields that are not None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NETWORK_OPTIONS = {"width", "blocks", "fusion", "self_attention", "cross_attention"}  # not every generator has all


@dataclass(frozen=True)
class TrainRequest:
    """A training of a generator; None = the preset's value."""

    out: Annotated[
        Path, Option("The checkpoint to write, such as pona.pt; its other files are written beside it.", short="-o")
    ]
    data: DataRoot = None  # with the preset deepfashion the folder of that data set
    study: StudyFolder = DEFAULT_STUDY  # read only with a portion, or for the data set of its portions
    portion: Annotated[
        str | None,
        Option(
            "Train on the kept images of this portion of the study only (protocol strict).", short="-p", metavar="P"
        ),
    ] = None
    pairs: Annotated[
        Path | None,
        Option(
            "Train on exactly the pairs of this CSV (columns from,to). Without it: all, or deepfashion's own file.",
            panel=DATA,
        ),
    ] = None
    mix: Annotated[
        Path | None,
        Option(
            "Take half of the pairs from this data set, such as rendered people (`reidaug mannequins --varied`): the "
            "generator then forgets less of what they taught it. Images that it holds count as seen.",
            metavar="FOLDER",
            panel=DATA,
        ),
    ] = None
    preset: Annotated[
        Literal["market", "deepfashion", "mini"],
        Option("market and deepfashion: the paper's. mini: for a machine without a GPU."),
    ] = "market"
    start_from: Annotated[
        Path | None,
        Option("A generator to start from; `shipped` (for mini): the package's own. Images that it saw count as seen."),
    ] = None
    generator: Annotated[
        str, Option("The method: pona, or one of the paper's rivals (docs/generators.md lists them).", metavar="NAME")
    ] = "pona"
    changes: TrainChanges = TrainChanges()
    perceptual: Annotated[
        Literal["vgg19", "none"] | None,
        _loss("Perceptual loss. Default: vgg19; with mini, none if there are no VGG-19 weights."),
    ] = None
    vgg_weights: Annotated[
        Path | None,
        _loss("VGG-19 weights: torchvision's, or vgg_normalised_conv2_1.pth. Default: those in torch's cache."),
    ] = None
    identity: Annotated[
        Path | None,
        _loss(
            "A re-ID network, such as that of `reidaug pretrain`: generated images must look like their person to it. "
            "Not in the paper."
        ),
    ] = None
    device: Device = "auto"
    devices: Annotated[  # None = as many processes as torchrun or SLURM started, else one
        int | None,
        Option(
            "Train on this many GPUs of this machine (with --device cpu: in this many processes).", min=1, panel=MACHINE
        ),
    ] = None
    compiled: Annotated[
        bool,
        Option(
            "Use torch.compile: takes minutes to start, then may be faster; try it first.",
            flag="--compile",
            panel=MACHINE,
        ),
    ] = False  # ignored without a compiler


@dataclass(frozen=True)
class SynthesisOptions:
    """How a set is completed; which images are generated depends on the plan alone."""

    name: Annotated[
        str, Option("Name of the image set: its folder and its row in the table.", short="-n", metavar="NAME")
    ] = "pona"
    batch_size: Annotated[int, Option("Images per batch.", min=1, panel=MACHINE)] = 32
    precision: Annotated[
        Precision,
        Option(
            "auto: bf16 if the device is faster with it; some pixels differ by a grey level. fp16 is for GPUs without "
            "bf16.",
            panel=MACHINE,
        ),
    ] = "auto"
    copy: Copy = False
    force: Annotated[
        bool, Option("Replace the set if it was made otherwise, such as with another generator.", panel=OUTPUT)
    ] = False
    device: Device = "auto"


AUGMENTED = SynthesisOptions(name="augmented")  # those of `augment`


@dataclass(frozen=True)
class ProfileRequest:
    """Which generators to measure, and how."""

    checkpoints: Annotated[
        tuple[Path, ...],
        Option("A generator that `reidaug train` wrote, or `shipped`; may be repeated.", flag="--ckpt"),
    ] = ()
    generators: Annotated[
        tuple[str, ...],
        Option("A method with random weights; may be repeated.", flag="--generator", metavar="NAME"),
    ] = ()
    preset: Annotated[
        Literal["market", "deepfashion", "mini"],
        Option("Of --generator: the size of its network. The paper's Table II is of deepfashion."),
    ] = "market"
    sizes: Annotated[
        tuple[str, ...],
        Option(
            "Height and width in pixels; may be repeated. Without it: 128x64 and 256x176.", flag="--size", metavar="HxW"
        ),
    ] = ("128x64", "256x176")
    batch_sizes: Annotated[
        tuple[int, ...], Option("Images at a time; may be repeated. Without it: 1 and 8.", flag="--batch-size", min=1)
    ] = (1, 8)
    seconds: Annotated[float, Option("Least time per measurement.", min=0.0)] = 2.0
    device: Device = "auto"


@dataclass(frozen=True)
class AdoptRequest:
    """Which images of another program become a set of the study."""

    folder: Annotated[
        Path,
        Argument("The images: a folder, or a Market-1501 root, with a file for each missing image under its name."),
    ]
    name: Annotated[
        str, Option("Name of the image set: its folder and its row in the table.", short="-n", metavar="NAME")
    ]
    copy: Copy = False
    force: Annotated[bool, Option("Replace a set of this name that has other images.", panel=OUTPUT)] = False
