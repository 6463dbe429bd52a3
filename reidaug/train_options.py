"""The options of `reidaug train`: each a type and the help sentence that a user reads; None = the preset's value."""

from pathlib import Path
from typing import Annotated, Literal

import typer

_NETWORK, _LOSSES, _SCHEDULE = "Generator (ablations: Tables III-V)", "Losses and discriminators", "Schedule"
_WATCH = "Reports"
TrainPortionOption = Annotated[
    str | None,
    typer.Option("--portion", help="Train on the kept images of this portion of the study only (protocol strict)."),
]
PairsOption = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        help="Train on exactly the pairs of this CSV (columns from,to). Without it: all, or deepfashion's own file.",
    ),
]
PresetOption = Annotated[
    Literal["market", "deepfashion", "mini"],
    typer.Option("--preset", help="market and deepfashion: the paper's. mini: for a machine without a GPU."),
]
StartFromOption = Annotated[
    Path | None,
    typer.Option(
        "--start-from",
        help="A generator to start from; `shipped` (for mini) is the package's own. What it saw counts as seen.",
    ),
]
WidthOption = Annotated[
    int | None,
    typer.Option("--width", min=8, rich_help_panel=_NETWORK, help="Channels of the first layer; an even number."),
]
BlocksOption = Annotated[
    int | None, typer.Option("--blocks", min=1, max=5, rich_help_panel=_NETWORK, help="PoNA blocks; the paper's: 3.")
]
FusionOption = Annotated[
    Literal["head", "middle", "tail", "none"] | None,
    typer.Option(
        "--fusion", rich_help_panel=_NETWORK, help="Where a block joins image and pose code; the paper's: head."
    ),
]
SelfAttentionOption = Annotated[
    bool | None,
    typer.Option("--self-attention/--no-self-attention", rich_help_panel=_NETWORK, help="On the fused code."),
]
CrossAttentionOption = Annotated[
    bool | None,
    typer.Option(
        "--cross-attention/--no-cross-attention",
        rich_help_panel=_NETWORK,
        help="Of the image code, guided by the pose code; without it the image cannot follow the pose.",
    ),
]
DiscriminatorOption = Annotated[
    Literal["code", "paper"] | None,
    typer.Option(
        "--discriminator",
        rich_help_panel=_LOSSES,
        help="code: spectral norm, as published. paper: self-attention and LeakyReLU, as written.",
    ),
]
AdversarialOption = Annotated[
    Literal["bce", "lsgan"] | None,
    typer.Option("--adversarial", rich_help_panel=_LOSSES, help="bce: Market-1501. lsgan: DeepFashion."),
]
PerceptualOption = Annotated[
    Literal["vgg19", "none"] | None,
    typer.Option(
        "--perceptual",
        rich_help_panel=_LOSSES,
        help="Perceptual loss. Default: vgg19, but none with mini where there are no VGG-19 weights.",
    ),
]
VggOption = Annotated[
    Path | None,
    typer.Option(
        "--vgg-weights",
        rich_help_panel=_LOSSES,
        help="VGG-19 weights: torchvision's, or vgg_normalised_conv2_1.pth. Default: those in torch's cache.",
    ),
]
DropoutOption = Annotated[
    bool | None,
    typer.Option(
        "--dropout/--no-dropout",
        rich_help_panel=_SCHEDULE,
        help="In the generator's blocks while it trains; mini does without.",
    ),
]
ColorJitterOption = Annotated[
    float | None,
    typer.Option(
        "--color-jitter",
        min=0.0,
        max=1.0,
        rich_help_panel=_SCHEDULE,
        help="Change the colours of both images of a pair alike, up to this share (hue: of 180 degrees), such as 0.3; "
        "0: never.",
    ),
]
IterationsOption = Annotated[
    int | None,
    typer.Option(
        "--iterations", min=1, rich_help_panel=_SCHEDULE, help="Length; the learning rate falls to 0 at the last."
    ),
]
MinutesOption = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        min=0.1,
        rich_help_panel=_SCHEDULE,
        help="Length as time: the rate falls with the clock, so two runs differ. With --iterations what ends first.",
    ),
]
TrainBatchOption = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, rich_help_panel=_SCHEDULE, help="Pairs per iteration; devices share them."),
]
TrainPrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"] | None,
    typer.Option(
        "--precision",
        rich_help_panel=_SCHEDULE,
        help="auto: bf16 where the device is faster with it. fp16, with scaled losses, is for GPUs without (V100, T4) "
        "and slow on CPUs.",
    ),
]
LearningRateOption = Annotated[
    float | None, typer.Option("--learning-rate", min=1e-8, rich_help_panel=_SCHEDULE, help="Of Adam, at the start.")
]
AverageOption = Annotated[
    float | None,
    typer.Option(
        "--ema",
        min=0.0,
        max=0.99999,
        rich_help_panel=_SCHEDULE,
        help="Save the moving average of the weights with this decay; 0 saves the last weights.",
    ),
]
EveryOption = Annotated[
    int | None,
    typer.Option(
        "--validate-every",
        min=1,
        rich_help_panel=_WATCH,
        help="Iterations between validations; each saves the weights and writes a picture to OUT.pictures/.",
    ),
]
TensorboardOption = Annotated[
    bool,
    typer.Option("--tensorboard", rich_help_panel=_WATCH, help="Write TensorBoard's files to OUT.tensorboard/ too."),
]
DevicesOption = Annotated[
    int | None,
    typer.Option(
        "--devices", min=1, help="Train on so many GPUs of this machine (with --device cpu: in so many processes)."
    ),
]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="Use torch.compile: minutes to start, then perhaps faster; try it first.")
]
