"""Commands about the generator."""

from pathlib import Path
from typing import Annotated

import typer

from reidaug.commands.frame import report, reports_errors
from reidaug.console import progress, say
from reidaug.options import (
    DEFAULT_STUDY,
    AdversarialOption,
    AverageOption,
    BlocksOption,
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
