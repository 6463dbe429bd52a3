"""`reidaug score`: how close generated images come to the true ones, compared with two trivial guesses.

The same code measures every set of images on the same pairs: the generated ones, `copy` (the condition image), `mean`
(the mean training image) and `real` (the true image, which shows the best possible value of each metric).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from reidaug import __version__
from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.files import check_file, check_out, write_image
from reidaug.core.fingerprint import file_digest, fingerprint
from reidaug.core.progress import Advance
from reidaug.datasets.estimators import check_model
from reidaug.datasets.pairs import Pair, pair_name, read_pairs
from reidaug.datasets.posed_images import PosedImages
from reidaug.scoring import metrics
from reidaug.scoring.generated import GeneratedImages, ImageFiles
from reidaug.scoring.metrics.metric import Batch, Job, Meter, Metric, NotComputed, Values
from reidaug.scoring.request import ScoreRequest
from reidaug.synthesis.painter import PaintedImages, checkpoint_file

CHUNK = 64  # pairs at a time
MEAN_OF = 2_000  # training images at most, evenly spaced, for the mean image
GUESSES = ("copy", "mean", "real")


@dataclass(frozen=True, eq=False)
class SetScore:
    """The scores of one set of images."""

    name: str
    per_image: Values  # in the order of the pairs
    overall: dict[str, float]  # name of a column -> figure for the set


@dataclass(frozen=True, eq=False)
class Score:
    """The scores of all sets, and what they depend on."""

    sets: list[SetScore]  # the generated images first, then the guesses and the true images
    pairs: list[Pair]
    generators: list[GeneratedImages]  # of the first sets
    seen: dict[str, int | None]  # set -> true images that its generator was trained on; None = unknown
    missing: list[str]  # metrics that were not computed, each with its reason
    record: dict[str, object]  # data, pairs, networks, seed


def score(source: PosedImages, request: ScoreRequest, advance: Advance) -> Score:
    """Measures generated images.

    Args:
        source: the data set with the condition images and the true ones.
        request: what to measure.
        advance: told how many pairs are done, of how many.

    Raises:
        ReidAugError: no or broken images, pairs or keypoints, or no such device.
        PoNAError: a checkpoint that cannot be used.
        ReIDError: a re-ID network that cannot be used.
    """
    request = replace(request, checkpoints=tuple(map(checkpoint_file, request.checkpoints)))
    for folder in filter(None, (request.out, request.save_images)):
        check_out(folder, folder=True)
    for path, option in ((request.reid, "--reid"), (request.poses, "--poses"), (request.pairs, "--pairs")):
        if path is not None:
            check_file(path, option)
    if request.poses is None:
        check_model(request.pose_model)
    generators = _generators(source, request)
    pairs = choose_pairs(source, request, generators[0].pairs)
    for generated in generators:
        generated.check(pairs)
    seen = {generated.label: generated.count_seen(pairs) for generated in generators}
    meters, missing = _set_up(Job(request, source, generators[0], pairs, pick_device(request.device)))
    mean = _mean_image(source)
    if mean is None:
        missing.append(f"the row of the mean image: no training image in {source.root}")
    names = [*seen, *(name for name in GUESSES if name != "mean" or mean is not None)]
    parts: list[list[list[Values]]] = [[] for _ in names]  # set -> batch -> metric
    for start in range(0, len(pairs), CHUNK):
        batches = _batches(source, generators, pairs[start : start + CHUNK], mean)
        if request.save_images is not None:
            request.save_images.mkdir(parents=True, exist_ok=True)
            for pair, image in zip(batches[0].pairs, batches[0].images, strict=True):
                write_image(request.save_images / pair_name(pair), Image.fromarray(image), "PNG")
        for part, batch in zip(parts, batches, strict=True):
            part.append([meter.measure(batch) for _, meter in meters])
        advance(start + len(batches[0].pairs), len(pairs))
    values = [[_join(column) for column in zip(*part, strict=True)] for part in parts]  # set -> metric
    sets = [_sum_up(name, meters, part, values[-1]) for name, part in zip(names, values, strict=True)]
    return Score(sets, pairs, generators, seen, missing, _record(source, request, pairs))


def _set_up(job: Job) -> tuple[list[tuple[Metric, Meter]], list[str]]:
    """The metrics that can be computed, those with per-image values first; and why the others cannot."""
    meters: list[tuple[Metric, Meter]] = []
    missing: list[str] = []
    for metric in metrics.METRICS:
        try:
            meters.append((metric, metric.set_up(job)))
        except NotComputed as reason:
            missing.append(f"{', '.join(column.name for column in metric.columns)}: {reason}")
    return sorted(meters, key=lambda pair: not pair[0].per_image), missing


def _join(parts: Sequence[Values]) -> Values:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sum_up(name: str, meters: list[tuple[Metric, Meter]], values: list[Values], real: list[Values]) -> SetScore:
    result = SetScore(name, {}, {})
    for (metric, meter), part, true in zip(meters, values, real, strict=True):
        result.per_image.update({key: part[key] for key in metric.per_image if key in part})
        result.overall.update(meter.sum_up(part, true))
    return result


def choose_pairs(source: PosedImages, request: ScoreRequest, available: list[Pair] | None = None) -> list[Pair]:
    """The pairs to measure: those of a file, else the ``available`` ones (of a completed set), else the test pairs.

    Raises:
        ReidAugError: a broken file, images that the data set does not have with keypoints, or too few pairs.
    """
    if request.pairs:
        pairs = read_pairs(request.pairs, lambda name: source.check([name]))
        _check_pairs(request.pairs, pairs, None if available is None else set(available))
    else:
        pairs = available or source.test_pairs()
    if request.count is None or request.count == len(pairs):
        return pairs
    if request.count > len(pairs):
        raise ReidAugError(f"--count {request.count}: there are {len(pairs):,} pairs")
    rows = np.random.RandomState(request.seed).choice(len(pairs), request.count, replace=False)
    return [pairs[row] for row in rows.tolist()]


def _check_pairs(path: Path, pairs: Sequence[Pair], available: set[Pair] | None) -> None:
    """Refuses pairs that would make a figure misleading."""
    seen: set[Pair] = set()
    for line, pair in enumerate(pairs, start=2):
        if pair[0] == pair[1] or pair in seen:
            raise ReidAugError(
                f"{path} line {line}: {pair[0]} as {pair[1]} is the same image, or stands in the file twice"
            )
        if available is not None and pair not in available:
            raise ReidAugError(f"{path} line {line}: {pair[1]} was not generated from {pair[0]} in this set")
        seen.add(pair)


def _batches(
    source: PosedImages, generators: Sequence[GeneratedImages], pairs: Sequence[Pair], mean: np.ndarray | None
) -> list[Batch]:
    """The same pairs in each set: those of the generators, copy, mean, real."""
    conditions, targets = zip(*pairs, strict=True)
    real, keypoints = source.images(targets), source.keypoints(targets)
    means = [] if mean is None else [np.repeat(mean[None], len(pairs), axis=0)]
    sets = [*(generated.images(pairs) for generated in generators), source.images(conditions), *means, real]
    count = len(generators)
    return [Batch(images, real, keypoints, pairs, number < count) for number, images in enumerate(sets)]


def _generators(source: PosedImages, request: ScoreRequest) -> list[GeneratedImages]:
    if request.images and request.save_images and request.images.resolve() == request.save_images.resolve():
        raise ReidAugError(f"--save-images {request.save_images}: that is the folder to measure; name another one")
    if len(request.checkpoints) > 1 and (request.save_images or request.poses):
        option = "--save-images" if request.save_images else "--poses"
        raise ReidAugError(f"{option} is of one generator, and there are {len(request.checkpoints)} --ckpt: give one")
    if request.checkpoints and request.images is None:
        names = [path.name for path in request.checkpoints]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ReidAugError(f"two checkpoints are called {twice[0]}, the name of their row: rename one of the files")
        return [PaintedImages(path, source, request.device) for path in request.checkpoints]
    if request.images is not None and not request.checkpoints:
        height, width = source.images([next(iter(source.by_name))]).shape[1:3]
        return [ImageFiles(request.images, (height, width))]
    raise ReidAugError("expected a checkpoint (--ckpt) or a folder of generated images (--images), one of the two")


def _mean_image(source: PosedImages) -> np.ndarray | None:
    """(H, W, 3) uint8: the mean of the training images; None where there are none."""
    if not source.train:
        return None
    count = len(source.train)
    rows = np.unique(np.linspace(0, count - 1, min(MEAN_OF, count)).round().astype(int))
    return source.read([source.train[row] for row in rows]).mean(axis=0).round().astype(np.uint8)


def _record(source: PosedImages, request: ScoreRequest, pairs: Sequence[Pair]) -> dict[str, object]:
    def text(value: Path | str | None) -> str | None:
        return str(value) if value else None

    return {
        "data": str(source.root),
        "pairs": len(pairs),
        "pairs_fingerprint": fingerprint("".join(f"{condition},{target}\n" for condition, target in pairs)),
        "checkpoints": {str(path): file_digest(path).hex() for path in request.checkpoints},
        "images": text(request.images),
        "seed": request.seed,
        "reid": text(request.reid),
        "poses": text(request.poses or request.pose_model),
        "device": request.device,
        "version": __version__,
    }
