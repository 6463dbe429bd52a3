"""The command line: each command parses, calls one function and prints. Nothing else prints, asks or exits."""

import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer

from reidaug import __version__
from reidaug.console import duration, print_json, progress, say, stdout
from reidaug.errors import ReidAugError
from reidaug.options import (
    AdversarialOption,
    ArchOption,
    AverageOption,
    BestOption,
    BlocksOption,
    CheckpointOption,
    CompileOption,
    ControlsOption,
    CopyOption,
    CrossAttentionOption,
    DataOption,
    DebugOption,
    DeviceOption,
    DevicesOption,
    DiscriminatorOption,
    DropoutOption,
    EpochsOption,
    EveryOption,
    FusionOption,
    IterationsOption,
    JsonOption,
    KeepOption,
    LearningRateOption,
    MinutesOption,
    PairsOption,
    PerceptualOption,
    PortionOption,
    PresetOption,
    QueryOption,
    RankKeyOption,
    RankPortionOption,
    RankSeedOption,
    RankSetOption,
    RatioOption,
    RecipeOption,
    RerankOption,
    SaveModelsOption,
    SeedOption,
    SeedsOption,
    SelfAttentionOption,
    SmoothOption,
    SourceOption,
    Split,
    StartFromOption,
    TableFormat,
    TensorboardOption,
    TrainBatchOption,
    TrainPortionOption,
    VggOption,
    WeightOption,
    WeightsOption,
    WidthOption,
    WorstOption,
)

app = typer.Typer(
    name="reidaug",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Give a person re-identification training set the images that it lacks, and measure what they are worth.\n\n"
        "The main job is three commands, each going on where an earlier run stopped:\n\n"
        "    reidaug shrink --portion 0.4        keep 40 %, plan the missing images\n\n"
        "    reidaug synthesize --ckpt pona.pt   paint the missing images\n\n"
        "    reidaug evaluate                    train and score a re-ID network\n\n"
        "`reidaug demo` runs all of it on rendered people, with nothing to download."
    ),
)

Parameters = ParamSpec("Parameters")


