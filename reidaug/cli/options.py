"""The options of the commands: each a type and the help sentence that a user reads."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from reidaug.cli.settings import load_settings

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

TableFormat = Literal["rich", "markdown", "csv", "latex", "json"]
Split = Literal["train", "test"]

# Shared by commands.
StudyOption = Annotated[
    Path,
    typer.Option(
        "--study",
        envvar="REIDAUG_STUDY",
        is_eager=True,
        callback=load_settings,
        help="The study folder: plans, image sets and results. Its study.toml may hold options, for all commands as in "
        "seed = 1, or below [evaluate] for that one.",
    ),
]
DEFAULT_STUDY = Path("study")
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="REIDAUG_DATA",
        help="The Market-1501 root. Without it: what the study remembers, else ./Market-1501-v15.09.15.",
    ),
]
PortionOption = Annotated[
    str | None, typer.Option("--portion", help="One portion of the study, such as 0.4. Without it: all of them.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda or cuda:N. auto takes a GPU if there is one.")
]
_LAST_SEED = 2**32 - 1  # that numpy takes
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=_LAST_SEED, help="Seed of the random draws.")]
DrawOption = Annotated[int, typer.Option("--seed", min=0, max=_LAST_SEED, help="Seed of the draw of kept images.")]
CopyOption = Annotated[bool, typer.Option("--copy", help="Copy query and gallery instead of linking them.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")]
CheckpointOption = Annotated[
    Path,
    typer.Option(
        "--ckpt", help="The generator: a file that `reidaug train` wrote, or `shipped` for the package's own."
    ),
]

# reidaug shrink
KeepOption = Annotated[
    Literal["per-identity", "uniform"],
    typer.Option(
        "--keep", help="per-identity keeps at least one image of everyone; uniform is the paper's plain draw."
    ),
]
SourceOption = Annotated[
    Literal["nearest", "random"],
    typer.Option(
        "--source", help="Condition image of a missing one: the kept image nearest in pose, or any of the person."
    ),
]

# reidaug evaluate
RecipeOption = Annotated[
    Literal["paper", "strong", "quick"] | None,
    typer.Option(
        "--recipe",
        help="paper: ImageNet weights, 60 epochs. strong: bag of tricks, 120 epochs. quick: from scratch, for CPUs.",
    ),
]
ArchOption = Annotated[
    Literal["resnet50", "resnet18"], typer.Option("--arch", help="resnet18 takes less than half of the time.")
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="imagenet, none, or a file. Default: none for quick, else imagenet."),
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(
        "--precision",
        help="Of the baseline, not of the painting. auto takes bf16 where the device is faster with it; another gives "
        "results and a table of their own.",
    ),
]
EpochsOption = Annotated[int | None, typer.Option("--epochs", min=1, help="Without it: the recipe's.")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="Train each set with so many seeds, from 0 on.")]
ControlsOption = Annotated[
    str | None,
    typer.Option(
        "--controls",
        help="Train on these too: none-matched (the reduced set for as many iterations as the full one), duplicate, "
        "source-copy, flip (missing images replaced by kept ones of the person); comma between, or all.",
    ),
]
_CARE = "Using generated images with care (off by default)"
SmoothOption = Annotated[
    float | None,
    typer.Option(
        "--smooth-synthetic",
        min=0.0,
        max=0.99,
        rich_help_panel=_CARE,
        help="Label smoothing of generated images, above the recipe's own.",
    ),
]
RatioOption = Annotated[
    float | None,
    typer.Option(
        "--real-per-synthetic",
        min=0.0,
        rich_help_panel=_CARE,
        help="Real images for each generated one in a batch; 0: off.",
    ),
]
WeightOption = Annotated[
    float | None,
    typer.Option(
        "--synthetic-weight",
        min=0.0,
        rich_help_panel=_CARE,
        help="Weight of a generated image in the losses; a real one has 1.",
    ),
]
SaveModelsOption = Annotated[
    bool,
    typer.Option(
        "--save-models",
        help="Keep each trained network in STUDY/models/, and its features in STUDY/features/, for `reidaug ranks` and "
        "--rerank; results made without it are trained again.",
    ),
]
RerankOption = Annotated[
    bool,
    typer.Option(
        "--rerank",
        help="Score with k-reciprocal re-ranking too (Zhong et al., CVPR 2017); from saved features, where there are "
        "any, else the set is trained again.",
    ),
]

# reidaug ranks
RankSetOption = Annotated[
    str | None, typer.Option("--set", help="Training set of the result: none, full, pona or another of the table.")
]
RankPortionOption = Annotated[
    str | None, typer.Option("--portion", help="Portion of the result, such as 0.4; 1 for the full set.")
]
RankSeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the result.")]
RankKeyOption = Annotated[
    str | None, typer.Option("--key", help="Key of the result, where set, portion and seed do not single it out.")
]
QueryOption = Annotated[list[str] | None, typer.Option("--query", help="File name of a query; may be repeated.")]
WorstOption = Annotated[
    int | None, typer.Option("--worst", min=1, max=100, help="So many queries of the lowest AP (default 10).")
]
BestOption = Annotated[int | None, typer.Option("--best", min=1, max=100, help="So many queries of the highest AP.")]
