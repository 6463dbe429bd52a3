"""Train a generator on a Market-1501 folder, or on the kept images of a study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.annotations import Annotations, find_annotations, read_annotations
from reidaug.console import Advance
from reidaug.errors import ReidAugError
from reidaug.files import locked
from reidaug.market1501 import list_files, read_images, scan_split, split_folder
from reidaug.monitor import Monitor
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
    start_from: Path | None = None  # checkpoint whose weights the generator starts from
    perceptual: str = "vgg19"  # vgg19 or none
    vgg_weights: Path | None = None  # file; None looks in torch's cache
    tensorboard: bool = False  # write its files too
    device: str = "auto"  # auto, cpu, cuda, cuda:N
    changes: Mapping[str, Any] = field(default_factory=dict)  # fields of pona's TrainConfig; None = the preset's value


def train_generator(request: TrainRequest, *, say: Callable[[str], None], advance: Advance) -> dict[str, Any]:
    """Trains, and returns what the checkpoint is, in plain values.

    Raises:
        ReidAugError: no data, no keypoints, or no pairs left; the message says how many images were lost to what.
        PoNAError: a missing perceptual loss, divergence, or a file that cannot be written.
    """
    import pona
    from pona.losses import find_vgg_weights
    from pona.train import train

    config = _configuration(request)
    if not request.out.absolute().parent.is_dir():
        raise ReidAugError(f"--out {request.out}: there is no folder {request.out.absolute().parent}; make it first")
    study = Study(request.study)
    names, data, portion = _training_names(request, study)
    folder = split_folder(data, "train")
    images, used = load_pose_images(folder, names, read_annotations(find_annotations(data, "train")))
    validation = _validation_images(data)
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

    monitor = Monitor(request.out, say, advance, request.tensorboard)
    with locked(request.out.with_name(f".{request.out.name}.lock"), f"the training of {request.out}"):
        train(
            images,
            config,
            request.out,
            validation=validation,
            trained_on=trained_on,
            protocol=protocol,
            vgg_weights=request.vgg_weights,
            device=request.device,
            progress=monitor,
            initial=request.start_from,
        )
    training = pona.load_checkpoint(request.out).training
    wanted = ("preset", "iteration", "batch_size", "perceptual", "protocol", "weights", "validation", "best", "seconds")
    return {"checkpoint": str(request.out), **{name: training.get(name) for name in wanted}}


def _configuration(request: TrainRequest) -> Any:
    from pona.train import PRESETS

    changes = {name: value for name, value in request.changes.items() if value is not None}
    if "minutes" in changes and "iterations" not in changes:
        changes["iterations"] = None
    if request.perceptual == "none":
        changes["perceptual"] = "none"
    return replace(PRESETS[request.preset], **changes)


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
