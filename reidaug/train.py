"""Train a generator on a Market-1501 folder, or on the kept images of a study."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.annotations import Annotations, find_annotations, read_annotations
from reidaug.console import Advance
from reidaug.errors import ReidAugError
from reidaug.files import locked
from reidaug.market1501 import list_files, read_images, scan_split, split_folder
from reidaug.pairs import make_pairs, usable
from reidaug.plan import read_plan
from reidaug.provenance import add_training_images, describe_training_images
from reidaug.study import Study, chosen_portions, resolve_data


@dataclass(frozen=True)
class TrainRequest:
    """What the user asked for; None = the preset's value."""

    out: Path  # checkpoint to write
    data: Path | None = None  # Market-1501 root
    study: Path = Path("study")  # read only where a portion is given, and for the data set that it remembers
    portion: str | None = None  # train on the kept images of this portion only
    preset: str = "market"  # market, deepfashion or mini
    iterations: int | None = None  # length
    minutes: float | None = None  # length as time
    batch_size: int | None = None  # pairs per iteration
    width: int | None = None  # channels of the first layer
    perceptual: str = "vgg19"  # vgg19 or none
    vgg_weights: Path | None = None  # file; None looks in torch's cache
    start_from: Path | None = None  # checkpoint whose weights the generator starts from
    seed: int = 0  # of every draw
    device: str = "auto"  # auto, cpu, cuda, cuda:N
    devices: int | None = None  # processes on this machine; None = as torchrun or SLURM started them, else one
    compiled: bool = False  # torch.compile, where there is a compiler


def train_generator(request: TrainRequest, *, say: Callable[[str], None], advance: Advance) -> dict[str, Any] | None:
    """Trains, and returns what the checkpoint is, in plain values.

    On several devices each process runs this; all but the first stay silent and return None.

    Raises:
        ReidAugError: no data, no keypoints, or no pairs left; the message says how many images were lost to what.
        PoNAError: a missing perceptual loss, divergence, or a file that cannot be written.
    """
    from pona.errors import StoppedElsewhere
    from pona.launch import is_first_process, launch, said_once

    try:
        with said_once():
            config = _configuration(request)
            processes = launch(config, request.device, request.devices)
        if not processes.is_first:
            say, advance = _silent, _silent
        with processes, processes.together():
            return _train(request, config, processes, say, advance)
    except StoppedElsewhere:
        return None
    except KeyboardInterrupt:
        if is_first_process():
            raise
        return None


def _train(
    request: TrainRequest, config: Any, processes: Any, say: Callable[[str], None], advance: Advance
) -> dict[str, Any] | None:
    import pona
    from pona.train import TrainProgress, train

    job = processes.every(lambda: _prepare(request, config, processes, say))

    def report(now: TrainProgress) -> None:
        losses = "  ".join(f"{name} {value:.3f}" for name, value in now.losses.items())
        advance(now.iteration, now.iterations, f"{losses}  {now.images_per_second:.1f} images/s")
        if now.validation:
            say(_validation_line(now.iteration, now.validation))

    with ExitStack() as stack:
        lock = request.out.with_name(f".{request.out.name}.lock")
        processes.first(lambda: stack.enter_context(locked(lock, f"the training of {request.out}")))
        train(
            job.images,
            config,
            request.out,
            validation=job.validation,
            trained_on=job.trained_on,
            protocol=job.protocol,
            vgg_weights=request.vgg_weights,
            progress=report,
            initial=request.start_from,
            processes=processes,
            compiled=job.compiled,
        )
    if not processes.is_first:
        return None
    training = pona.load_checkpoint(request.out).training
    names_of_interest = (
        "preset",
        "iteration",
        "batch_size",
        "perceptual",
        "protocol",
        "weights",
        "validation",
        "seconds",
    )
    return {"checkpoint": str(request.out), **{name: training.get(name) for name in names_of_interest}}


@dataclass(frozen=True)
class _Job:
    images: Any  # pona.PoseImages
    validation: Any | None  # pona.PoseImages of other people
    trained_on: dict[str, Any]
    protocol: str
    compiled: bool


