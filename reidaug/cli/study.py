"""The main job, and the sweep that repeats it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from reidaug.cli.console import print_json, progress, say, stdout
from reidaug.cli.frame import reports_errors, show_table
from reidaug.cli.options import (
    DEFAULT_STUDY,
    ArchOption,
    CheckpointOption,
    ControlsOption,
    CopyOption,
    DataOption,
    DebugOption,
    DeviceOption,
    DrawOption,
    EpochsOption,
    JsonOption,
    KeepOption,
    PortionOption,
    PrecisionOption,
    RatioOption,
    RecipeOption,
    RerankOption,
    SaveModelsOption,
    SeedsOption,
    SmoothOption,
    SourceOption,
    StudyOption,
    WeightOption,
    WeightsOption,
)


@reports_errors
def shrink(
    portion: Annotated[str, typer.Option(help="The share of training images to keep: 0.01 to 0.99, two decimals.")],
    data: DataOption = None,
    study: StudyOption = DEFAULT_STUDY,
    keep: KeepOption = "per-identity",
    source: SourceOption = "nearest",
    seed: DrawOption = 0,
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
    from reidaug.study.folder import Study, parse_portion, resolve_data
    from reidaug.study.shrink import ShrinkConfig, shrink, shrink_summary

    config = ShrinkConfig(parse_portion(portion), keep, source, seed)
    the_study = Study(study)
    result = shrink(resolve_data(data, the_study), the_study, config, copy=copy, force=force)
    if json:
        print_json(result.values())
    else:
        stdout().print(shrink_summary(result))


@reports_errors
def synthesize(
    ckpt: CheckpointOption,
    study: StudyOption = DEFAULT_STUDY,
    portion: PortionOption = None,
    name: Annotated[str, typer.Option(help="Name of the image set: its folder and its row in the table.")] = "pona",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 32,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        typer.Option(
            help="auto takes bf16 where the device is faster with it; a grey level in some pixels differs. fp16 is for "
            "GPUs without bf16."
        ),
    ] = "auto",
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
    from reidaug.study.folder import Study, chosen_portions
    from reidaug.synthesis.completed_set import SynthesisOptions
    from reidaug.synthesis.painter import checkpoint_file
    from reidaug.synthesis.synthesize import synthesize

    options = SynthesisOptions(
        name=name, batch_size=batch_size, copy=copy, force=force, device=device, precision=precision
    )
    the_study = Study(study)
    reports = []
    for each in chosen_portions(the_study, portion):
        with progress(f"painting, p = {each:.2f}") as advance:
            reports.append(synthesize(the_study, each, checkpoint_file(ckpt), options, advance))
        if not json:
            stdout().print(reports[-1].sentence())
    if json:
        print_json({"sets": [each.values() for each in reports]})


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
    baseline_precision: PrecisionOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train and score the re-ID baseline on every training set of the study and on the full set; print the mAP table.

    Says first what will be trained, where, and about how long it takes. A result is kept under its data and
    configuration in STUDY/results.jsonl, so a second run does only what is missing. Default recipe: paper with ImageNet
    weights on a GPU, else quick.
    """
    from reidaug.evaluation.evaluate import evaluate_study
    from reidaug.evaluation.request import EvaluationRequest
    from reidaug.study.controls import parse_controls
    from reidaug.study.folder import Study

    request = EvaluationRequest(
        portion=portion,
        recipe=recipe,
        arch=arch,
        weights=weights,
        epochs=epochs,
        seeds=seeds,
        device=device,
        precision=baseline_precision,
        controls=parse_controls(controls),
        care=_care(smooth_synthetic, real_per_synthetic, synthetic_weight),
        save_models=save_models,
        rerank=rerank,
    )
    rows = evaluate_study(Study(study), request, progress=progress, say=say)
    show_table(rows, "json" if json else "rich", Study(study))


@reports_errors
def sweep(
    portions: Annotated[str, typer.Option(help="Portions to keep, comma between.")] = "0.2,0.4,0.6,0.8",
    ckpt: Annotated[
        list[Path] | None,
        typer.Option(
            "--ckpt", help="A generator, or `shipped`; may be repeated. Its file's name becomes the row in the table."
        ),
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
    smooth_synthetic: SmoothOption = None,
    real_per_synthetic: RatioOption = None,
    synthetic_weight: WeightOption = None,
    save_models: SaveModelsOption = False,
    rerank: RerankOption = False,
    seed: DrawOption = 0,
    copy: CopyOption = False,
    device: DeviceOption = "auto",
    baseline_precision: PrecisionOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Shrink, synthesize and evaluate for several portions and generators: the paper's Table VI in one command.

    Says first what will be done and about how long it takes; run it again and it does only what is missing. Under
    torchrun or as a SLURM array on one study, each process does its share of the baselines.
    """
    from reidaug.evaluation.request import EvaluationRequest
    from reidaug.evaluation.sweep import SweepRequest, parse_portions
    from reidaug.evaluation.sweep import sweep as run_sweep
    from reidaug.study.controls import parse_controls
    from reidaug.study.folder import Study, resolve_data
    from reidaug.study.shrink import ShrinkConfig

    wanted = parse_portions(portions)
    evaluation = EvaluationRequest(
        recipe=recipe,
        arch=arch,
        weights=weights,
        epochs=epochs,
        seeds=seeds,
        device=device,
        precision=baseline_precision,
        controls=parse_controls(controls),
        care=_care(smooth_synthetic, real_per_synthetic, synthetic_weight),
        save_models=save_models,
        rerank=rerank,
    )
    request = SweepRequest(wanted, tuple(ckpt or ()), ShrinkConfig(wanted[0], keep, source, seed), evaluation, copy)
    the_study = Study(study)
    rows = run_sweep(the_study, resolve_data(data, the_study), request, progress, say)
    show_table(rows, "json" if json else "rich", the_study)


def _care(smoothing: float | None, ratio: float | None, weight: float | None) -> dict[str, float | None]:
    """How a baseline treats generated images, under the names of `reid_baseline.Recipe`."""
    return {"synthetic_smoothing": smoothing, "real_per_synthetic": ratio, "synthetic_weight": weight}
