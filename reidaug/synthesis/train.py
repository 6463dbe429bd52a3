"""Train a generator on a Market-1501 folder, on the kept images of a study, or on DeepFashion."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from reidaug.core.errors import ReidAugError
from reidaug.core.files import check_file, check_out
from reidaug.core.left_overs import remove_half_files
from reidaug.core.locks import locked
from reidaug.core.progress import Say
from reidaug.core.shares import is_first
from reidaug.datasets.dataset import Dataset, Image
from reidaug.datasets.layouts import open_dataset
from reidaug.study.folder import Study, chosen_portions, resolve_data
from reidaug.synthesis.identity import load_identity_loss
from reidaug.synthesis.painter import checkpoint_file
from reidaug.synthesis.provenance import add_training_images, count_seen, describe_training_images, trained_on
from reidaug.synthesis.request import NETWORK_OPTIONS, TrainRequest
from reidaug.synthesis.training_data import TrainingData, deepfashion_data, market_data, mix

if TYPE_CHECKING:
    from pona.identity import IdentityLoss
    from pona.processes import Processes
    from pona.progress import TrainProgress
    from pona.train_config import TrainConfig

Watch = Callable[["TrainProgress"], None]
"""Gets each report of a training."""


def train_generator(request: TrainRequest, *, say: Say, watch: Watch | None) -> dict[str, object] | None:
    """Train a generator.

    Args:
        watch: gets each report of the training, in the first process.

    Returns:
        A summary of the checkpoint in plain values; None in all processes but the first.

    Raises:
        ReidAugError: as `market_data` and `deepfashion_data`, a study with DeepFashion, or nowhere to write.
        PoNAError: a missing perceptual loss, divergence, or a file that cannot be written.
    """
    check_files(request)
    from pona.errors import StoppedElsewhere
    from pona.launch import is_first_process, launch, said_once

    try:
        with said_once():
            config = _configuration(request)
            processes = launch(config, request.device, request.devices)
        with processes, processes.together():
            return _train(request, config, processes, say if processes.is_first else lambda line: None, watch)
    except StoppedElsewhere:
        return None
    except KeyboardInterrupt:
        if is_first_process():
            raise
        return None


def check_files(request: TrainRequest) -> None:
    """Checks, in the first process, that files can be read and written; imports no torch, which takes seconds.

    Raises:
        ReidAugError: a file or portion that is not there, or nowhere to write.
    """
    if not is_first(os.environ):
        return
    check_out(request.out)
    if request.start_from is not None:
        checkpoint_file(request.start_from)
    for path, option in (
        (request.vgg_weights, "--vgg-weights"),
        (request.identity, "--identity"),
        (request.pairs, "--pairs"),
        (request.mix, "--mix"),
        (request.data, "--data"),
    ):
        if path is not None:
            check_file(path, option)
    if request.portion is not None and request.preset != "deepfashion":
        chosen_portions(Study(request.study), request.portion)


def _train(
    request: TrainRequest, config: "TrainConfig", processes: "Processes", say: Say, watch: Watch | None
) -> dict[str, object] | None:
    import pona
    from pona.train import train

    if request.start_from is not None:
        request = replace(request, start_from=checkpoint_file(request.start_from))
    job = processes.every(lambda: _prepare(request, config, processes, say))
    with ExitStack() as stack:
        lock = request.out.with_name(f".{request.out.name}.lock")
        processes.first(lambda: stack.enter_context(locked(lock, f"the training of {request.out}")))
        processes.first(lambda: remove_half_files(request.out.parent))
        train(
            job.data.pose_images,
            config,
            request.out,
            validation=job.data.validation,
            trained_on=job.trained_on,
            protocol=job.protocol,
            vgg_weights=request.vgg_weights,
            identity=job.identity,
            progress=watch,
            initial=request.start_from,
            processes=processes,
            compiled=job.compiled,
        )
    if not processes.is_first:
        return None
    training = pona.load_checkpoint(request.out).training
    wanted = ("preset", "iteration", "batch_size", "perceptual", "protocol", "weights", "validation", "best", "seconds")
    return {"checkpoint": str(request.out), **{name: training.get(name) for name in wanted}}


@dataclass(frozen=True)
class _Job:
    data: TrainingData
    trained_on: dict[str, object]
    protocol: str
    compiled: bool
    identity: "IdentityLoss | None"


def _prepare(request: TrainRequest, config: "TrainConfig", processes: "Processes", say: Say) -> _Job:
    """Reads the training data, and says what it is."""
    import pona
    from pona.compiler import why_not_compile
    from pona.losses import PerceptualLoss
    from pona.train import choose_vgg
    from pona.trainer import check_architecture

    # Errors that need no image come first: reading all images takes a while.
    start = None if request.start_from is None else pona.load_checkpoint(request.start_from)
    if start is not None:
        check_architecture(config, start.generator)
    try:
        vgg = choose_vgg(config, request.vgg_weights)
    except pona.PoNAError as error:
        raise ReidAugError(f"{error} (--vgg-weights FILE, --perceptual none)") from None
    if vgg is not None:
        PerceptualLoss(vgg)
    identity = None if request.identity is None else load_identity_loss(request.identity)
    data = _training_data(request, say)
    if request.mix is not None:
        data = mix(data, open_dataset(request.mix), say)
    if vgg is None and config.perceptual == "optional":
        say("no VGG-19 weights: training without the perceptual loss (--vgg-weights FILE adds it)")
    record, protocol = _record(request, data, None if start is None else start.training)
    images, pairs = len(data.images), len(data.pose_images.pairs)
    if blank := int(data.pose_images.keypoints.isnan().all(dim=2).all(dim=1).sum()):
        say(f"{blank:,} of {images:,} images show no joint: their heatmaps are empty")
    say(f"training on {images:,} images, {pairs:,} pairs, protocol {protocol} {_source(data)}")
    obstacle = why_not_compile(processes.fabric.device.type) if request.compiled else None
    if obstacle:
        say(f"{obstacle}: training without --compile")
    return _Job(data, record, protocol, request.compiled and not obstacle, identity)


def is_first_process() -> bool:
    """Whether this is the first of the processes that torchrun, SLURM or `--devices` started: only it prints."""
    from pona.launch import is_first_process as is_first

    return is_first()


def _configuration(request: TrainRequest) -> "TrainConfig":
    from pona.generators import GENERATORS, generator_config

    if request.generator not in GENERATORS:
        raise ReidAugError(f"--generator {request.generator}: expected one of {', '.join(GENERATORS)}")
    kind = GENERATORS[request.generator]
    if request.preset not in kind.presets:
        raise ReidAugError(
            f"--preset {request.preset}: {request.generator} has {', '.join(kind.presets)}; give one of them"
        )
    changes = request.changes.given()
    if foreign := changes.keys() & NETWORK_OPTIONS - {field.name for field in fields(kind.config_class)}:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(foreign))
        raise ReidAugError(f"{options}: the generator {request.generator} has no such part; leave it out")
    if "minutes" in changes and "iterations" not in changes:
        changes["iterations"] = None
    if request.perceptual is not None:
        changes["perceptual"] = {"vgg19": "required", "none": "none"}[request.perceptual]
    config = replace(kind.presets[request.preset], **changes)
    generator_config(config)  # values that the generator cannot have are refused here
    return config


def _training_data(request: TrainRequest, say: Say) -> TrainingData:
    study = Study(request.study, request.data)
    if request.preset != "deepfashion":
        data, images, portion = _training_images(request, study)
        return market_data(data, images, portion=portion, pairs_file=request.pairs, say=say)
    if request.portion is not None or request.study != TrainRequest.study:
        raise ReidAugError(
            "a study is of Market-1501, and the preset deepfashion trains on another data set: omit --portion and "
            "--study (REIDAUG_STUDY), or use the preset market"
        )
    if request.data is None:
        raise ReidAugError("the preset deepfashion needs --data FOLDER: the one with train/ and its CSV files")
    return deepfashion_data(request.data, pairs_file=request.pairs, say=say)


def _record(
    request: TrainRequest, data: TrainingData, earlier: Mapping[str, object] | None
) -> tuple[dict[str, object], str]:
    """What the checkpoint records of its training images, and the protocol: paper or strict.

    `earlier` is the record of the generator that the run starts from.
    """
    named_pairs = None if data.pairs_file is None else data.named_pairs()
    record = describe_training_images(data.images, data.portion, named_pairs)
    if request.start_from is not None and earlier is not None:
        record = add_training_images(record, trained_on(earlier))
        record["start"] = {"file": request.start_from.name, "iteration": earlier.get("iteration")}
    if data.portion is None:
        return record, "paper"
    study = Study(request.study, request.data)
    images = study.data_of(data.portion).images("train")
    kept = {row.name for row in study.read_plan(data.portion, images) if row.kept}
    missing = [image for image in images if image.name not in kept]
    leaks = count_seen(missing, {"trained_on": record}) != 0  # None = unknown
    return record, "paper" if leaks else "strict"


def _source(data: TrainingData) -> str:
    kept = [] if data.portion is None else [f"kept images of p = {data.portion:.2f}"]
    pairs = [] if data.pairs_file is None else [f"pairs of {data.pairs_file}"]
    mixed = [] if data.mixed is None else [f"half of the pairs from {data.mixed}"]
    return f"({', '.join([*(kept + pairs or ['all training images']), *mixed])})"


def _training_images(request: TrainRequest, study: Study) -> tuple[Dataset, list[Image], float | None]:
    """The data set, the images to train on, and the portion."""
    if request.portion is None:
        data = resolve_data(request.data, study)
        return data, data.images("train"), None
    portion = chosen_portions(study, request.portion)[0]
    data = study.data_of(portion)
    study.check_unchanged(portion, data)
    images = data.images("train")
    kept = {row.name for row in study.read_plan(portion, images) if row.kept}
    return data, [image for image in images if image.name in kept], portion