def reports_errors(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Turns what the user can mend into one line and exit code 1, and Ctrl-C into 130."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            say("interrupted: run the same command again to go on from here")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # `reidaug table | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except typer.Exit:
            raise
        except Exception as error:
            if kwargs.get("debug"):
                raise
            say(f"error: {one_line(error)}")
            raise typer.Exit(1) from None

    return wrapped


def one_line(error: Exception) -> str:
    """The error as one line; what is not the user's to mend is named as such, without its own long text."""
    if isinstance(error, ReidAugError) or type(error).__name__ in ("PoNAError", "ReIDError"):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "free some room and run the same command again" if full else "check the path and its permissions"
        return f"{where}{error.strerror}: {mend}"
    if isinstance(error, MemoryError) or "not enough memory" in str(error) or "out of memory" in str(error):
        return "out of memory: give a smaller --batch-size or use a machine with more memory"
    first = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
    return f"unexpected {type(error).__name__}: {first[:200]} (run again with --debug for the whole trace)"


def load_settings(context: typer.Context, study: Path) -> Path:
    """Puts the values of ``study.toml`` below flags and environment, and above the defaults."""
    from reidaug.study import Study

    try:
        settings = Study(study).read_settings()
        commands = getattr(context.find_root().command, "commands", {})
        known = {str(option.name) for command in commands.values() for option in command.params}
        if unknown := sorted(set(settings) - known):
            raise ReidAugError(
                f"{Study(study).settings_path} holds {', '.join(unknown)}: expected names of options, such as seed"
            )
    except (ReidAugError, OSError) as error:
        say(f"error: {one_line(error)}")
        raise typer.Exit(1) from None
    context.default_map = {name: value for name, value in settings.items() if name != "data"}
    return study


StudyOption = Annotated[
    Path,
    typer.Option(
        "--study",
        envvar="REIDAUG_STUDY",
        is_eager=True,
        callback=load_settings,
        help="The study folder: plans, image sets and results. Its study.toml may hold any option, as in seed = 1.",
    ),
]
DEFAULT_STUDY = Path("study")


def show_version(wanted: bool) -> None:
    if wanted:
        print(f"reidaug {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
@reports_errors
def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the demo writes everything.")] = Path("reidaug-demo"),
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the whole job on rendered people with the shipped generator: nothing to download, some 4 minutes on 2 cores.

    Renders a data set, keeps 40 % of it, paints the missing images, trains and scores a re-ID network on the kept, the
    completed and the full set, prints the table, and writes demo.png: condition, target pose, generated and real image.
    Run it again after an interruption and it goes on.
    """
    from reidaug.demo import run_demo

    result = run_demo(out, device=device, progress=progress, say=say)
    show_table(result.rows, "json" if json else "rich", result.study)
    say(f"picture: {result.picture}   folder: {out}   all of it took {duration(result.seconds)}")
    say(f"what must be beaten too: reidaug evaluate --study {result.study.path} {result.again} --controls all")


@app.command()
@reports_errors
def mannequins(
    out: Annotated[Path, typer.Argument(help="The new Market-1501 root.")],
    train_ids: Annotated[int, typer.Option(min=2, help="Identities for training.")] = 100,
    test_ids: Annotated[int, typer.Option(min=2, help="Other identities for query and gallery.")] = 50,
    images: Annotated[int, typer.Option(min=4, help="Images of each identity.")] = 12,
    cameras: Annotated[int, typer.Option(min=2, max=6, help="Cameras.")] = 6,
    seed: SeedOption = 0,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the embedded data set: rendered people with exact keypoints, as a Market-1501 root with its keypoint CSVs.

    The same seed gives the same bytes; other seeds give other people.
    """
    from reidaug.mannequins import MannequinConfig, write_mannequins

    config = MannequinConfig(train_ids=train_ids, test_ids=test_ids, images=images, cameras=cameras, seed=seed)
    with progress("rendering people") as advance:
        path = write_mannequins(out, config, advance)
    report({"data": str(path), "train_ids": train_ids, "test_ids": test_ids, "images": images, "seed": seed}, json)


@app.command()
@reports_errors
def inspect(
    data: Annotated[Path, typer.Argument(help="The Market-1501 root.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Count what a data set holds and name every problem in it, before hours of work hang on it.

    Exit code 1 if there is a problem that would stop or falsify the work.
    """
    from reidaug.inspection import inspect_dataset
    from reidaug.reports import inspection_table, inspection_values

    with progress("reading images") as advance:
        inspection = inspect_dataset(data, advance)
    if json:
        print_json(inspection_values(inspection))
    else:
        stdout().print(inspection_table(inspection))
    if inspection.errors:
        raise typer.Exit(1)


@app.command()
@reports_errors
def pairs(
    data: Annotated[Path, typer.Argument(help="The Market-1501 root, or a folder with its keypoint CSVs.")],
    split: Annotated[Split, typer.Option(help="Which keypoint file.")],
    out: Annotated[Path, typer.Option(help="The CSV to write: columns from,to.")],
    count: Annotated[int | None, typer.Option(min=1, help="Draw so many pairs. Without it: all.")] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the (condition, target) pairs that a generator is trained or tested on, as the public code counts them.

    All ordered pairs of one identity among images with both shoulders and both hips. `--split test --count 12000`
    gives the published test pairs of Market-1501, in their order.
    """
    from reidaug.pairs import pairs_file

    written, possible = pairs_file(data, split, out, count, seed)
    report({"pairs": written, "possible": possible, "out": str(out)}, json)


@app.command()
@reports_errors
def train(
    out: Annotated[
        Path, typer.Option(help="The checkpoint to write, such as pona.pt; what belongs to it lies beside.")
    ],
    data: DataOption = None,
    study: StudyOption = DEFAULT_STUDY,
    portion: TrainPortionOption = None,
    pairs: PairsOption = None,
    preset: PresetOption = "market",
    start_from: StartFromOption = None,
    width: WidthOption = None,
    blocks: BlocksOption = None,
    fusion: FusionOption = None,
    self_attention: SelfAttentionOption = None,
    cross_attention: CrossAttentionOption = None,
    discriminator: DiscriminatorOption = None,
    adversarial: AdversarialOption = None,
    perceptual: PerceptualOption = "vgg19",
    vgg_weights: VggOption = None,
    dropout: DropoutOption = None,
    iterations: IterationsOption = None,
    minutes: MinutesOption = None,
    batch_size: TrainBatchOption = None,
    learning_rate: LearningRateOption = None,
    ema: AverageOption = None,
    validate_every: EveryOption = None,
    tensorboard: TensorboardOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    devices: DevicesOption = None,
    compiled: CompileOption = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a PoNA generator; run again after an interruption and it goes on.

    Protocol `paper` trains on all training images, also those that a study takes away. With --portion (protocol
    `strict`) it sees the kept images of that portion only. The checkpoint records what it saw, and tables say so.

    With --out pona.pt: pona.pt is the newest generator and can be used at any time, pona.best.pt the one with the
    lowest L1 on people of the test split, whom it never sees. pona.pt.jsonl is the log; pona.pt.pictures/ shows what is
    painted of these people; pona.pt.last is what an interrupted training goes on from.

    With --preset deepfashion, --data is the public DeepFashion folder: train/, fasion-resize-annotation-train.csv and
    fasion-resize-pairs-train.csv, and for validation the same of test.

    Several GPUs: --devices N, or on one or more machines `torchrun --nproc-per-node N -m reidaug train ...`, or srun
    with as many tasks. The batch stays as large as on one and is shared; each process holds all images in memory.
    """
    from pona.launch import is_first_process
    from reidaug.train import TrainRequest, train_generator

    request = TrainRequest(
        out=out,
        data=data,
        study=study,
        portion=portion,
        pairs=pairs,
        preset=preset,
        start_from=start_from,
        perceptual=perceptual,
        vgg_weights=vgg_weights,
        tensorboard=tensorboard,
        device=device,
        devices=devices,
        compiled=compiled,
        changes={
            "width": width,
            "blocks": blocks,
            "fusion": fusion,
            "self_attention": self_attention,
            "cross_attention": cross_attention,
            "discriminator_variant": discriminator,
            "adversarial": adversarial,
            "dropout": dropout,
            "iterations": iterations,
            "minutes": minutes,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "ema": ema,
            "validate_every": validate_every,
            "seed": seed,
        },
    )
    with progress("training the generator", shown=is_first_process()) as advance:
        summary = train_generator(request, say=say, advance=advance)
    if summary is not None:
        report(summary, json)


@app.command()
@reports_errors
def shrink(
    portion: Annotated[str, typer.Option(help="The share of training images to keep: 0.01 to 0.99, two decimals.")],
    data: DataOption = None,
    study: StudyOption = DEFAULT_STUDY,
    keep: KeepOption = "per-identity",
    source: SourceOption = "nearest",
    seed: SeedOption = 0,
    copy: CopyOption = False,
    force: Annotated[bool, typer.Option("--force", help="Replace this portion and all of its image sets.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Keep a portion of the training images and plan the missing ones.

    Writes STUDY/p0.40/plan.csv (each missing image with its condition image: every generator works from the same plan)
    and STUDY/p0.40/none/, the reduced set as a whole Market-1501 root. For one seed a smaller portion is part of a
    larger one.
    """
    from reidaug.reports import shrink_summary
    from reidaug.shrink import ShrinkConfig, shrink
    from reidaug.study import Study, parse_portion, resolve_data

    config = ShrinkConfig(parse_portion(portion), keep, source, seed)
    the_study = Study(study)
    result = shrink(resolve_data(data, the_study), the_study, config, copy=copy, force=force)
    if json:
        print_json(result.values())
    else:
        stdout().print(shrink_summary(result))


@app.command()
@reports_errors
def synthesize(
    ckpt: CheckpointOption,
    study: StudyOption = DEFAULT_STUDY,
    portion: PortionOption = None,
    name: Annotated[str, typer.Option(help="Name of the image set: its folder and its row in the table.")] = "pona",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 32,
    copy: CopyOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the set if it was made with another generator.")
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Paint the missing images of every portion of the study, or of one, and complete the training set with them.

    Writes STUDY/p0.40/NAME/Market-1501-v15.09.15/: kept images byte for byte, each missing image under its own name,
    query and gallery, the keypoint CSVs and manifest.csv. Run it under torchrun or as a SLURM array and each process
    does its share.
    """
    from reidaug.study import Study, chosen_portions
    from reidaug.synthesize import SynthesisOptions, synthesize

    options = SynthesisOptions(name=name, batch_size=batch_size, copy=copy, force=force, device=device)
    the_study = Study(study)
    reports = []
    for each in chosen_portions(the_study, portion):
        with progress(f"painting, p = {each:.2f}") as advance:
            reports.append(synthesize(the_study, each, ckpt, options, advance))
        if not json:
            stdout().print(reports[-1].sentence())
    if json:
        print_json({"sets": [each.values() for each in reports]})


@app.command()
@reports_errors
def evaluate(
    study: StudyOption = DEFAULT_STUDY,
    portion: PortionOption = None,
    recipe: RecipeOption = None,
    arch: ArchOption = "resnet50",
    weights: WeightsOption = None,
    epochs: EpochsOption = None,
    seeds: SeedsOption = 1,
    controls: ControlsOption = None,
    smooth_synthetic: SmoothOption = None,
    real_per_synthetic: RatioOption = None,
    synthetic_weight: WeightOption = None,
    save_models: SaveModelsOption = False,
    rerank: RerankOption = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train and score the re-ID baseline on every training set of the study and on the full set; print the mAP table.

    Says first what will be trained, where, and about how long it takes. A result is kept under its data and
    configuration in STUDY/results.jsonl, so a second run does only what is missing. Default recipe: paper with ImageNet
    weights on a GPU, else quick.
    """
    from reidaug.controls import parse_controls
    from reidaug.evaluate import EvaluationRequest, evaluate_study
    from reidaug.study import Study

    request = EvaluationRequest(
        portion=portion,
        recipe=recipe,
        arch=arch,
        weights=weights,
        epochs=epochs,
        seeds=seeds,
        device=device,
        controls=parse_controls(controls),
        care={
            "synthetic_smoothing": smooth_synthetic,
            "real_per_synthetic": real_per_synthetic,
            "synthetic_weight": synthetic_weight,
        },
        save_models=save_models,
        rerank=rerank,
    )
    rows = evaluate_study(Study(study), request, progress=progress, say=say)
    show_table(rows, "json" if json else "rich", Study(study))


@app.command()
@reports_errors
def sweep(
    portions: Annotated[str, typer.Option(help="Portions to keep, comma between.")] = "0.2,0.4,0.6,0.8",
    ckpt: Annotated[
        list[Path] | None, typer.Option("--ckpt", help="A generator; give it several times to compare several.")
    ] = None,
    data: DataOption = None,
    study: StudyOption = DEFAULT_STUDY,
    keep: KeepOption = "per-identity",
    source: SourceOption = "nearest",
    recipe: RecipeOption = None,
    arch: ArchOption = "resnet50",
    weights: WeightsOption = None,
    epochs: EpochsOption = None,
    seeds: SeedsOption = 3,
    controls: ControlsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Shrink, synthesize and evaluate for several portions and generators: the paper's Table VI in one command.

    Says first what will be done and about how long it takes; run it again and it does only what is missing. Under
    torchrun or as a SLURM array on one study, each process does its share of the training sets.
    """
    from reidaug.controls import parse_controls
    from reidaug.evaluate import EvaluationRequest
    from reidaug.shrink import ShrinkConfig
    from reidaug.study import Study, resolve_data
    from reidaug.sweep import SweepRequest, parse_portions
    from reidaug.sweep import sweep as run_sweep

    wanted = parse_portions(portions)
    evaluation = EvaluationRequest(
        recipe=recipe,
        arch=arch,
        weights=weights,
        epochs=epochs,
        seeds=seeds,
        device=device,
        controls=parse_controls(controls),
    )
    request = SweepRequest(wanted, tuple(ckpt or ()), ShrinkConfig(wanted[0], keep, source, seed), evaluation)
    the_study = Study(study)
    rows = run_sweep(the_study, resolve_data(data, the_study), request, progress, say)
    show_table(rows, "json" if json else "rich", the_study)


@app.command()
@reports_errors
def table(
    study: StudyOption = DEFAULT_STUDY,
    format: Annotated[TableFormat, typer.Option(help="How to write it.")] = "rich",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the mAP table again, from the results of the study."""
    from reidaug.study import Study

    show_table(results_of(study), "json" if json else format, Study(study))


@app.command()
@reports_errors
def plot(
    study: StudyOption = DEFAULT_STUDY,
    out: Annotated[Path, typer.Option(help="The picture; written as PNG and as SVG.")] = Path("map.png"),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw mAP over the kept portion, from the results of the study; bands are one deviation over seeds."""
    from reidaug.plot import plot_results

    files = plot_results(results_of(study), out)
    report({"files": [str(path) for path in files]}, json)


@app.command()
@reports_errors
def ranks(
    out: Annotated[Path, typer.Option("--out", help="The PNG to write.")] = Path("ranks.png"),
    study: StudyOption = DEFAULT_STUDY,
    set_name: RankSetOption = None,
    portion: RankPortionOption = None,
    of_seed: RankSeedOption = None,  # not `seed`, which study.toml may set for random draws
    key: RankKeyOption = None,
    query: QueryOption = None,
    worst: WorstOption = None,
    best: BestOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw what a trained baseline finds: a query in each row, and its first ten gallery images.

    A green frame is the query's person, a red one another; junk and images of the person by the query's own camera are
    left out, as in the score. It takes the features that `reidaug evaluate --save-models` keeps, and trains nothing.
    """
    from reidaug.ranks import RanksRequest, draw_ranks
    from reidaug.study import Study

    request = RanksRequest(set_name, portion, of_seed, key, tuple(query or ()), worst, best)
    row, ranked = draw_ranks(Study(study), request, out)
    if json:
        names = ("set", "portion", "seed", "key")
        print_json({"out": str(out), **{name: row[name] for name in names}, "queries": [q.values() for q in ranked]})
    else:
        report({"queries": len(ranked), "out": str(out)}, json)


@app.command()
@reports_errors
def doctor(json: JsonOption = False, debug: DebugOption = False) -> None:
    """Tell what is installed, which devices there are, what is missing and how to mend it."""
    from reidaug.doctor import examine
    from reidaug.reports import doctor_table, doctor_values

    checks = examine()
    if json:
        print_json(doctor_values(checks))
    else:
        stdout().print(doctor_table(checks))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def results_of(study: Path) -> list[dict[str, Any]]:
    """The newest result of each cell of a study."""
    from reidaug.results import current_results, read_results
    from reidaug.study import Study

    rows = current_results(read_results(Study(study).results_path))
    if not rows:
        raise ReidAugError(f"no results in {study}: run `reidaug evaluate` first, or name the study with --study")
    return rows


def show_table(rows: list[dict[str, Any]], format: TableFormat, study: Any) -> None:
    """Prints result rows of a study in the wanted format on stdout."""
    from reidaug.table import format_table

    if format == "json":
        print_json({"rows": rows})
    elif format == "rich":
        stdout().print(format_table(rows, "rich", study.queries_path))
    else:
        print(format_table(rows, format, study.queries_path))


def report(values: dict[str, Any], as_json: bool) -> None:
    """A short result: one JSON object, or one ``name: value`` line each."""
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        print(f"{name.replace('_', ' ')}: {value}")


def main() -> None:
    """The console script."""
    app()
