"""`reidaug score`: how near generated images come to the true ones, beside two guesses that cost nothing.

Every set of images is measured by the same code on the same pairs: the generated ones, `copy` (the condition image),
`mean` (the mean training image) and `real` (the true image, which shows what each metric can reach).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reidaug import __version__
from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.files import write_image
from reidaug.datasets.layouts import PosedImages
from reidaug.datasets.pairs import Pair, pair_name, read_pairs
from reidaug.datasets.vitpose import PoseEstimator
from reidaug.scoring.generated import FoundImages, GeneratedImages
from reidaug.scoring.metrics.meters import (
    Batch,
    Values,
    file_estimate,
    network_meters,
    overall,
    pixel_meter,
    pose_meter,
)
from reidaug.synthesis.painter import PaintedImages

CHUNK = 64  # pairs at a time
MEAN_OF = 2_000  # training images at most, evenly spaced, whose mean is a guess
GUESSES = ("copy", "mean", "real")

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class ScoreRequest:
    """What the user asked for; one of checkpoint and images is given."""

    checkpoint: Path | None = None
    images: Path | None = None  # folder of generated images
    pairs: Path | None = None  # CSV; None = those of the images' manifest, else the test pairs
    count: int | None = None  # so many of the pairs, drawn with `seed`; None = all
    seed: int = 0
    reid: Path | None = None  # a trained re-ID network, for identity similarity
    poses: Path | None = None  # keypoints that were estimated on the generated images, for PCKh
    pose_model: str | None = None  # or a ViTPose that estimates them, and those of the guesses
    save_images: Path | None = None  # folder to write the generated images to, as CONDITION___TARGET.png
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class SetScore:
    """One set of images."""

    name: str
    per_image: dict[str, np.ndarray]  # metric -> (N,), in the order of the pairs
    overall: dict[str, float]  # metric -> figure of the set


@dataclass(frozen=True, eq=False)
class Score:
    """What `score` found."""

    sets: list[SetScore]  # the generated one first, then the guesses and the true images
    pairs: list[Pair]
    generated: GeneratedImages
    seen: int | None  # true images that the generator was trained on; None = nobody knows
    missing: list[str]  # metrics that were not computed, each with the reason
    record: dict[str, Any]  # what the figures hang on


def score(source: PosedImages, request: ScoreRequest, advance: Advance) -> Score:
    """Measures generated images.

    Args:
        source: the data set with the condition images and the true ones.
        request: what to measure.
        advance: told how many pairs are done, of how many.

    Raises:
        ReidAugError: no or broken images, pairs or keypoints.
        PoNAError: a checkpoint that cannot be used.
        ReIDError: a re-ID network that cannot be used, or no such device.
    """

    generated = _generated(source, request)
    pairs = choose_pairs(source, request, generated.painted)
    generated.check(pairs)
    meters, inception, missing = network_meters(len(pairs), request.reid, pick_device(request.device))
    meters.insert(0, pixel_meter(source.border))
    if request.poses is not None:
        meters.append(pose_meter(file_estimate(request.poses, generated, pairs)))
    elif request.pose_model is not None:
        estimator = PoseEstimator.load(request.pose_model, request.device)
        meters.append(pose_meter(lambda batch: estimator(batch.images)))
    else:
        missing.append("pckh: name a ViTPose (--pose-model), or keypoints found in the generated images (--poses)")
    mean = _mean_image(source)
    if mean is None:
        missing.append(f"the row of the mean image: no training image in {source.root}")
    names = [generated.label, *(name for name in GUESSES if name != "mean" or mean is not None)]
    parts: list[list[Values]] = [[] for _ in names]
    for start in range(0, len(pairs), CHUNK):
        batches = _batches(source, generated, pairs[start : start + CHUNK], mean)
        if request.save_images is not None:
            _save(request.save_images, batches[0])
        for part, batch in zip(parts, batches, strict=True):
            part.append({name: values for meter in meters for name, values in meter(batch).items()})
        advance(start + len(batches[0].pairs), len(pairs))
    whole = [{name: np.concatenate([each[name] for each in part]) for name in part[0]} for part in parts]
    sets = [
        SetScore(name, values, overall(values, whole[-1], inception)) for name, values in zip(names, whole, strict=True)
    ]
    return Score(sets, pairs, generated, generated.count_seen(pairs), missing, _record(source, request, pairs))


def choose_pairs(source: PosedImages, request: ScoreRequest, painted: list[Pair] | None = None) -> list[Pair]:
    """The pairs to measure: of a file, else those that were `painted` for a set, else the test pairs.

    Raises:
        ReidAugError: a broken file, names that the data set does not have with keypoints, or fewer pairs than wanted.
    """
    if request.pairs:
        pairs = read_pairs(request.pairs, lambda name: source.check([name]))
        _check_pairs(request.pairs, pairs, None if painted is None else set(painted))
    else:
        pairs = painted or source.test_pairs()
    if request.count is None or request.count == len(pairs):
        return pairs
    if request.count > len(pairs):
        raise ReidAugError(f"--count {request.count}: there are {len(pairs):,} pairs")
    rows = np.random.RandomState(request.seed).choice(len(pairs), request.count, replace=False)
    return [pairs[row] for row in rows.tolist()]


def _check_pairs(path: Path, pairs: Sequence[Pair], painted: set[Pair] | None) -> None:
    """Refuses pairs that would make a figure mean less than it seems."""
    seen: set[Pair] = set()
    for line, pair in enumerate(pairs, start=2):
        if pair[0] == pair[1] or pair in seen:
            raise ReidAugError(f"{path} line {line}: {pair[0]} as {pair[1]} is the same image, or stands there twice")
        if painted is not None and pair not in painted:
            raise ReidAugError(f"{path} line {line}: {pair[1]} was not painted from {pair[0]} in this set")
        seen.add(pair)


def _batches(
    source: PosedImages, generated: GeneratedImages, pairs: Sequence[Pair], mean: np.ndarray | None
) -> list[Batch]:
    """The same pairs in every set: generated, copy, mean, real."""
    conditions, targets = zip(*pairs, strict=True)
    real, keypoints = source.images(targets), source.keypoints(targets)
    means = [] if mean is None else [np.repeat(mean[None], len(pairs), axis=0)]
    sets = [generated.images(pairs), source.images(conditions), *means, real]
    return [Batch(images, real, keypoints, pairs, place == 0) for place, images in enumerate(sets)]


def _generated(source: PosedImages, request: ScoreRequest) -> GeneratedImages:
    if request.images and request.save_images and request.images.resolve() == request.save_images.resolve():
        raise ReidAugError(f"--save-images {request.save_images}: that is the folder to measure; name another one")
    if request.checkpoint is not None and request.images is None:
        return PaintedImages(request.checkpoint, source, request.device)
    if request.images is not None and request.checkpoint is None:
        height, width = source.images([next(iter(source.paths))]).shape[1:3]
        return FoundImages(request.images, (height, width))
    raise ReidAugError("expected a checkpoint (--ckpt) or a folder of generated images (--images), one of the two")


def _mean_image(source: PosedImages) -> np.ndarray | None:
    """(H, W, 3) uint8: the mean of the training images; None where there are none."""
    paths = source.train
    if not paths:
        return None
    rows = np.unique(np.linspace(0, len(paths) - 1, min(MEAN_OF, len(paths))).round().astype(int))
    return source.read([paths[row] for row in rows]).mean(axis=0).round().astype(np.uint8)


def _save(folder: Path, batch: Batch) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for pair, image in zip(batch.pairs, batch.images, strict=True):
        write_image(folder / pair_name(pair), Image.fromarray(image), "PNG")


def _record(source: PosedImages, request: ScoreRequest, pairs: Sequence[Pair]) -> dict[str, Any]:
    digest = hashlib.sha256("".join(f"{a},{b}\n" for a, b in pairs).encode()).hexdigest()[:16]
    checkpoint = request.checkpoint and hashlib.sha256(request.checkpoint.read_bytes()).hexdigest()
    return {
        "data": str(source.root),
        "pairs": len(pairs),
        "pairs_fingerprint": digest,
        "checkpoint": str(request.checkpoint) if request.checkpoint else None,
        "checkpoint_sha256": checkpoint,
        "images": str(request.images) if request.images else None,
        "seed": request.seed,
        "reid": str(request.reid) if request.reid else None,
        "poses": str(request.poses or request.pose_model) if request.poses or request.pose_model else None,
        "device": request.device,
        "version": __version__,
    }
