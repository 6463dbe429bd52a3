"""The commands of the main job, and the sweep that repeats it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from reidaug.cli.console import draw, print_json, progress, say
from reidaug.cli.frame import command, report, show, show_table
from reidaug.cli.options import Json
from reidaug.core.errors import ReidAugError
from reidaug.core.options import (
    DEFAULT_STUDY,
    OUTPUT,
    Copy,
    DataRoot,
    LeaveOut,
    OnePortion,
    Option,
    StudyCheckpoint,
    StudyFolder,
)
from reidaug.core.progress import Say
from reidaug.demo.request import AdaptRequest
from reidaug.evaluation.request import EvaluationRequest, SweepRequest
from reidaug.study.request import AugmentConfig, ShrinkConfig
from reidaug.synthesis.request import AUGMENTED, AdoptRequest, SynthesisOptions

if TYPE_CHECKING:
    from reidaug.evaluation.results import Result
    from reidaug.study.folder import Study


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

    with progress("reading images") as advance:
        root = resolve_data(data, Study(study))
        result = shrink(root, Study(study), config, copy=copy, force=force, advance=advance)
    show(shrink_summary(result), result.values(), json)


@command
def synthesize(
    *,
    ckpt: StudyCheckpoint,
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
    from reidaug.synthesis.painter import checkpoint_of
    from reidaug.synthesis.synthesize import synthesize

    reports = []
    for p in chosen_portions(Study(study), portion):
        with progress(f"generating, p = {p:.2f}") as advance:
            checkpoint = checkpoint_of(ckpt, Study(study), p)
            reports.append(synthesize(Study(study, data), p, checkpoint, options, advance))
        if not json:
            draw(reports[-1].sentence())
    if json:
        print_json({"sets": [report.values() for report in reports]})


@command
def augment(
    *,
    ckpt: StudyCheckpoint,
    config: AugmentConfig,
    out: Annotated[
        Path | None,
        Option(
            "The new Market-1501 root: the whole data set and its new images. Without it: those of the study are "
            "augmented.",
            short="-o",
            metavar="FOLDER",
        ),
    ] = None,
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    portion: OnePortion = None,
    options: SynthesisOptions = AUGMENTED,
    json: Json = False,
) -> None:
    """Add generated images of each person, in poses that the person lacks, to all images that there are.

    A pose is taken from an image of another person: of a kind that the person lacks or has least of, far from the
    person's own poses. A new image keeps the place and the light of the image that it is generated from, as far as the
    generator can; so its name has the camera of that image, with a frame number that this camera does not have.

    With --out it writes a data set again, as a whole Market-1501 root: every image byte for byte, the new ones, query
    and gallery, the keypoint CSVs, and manifest.csv, which names of each new image the condition image and the image
    that its pose is of:

        reidaug augment --data DATA --ckpt shipped --per-person 12 --out augmented

    Without --out it augments the kept images of a study, in poses of kept images alone: the set STUDY/p0.40/augmented/
    (--name). `evaluate` and `sweep` then measure it beside --controls with as many images or iterations as it has:

        reidaug augment --portion 0.4 --ckpt shipped --factor 2

    Run it again after an interruption, and it continues. Under torchrun or as a SLURM array, each process does its
    share. The same seed gives the same images.
    """
    say("loading the generator and the images")
    from reidaug.study.folder import Study, chosen_portions, resolve_data
    from reidaug.synthesis.augment import augment_data, augment_portion
    from reidaug.synthesis.painter import checkpoint_file, checkpoint_of

    reports = []
    if out is not None:
        if portion is not None:
            raise ReidAugError(f"--portion {portion} is of a study, and --out takes a whole data set: give one of them")
        with progress("generating") as advance:
            root = resolve_data(data, Study(study))
            reports.append(augment_data(root, out, config, checkpoint_file(ckpt), options, advance))
    else:
        if not Study(study).portions():
            raise ReidAugError(f"no --out, and no study at {study}: give --out FOLDER, or --study")
        for p in chosen_portions(Study(study), portion):
            with progress(f"generating, p = {p:.2f}") as advance:
                checkpoint = checkpoint_of(ckpt, Study(study), p)
                reports.append(augment_portion(Study(study, data), p, config, checkpoint, options, advance))
    text = "\n".join(each.sentence() for each in reports)
    show(text, {"sets": [each.values() for each in reports]}, json)


@command
def adopt(
    *,
    request: AdoptRequest,
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    portion: Annotated[
        str | None, Option("A portion of the study, such as 0.4. Without it: its only one.", short="-p", metavar="P")
    ] = None,
    json: Json = False,
) -> None:
    """Make a set of images that another program generated: `evaluate`, `sweep` and `table` give it a row of its own.

    FOLDER holds a file for each missing image of the portion (`kept` = 0 in STUDY/p0.40/plan.csv) under that image's
    name, in any ending, showing that person, in the size of the others. Where the plan has a copy, for lack of a pose,
    an image is welcome and not needed. Images under the names of kept ones are passed over.

    What the program was trained on is not known here: the table says so.
    """
    say(f"reading {request.folder}")
    from reidaug.study.folder import Study, chosen_portions
    from reidaug.synthesis.adopt import adopt

    portions = chosen_portions(Study(study), portion)
    if len(portions) > 1:
        raise ReidAugError(f"{study} has several portions: give --portion, such as {portions[0]:.2f}")
    with progress("writing images") as advance:
        values = adopt(Study(study, data), portions[0], request, advance, say)
    report(values, json)


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


@command
def adapt(
    *,
    request: AdaptRequest,
    out: Annotated[
        Path | None,
        Option(
            "Train on all training images, and write this checkpoint. Without it: on those of the study.", short="-o"
        ),
    ] = None,
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    portion: OnePortion = None,
    json: Json = False,
) -> None:
    """Train the shipped generator further on your photographs, so that it learns how their cameras see people.

    Without --out, on the kept images of one or all portions of the study, and on none of the missing ones: it writes
    STUDY/p0.40/generator/adapted.pt, with which `reidaug synthesize --ckpt adapted --name adapted` generates. With
    --out, on all training images, for `reidaug augment`:

        reidaug adapt --data DATA --out adapted.pt

    About 10 minutes on 2 cores with bfloat16, and the first time 12 minutes more for the network of
    `reidaug pretrain --recipe quick --arch resnet18`, which judges whether a person stays recognisable. Run it again
    after an interruption, and it continues.
    """
    say("loading torch")
    from reidaug.demo.adapt import adapt, adapt_portion
    from reidaug.study.folder import Study, chosen_portions
    from reidaug.synthesis.request import TrainRequest

    if out is not None:
        path = adapt(TrainRequest(out=out, data=data, study=study), request, progress, say)
        report({"checkpoint": str(path)}, json)
        return
    portions = chosen_portions(Study(study), portion)
    files = {f"{p:.2f}": str(adapt_portion(Study(study, data), p, request, progress, say)) for p in portions}
    report({"checkpoints": files, "use": "reidaug synthesize --ckpt adapted --name adapted"}, json)


def trained(request: EvaluationRequest, study: "Study", work: "Callable[[Say], list[Result]]") -> "list[Result]":
    """Does some work, which is given a `say`, after training what it needs if there is none yet.

    That is the network of rendered people, and the generators of portions. No line is said twice.
    """
    from reidaug.demo.adapt import adapt_portion
    from reidaug.demo.pretrain import pretrain
    from reidaug.evaluation.start import NotPretrainedError
    from reidaug.synthesis.painter import NotAdaptedError

    said: set[str] = set()

    def say_first(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    while True:
        try:
            return work(say_first)
        except NotPretrainedError:
            pretrain(request, progress, say)
        except NotAdaptedError as error:
            adapt_portion(study, error.portion, AdaptRequest(device=request.device), progress, say)


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

    home = Study(study, data)
    rows = trained(request, home, lambda say: evaluate_study(home, request, progress=progress, say=say))
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
    home = Study(study, data)
    rows = trained(request.evaluation, home, lambda say: sweep(home, root, request, progress, say))
    show_table(rows, "json" if json else "rich", Study(study))