def _prepare(request: TrainRequest, config: Any, processes: Any, say: Callable[[str], None]) -> _Job:
    """Reads what is trained on."""
    import pona
    from pona.compiler import why_not_compile
    from pona.losses import find_vgg_weights

    if not request.out.absolute().parent.is_dir():
        raise ReidAugError(f"--out {request.out}: there is no folder {request.out.absolute().parent}; make it first")
    study = Study(request.study)
    names, data, portion = _training_names(request, study)
    folder = split_folder(data, "train")
    images, used = load_pose_images(folder, names, read_annotations(find_annotations(data, "train")))
    validation = _validation_images(data) if processes.is_first else None
    if config.perceptual == "optional" and find_vgg_weights(request.vgg_weights) is None:
        say("no VGG-19 weights: training without the perceptual loss (--vgg-weights FILE brings it back)")
    trained_on = describe_training_images(folder, used, portion)
    protocol = "paper" if portion is None else "strict"
    if request.start_from is not None:
        earlier = pona.load_checkpoint(request.start_from).training
        record = earlier.get("trained_on") or {}
        if (earlier.get("protocol"), record.get("fingerprint")) != (protocol, trained_on["fingerprint"]):
            protocol = "paper"  # it has seen other images than these
        trained_on = add_training_images(trained_on, record)
    say(
        f"training on {len(used):,} images, {len(images.pairs):,} pairs, protocol {protocol}"
        + (f" (kept images of p = {portion:.2f})" if portion else " (all training images)")
    )
    lacking = why_not_compile(processes.fabric.device.type) if request.compiled else None
    if lacking:
        say(f"{lacking}: training without --compile")
    return _Job(images, validation, trained_on, protocol, request.compiled and not lacking)


def _silent(*_: Any) -> None:
    pass


def _configuration(request: TrainRequest) -> Any:
    from pona.train import PRESETS

    config = PRESETS[request.preset]
    given = {name: getattr(request, name) for name in ("batch_size", "width", "iterations", "minutes")}
    changes = {name: value for name, value in given.items() if value is not None}
    if request.minutes is not None and request.iterations is None:
        changes["iterations"] = None
    if request.perceptual == "none":
        changes["perceptual"] = "none"
    return replace(config, seed=request.seed, **changes)


def _training_names(request: TrainRequest, study: Study) -> tuple[list[str], Path, float | None]:
    """Names of the images to train on, the data set that they lie in, and the portion."""
    if request.portion is None:
        data = resolve_data(request.data, study)
        return [record.name for record in scan_split(data, "train")], data, None
    portion = chosen_portions(study, request.portion)[0]
    data = study.unchanged_data_of(portion)
    if request.data is not None and resolve_data(request.data, study).resolve() != data.resolve():
        raise ReidAugError(f"--data {request.data}: p = {portion:.2f} is of {data}; leave --data away")
    return [row.name for row in read_plan(study.plan_path(portion)) if row.kept], data, portion


def load_pose_images(folder: Path, names: Sequence[str], annotations: Annotations) -> tuple[Any, list[str]]:
    """Images with their keypoints and all training pairs among them.

    Args:
        folder: where the images lie.
        names: which of them may be used.
        annotations: their keypoints.

    Returns:
        (``pona.PoseImages`` of every image that stands in a pair, the names of these images).

    Raises:
        ReidAugError: no pair is left.
    """
    import torch

    import pona

    wanted = set(names)
    rows = np.array([row for row, name in enumerate(annotations.names) if name in wanted], dtype=np.int64)
    chosen = Annotations(tuple(annotations.names[row] for row in rows), annotations.keypoints[rows])
    pairs = make_pairs(chosen)
    if not len(pairs):
        raise ReidAugError(
            f"no training pair in {folder}: of {len(names)} images {len(names) - len(chosen)} have no keypoint row, "
            f"{int((~usable(chosen.keypoints)).sum())} lack a shoulder or a hip, and no one has two of the rest"
        )
    kept, places = np.unique(pairs, return_inverse=True)
    used = [chosen.names[row] for row in kept]
    pixels = read_images([folder / name for name in used])
    images = pona.PoseImages(
        torch.from_numpy(pixels).permute(0, 3, 1, 2),
        torch.from_numpy(chosen.keypoints[kept]),
        torch.from_numpy(places.reshape(pairs.shape).astype(np.int64)),
    )
    return images, used


def _validation_images(data: Path) -> Any | None:
    """Pairs of the test identities, where the data set has their keypoints: the generator never sees these people."""
    try:
        annotations = read_annotations(find_annotations(data, "test"))
    except ReidAugError:
        return None
    folder = split_folder(data, "gallery")
    there = set(list_files(folder))
    try:
        return load_pose_images(folder, [name for name in annotations.names if name in there], annotations)[0]
    except ReidAugError:
        return None


def _validation_line(iteration: int, found: dict[str, float]) -> str:
    return (
        f"iteration {iteration:,}: L1 on unseen people {100 * found['l1']:.2f} % of full scale "
        f"(copy of the condition image {100 * found['l1_copy']:.2f} %, mean image {100 * found['l1_mean']:.2f} %)"
    )
