"""Commands about the generator: train one, measure one."""

from pathlib import Path
from typing import Annotated

import typer

from reidaug.cli.console import print_json, progress, say, stdout
from reidaug.cli.frame import report, reports_errors
from reidaug.cli.options import (
    DEFAULT_STUDY,
    AdversarialOption,
    AverageOption,
    BlocksOption,
    CheckpointOption,
    ColorJitterOption,
    CompileOption,
    CrossAttentionOption,
    DataOption,
    DebugOption,
    DeviceOption,
    DevicesOption,
    DiscriminatorOption,
    DropoutOption,
    EveryOption,
    FusionOption,
    IterationsOption,
    JsonOption,
    LearningRateOption,
    MinutesOption,
    PairsOption,
    PerceptualOption,
    PresetOption,
    SeedOption,
    SelfAttentionOption,
    StartFromOption,
    StudyOption,
    TensorboardOption,
    TrainBatchOption,
    TrainPortionOption,
    TrainPrecisionOption,
    VggOption,
    WidthOption,
)


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
    perceptual: PerceptualOption = None,
    vgg_weights: VggOption = None,
    dropout: DropoutOption = None,
    color_jitter: ColorJitterOption = None,
    iterations: IterationsOption = None,
    minutes: MinutesOption = None,
    batch_size: TrainBatchOption = None,
    training_precision: TrainPrecisionOption = None,
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
    with as many tasks, each of which sees all GPUs of its machine. The batch stays as large as on one and is shared;
    each process holds all images in memory.
    """
    from reidaug.reports.monitor import Monitor
    from reidaug.synthesis.train import TrainRequest, is_first_process, train_generator

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
            "color_jitter": color_jitter,
            "iterations": iterations,
            "minutes": minutes,
            "batch_size": batch_size,
            "precision": training_precision,
            "learning_rate": learning_rate,
            "ema": ema,
            "validate_every": validate_every,
            "seed": seed,
        },
    )
    first = is_first_process()
    with progress("training the generator", shown=first) as advance:
        watch = Monitor(out, say, advance, tensorboard) if first else None
        summary = train_generator(request, say=say, watch=watch)
    if summary is not None:
        report(summary, json)


@reports_errors
def score(
    ckpt: Annotated[Path | None, typer.Option("--ckpt", help="A generator, or `shipped`.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a generator: a folder of images that any model painted, named CONDITION___TARGET.png, or "
            "a set that `reidaug synthesize` completed."
        ),
    ] = None,
    data: DataOption = None,
    study: StudyOption = DEFAULT_STUDY,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="CSV of the pairs (columns from,to). Without it: those of the set's manifest, else the test pairs, of "
            "which Market-1501 has 12,000 published ones."
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Draw so many of the pairs. Without it: all.")] = None,
    reid: Annotated[
        Path | None, typer.Option(help="For identity similarity: a network that `reidaug evaluate --save-models` kept.")
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(help="For PCKh: keypoints found in the generated images (`reidaug pose`, COCO's JSON, OpenPose)."),
    ] = None,
    pose_model: Annotated[
        str | None, typer.Option(help="For PCKh: a ViTPose that finds them, a folder or its name at huggingface.co.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder for per-image.csv, worst.png and best.png.")
    ] = None,
    save_images: Annotated[
        Path | None, typer.Option(help="A folder for the images that are measured, as CONDITION___TARGET.png.")
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure how near generated images come to the true ones, beside what costs nothing.

    SSIM, mask-SSIM, IS, mask-IS, PSNR, PCKh, LPIPS, FID, L1 and identity similarity; docs/measuring.md tells what to
    know before they are held against the figures of papers. The same for the condition image itself (copy), the mean
    training image and the true image (real).

    What needs a network that is not here says which file goes where, and the rest is printed. IS, FID and LPIPS need
    `pip install 'reidaug[metrics]'`.
    """
    from reidaug.core.files import check_out
    from reidaug.scoring.report import score_table, score_values, write_details
    from reidaug.scoring.score import ScoreRequest
    from reidaug.scoring.score import score as measure
    from reidaug.study.folder import Study, look_for_images
    from reidaug.synthesis.painter import checkpoint_file

    request = ScoreRequest(
        checkpoint=ckpt and checkpoint_file(ckpt),
        images=images,
        pairs=pairs,
        count=count,
        seed=seed,
        reid=reid,
        poses=poses,
        pose_model=pose_model,
        save_images=save_images,
        device=device,
    )
    for folder in (out, save_images):
        if folder is not None:
            check_out(folder, folder=True)
    source = look_for_images(data, Study(study))
    with progress("measuring pairs") as advance:
        found = measure(source, request, advance)
    if json:
        print_json(score_values(found))
    else:
        stdout().print(score_table(found))
    for path in write_details(source, found, out) if out is not None else []:
        say(f"written: {path}")


@reports_errors
def profile(
    ckpt: CheckpointOption,
    size: Annotated[
        list[str] | None,
        typer.Option("--size", help="HEIGHTxWIDTH in pixels; may be repeated. Without it: 128x64 and 256x176."),
    ] = None,
    batch_size: Annotated[
        list[int] | None,
        typer.Option("--batch-size", min=1, help="Images at a time; may be repeated. Without it: 1 and 8."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="Time of each figure, at least.")] = 2.0,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure what a generator costs, as in the paper's Table II: parameters, multiply-adds, speed and memory.

    fp32 eager is the network as it was trained, fast what `reidaug synthesize` does: BN folded into the convolutions,
    channels last, bf16 where the device is faster with it; and fast for several poses of one person, who is encoded
    once. Preparing data is not in the times, as in the paper.
    """
    from reidaug.cli.render import profile_table, profile_values
    from reidaug.synthesis.painter import checkpoint_file
    from reidaug.synthesis.profile import parse_size, profile_generator

    sizes = [parse_size(each) for each in size or ("128x64", "256x176")]
    with progress("measuring") as advance:
        found = profile_generator(checkpoint_file(ckpt), sizes, batch_size or [1, 8], device, seconds, advance)
    if json:
        print_json(profile_values(found))
    else:
        stdout().print(profile_table(found))
