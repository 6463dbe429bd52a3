"""The commands of the main job, and the sweep that repeats it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from reidaug.cli.console import draw, print_json, progress, say
from reidaug.cli.frame import command, report, show, show_table
from reidaug.cli.options import Json
from reidaug.core.options import (
    DEFAULT_STUDY,
    OUTPUT,
    Checkpoint,
    Copy,
    DataRoot,
    LeaveOut,
    OnePortion,
    Option,
    StudyFolder,
)
from reidaug.core.progress import Say
from reidaug.evaluation.request import EvaluationRequest, SweepRequest
from reidaug.study.request import ShrinkConfig
from reidaug.synthesis.request import SynthesisOptions

if TYPE_CHECKING:
    from reidaug.evaluation.results import Result


@command
def shrink(
    *,
    config: ShrinkConfig,
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    copy: Copy = False,
    force: Annotated[bool, Option("Replace this portion and all of its image sets.", panel=OUTPUT)] = False,
    json: Json = False,
) -> None:
    """Keep a portion of the training images and plan the missing ones.

    Writes STUDY/p0.40/plan.csv (each missing image with its condition image: all generators follow the same plan) and
    STUDY/p0.40/none/, the reduced set as a complete Market-1501 root. With the same seed, a smaller portion is a subset
    of a larger one.
    """
    say("reading images and keypoints of the data set")
    from reidaug.study.folder import Study, resolve_data
    from reidaug.study.shrink import shrink, shrink_summary

    result = shrink(resolve_data(data, Study(study)), Study(study), config, copy=copy, force=force)
    show(shrink_summary(result), result.values(), json)


@command
def synthesize(
    *,
    ckpt: Checkpoint,
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    portion: OnePortion = None,
    options: SynthesisOptions,
    json: Json = False,
) -> None:
    """Generate the missing images of one or all portions of the study, and complete the training set with them.

    Writes STUDY/p0.40/NAME/Market-1501-v15.09.15/: the kept images byte for byte, each missing image under its original
    name, query and gallery, the keypoint CSVs and manifest.csv. Under torchrun or as a SLURM array, each process does
    its share.
    """
    say("loading the generator and the images of the study")
    from reidaug.study.folder import Study, chosen_portions
    from reidaug.synthesis.painter import checkpoint_file
    from reidaug.synthesis.synthesize import synthesize

    reports = []
    for p in chosen_portions(Study(study), portion):
        with progress(f"generating, p = {p:.2f}") as advance:
            reports.append(synthesize(Study(study, data), p, checkpoint_file(ckpt), options, advance))
        if not json:
            draw(reports[-1].sentence())
    if json:
        print_json({"sets": [report.values() for report in reports]})


@command
def pretrain(
    *,
    request: Annotated[
        EvaluationRequest,
        LeaveOut("portion", "epochs", "seeds", "controls", "care", "save_models", "rerank", "same_camera"),
    ],
    json: Json = False,
) -> None:
    """Train a network on the rendered people that the shipped generator knows, for others to start from.

    `evaluate` and `sweep` do it where --weights rendered or the control rendered-first needs it; this command does it
    beforehand. The network is kept in ~/.cache/reidaug, or in XDG_CACHE_HOME, one for each --recipe, --arch and
    --weights. With resnet18 it takes about 12 minutes on 2 cores with bfloat16.
    """
    say("loading torch")
    from reidaug.demo.pretrain import pretrain

    path = pretrain(request, progress, say)
    report({"weights": str(path), "use": "reidaug evaluate --weights rendered"}, json)


def pretrained(request: EvaluationRequest, work: "Callable[[Say], list[Result]]") -> "list[Result]":
    """Does some work, which is given a `say`, after pretraining the network that it needs if there is none yet."""
    from reidaug.demo.pretrain import pretrain
    from reidaug.evaluation.start import NotPretrainedError

    said: list[str] = []

    def say_first(line: str) -> None:
        said.append(line)
        say(line)

    try:
        return work(say_first)
    except NotPretrainedError:
        pretrain(request, progress, say)
        return work(lambda line: None if line in said else say(line))


@command
def evaluate(
    *, request: EvaluationRequest, data: DataRoot = None, study: StudyFolder = DEFAULT_STUDY, json: Json = False
) -> None:
    """Train and score the re-ID baseline on every training set of the study and on the full set; print the mAP table.

    Before it starts, it says what it will train, on which device, and about how long it takes. Results are stored in
    STUDY/results.jsonl with their data and configuration, so a second run does only what is missing. Default recipe:
    paper with ImageNet weights on a GPU, else quick.
    """
    say("reading the training sets of the study")
    from reidaug.evaluation.evaluate import evaluate_study
    from reidaug.study.folder import Study

    rows = pretrained(request, lambda say: evaluate_study(Study(study, data), request, progress=progress, say=say))
    show_table(rows, "json" if json else "rich", Study(study))


@command
def sweep(
    *, request: SweepRequest, data: DataRoot = None, study: StudyFolder = DEFAULT_STUDY, json: Json = False
) -> None:
    """Shrink, synthesize and evaluate for several portions and generators: the paper's Table VI in one command.

    Before it starts, it says what it will do and about how long it takes; a second run does only what is missing. Under
    torchrun or as a SLURM array on one study, each process does its share of the baselines.
    """
    say("loading the generators and the data set")
    from reidaug.evaluation.sweep import sweep
    from reidaug.study.folder import Study, resolve_data

    root = resolve_data(data, Study(study))
    rows = pretrained(request.evaluation, lambda say: sweep(Study(study, data), root, request, progress, say))
    show_table(rows, "json" if json else "rich", Study(study))
