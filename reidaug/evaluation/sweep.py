"""The paper's Table VI in one command: shrink, synthesize and evaluate for several portions and generators."""

import os
import shlex
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from reidaug.core.errors import HeldError, ReidAugError
from reidaug.core.locks import check_locks
from reidaug.core.progress import Advance, Progress, Say, duration
from reidaug.core.shares import shard_from_environment
from reidaug.datasets.dataset import Dataset
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import JOINTS, find_annotations, read_annotations_of
from reidaug.datasets.readable import check_readable
from reidaug.evaluation.estimate import advise, training_seconds
from reidaug.evaluation.evaluate import check_evaluation, evaluate_study
from reidaug.evaluation.request import Recipe, SweepRequest
from reidaug.evaluation.results import Result, current_results, read_results
from reidaug.evaluation.setting import Setting, choose_setting
from reidaug.study.controls import made_for, name_for
from reidaug.study.folder import PLAIN_SET, Study
from reidaug.study.plan import read_manifest
from reidaug.study.shrink import shrink
from reidaug.study.training_sets import FULL_SET, TrainingSet, augmented_sets
from reidaug.synthesis.painter import (
    ADAPTED,
    NotAdaptedError,
    Painter,
    checkpoint_file,
    checkpoint_of,
    shipped_checkpoint,
)
from reidaug.synthesis.request import SynthesisOptions
from reidaug.synthesis.synthesize import check_name, find_conflict, generator_record, synthesize

Unit = tuple[str, float]  # a training set: name and portion
Share = set[tuple[Unit, int]]  # training sets with seeds


def generators_of(request: SweepRequest) -> dict[str, Path]:
    """The checkpoints, as given, by the name of the set that each completes: its file name without the suffix.

    Raises:
        ReidAugError: two checkpoints of the same name, or a reserved name.
    """
    names = [path.stem.replace(".", "-") for path in request.checkpoints]
    for name, path in zip(names, request.checkpoints, strict=True):
        check_name(name, f"--ckpt {path}: the file's name becomes the name of the set; rename the file to")
        if names.count(name) > 1:
            raise ReidAugError(f"--ckpt {path}: {name!r} is the name of another set; rename the file")
    return dict(zip(names, request.checkpoints, strict=True))


def units_of(study: Study, request: SweepRequest) -> list[Unit]:
    """All training sets, in the same order in every process.

    Those that `augment` made of the portions are among them, with the controls of their size.
    """
    controls = request.evaluation.controls
    units = []
    for portion in request.portions:
        augmented = augmented_sets(study, portion)
        sets = ["none", *controls, *generators_of(request), *augmented]
        sets += [name_for(control, name) for name in augmented for control in controls]
        units += [(name, portion) for name in sets]
    return [*units, (FULL_SET, 1.0)]


def sweep(study: Study, data: Dataset, request: SweepRequest, progress: Progress, say: Say) -> list[Result]:
    """Does what is missing, and returns the results of the sweep that exist at the end.

    Several processes (torchrun, a SLURM array) share the work on one study: each of the N processes trains every N-th
    baseline, and generates the images that these need, or waits for the process that generates them.

    Raises:
        NotAdaptedError: a portion, which has been shrunk now, needs `reidaug adapt`.
        ReidAugError, PoNAError, ReIDError: of the three steps.
    """
    rank, world = shard_from_environment(os.environ)
    if world > 1:
        check_locks(study.path)
    units = units_of(study, request)
    share: Share = set([(unit, seed) for seed in range(request.evaluation.seeds) for unit in units][rank::world])
    _check_generators(study, request)
    with progress("reading images") as advance:
        check_readable(data, advance=advance)
    read_annotations_of(find_annotations(data.root, "train"), data.images("train"))
    setting = choose_setting(request.evaluation, say)
    check_evaluation(setting, data)
    chosen = cast(Recipe, setting.recipe.name)
    evaluation = replace(request.evaluation, recipe=chosen, portions=request.portions)
    read = partial(_read_results, study, setting, units, evaluation.seeds, data.fingerprint("query", "gallery"))
    done: Share = set()
    if not (evaluation.save_models or evaluation.rerank):  # results that lack these are made again
        done = {((result.set, result.portion), result.seed) for result in read()}
    _announce(study, data, request, setting, units, share, done, say)
    for portion in request.portions:
        shrink(data, study, replace(request.shrinking, portion=portion), copy=request.copy, wait=True)
    for name, checkpoint in generators_of(request).items():
        for portion in request.portions:
            if any(unit == (name, portion) for unit, _ in share):
                file = checkpoint_of(checkpoint, study, portion)
                with progress(f"generating {name}, p = {portion:.2f}") as advance:
                    options = SynthesisOptions(name=name, copy=request.copy, device=request.evaluation.device)
                    say(_complete(study, portion, file, options, advance, say))

    def in_share(training_set: TrainingSet, seed: int) -> bool:
        return ((training_set.name, training_set.portion), seed) in share

    results = evaluate_study(study, evaluation, progress, say, only=in_share, shared=world > 1)
    if world > 1:
        results = read()
    total = len(units) * evaluation.seeds
    if missing := total - len(results):
        say(f"{missing} of {total} baselines are with other processes: see `reidaug table` later")
    return results


def _read_results(study: Study, setting: Setting, units: list[Unit], seeds: int, test_fingerprint: str) -> list[Result]:
    """The results of all processes of a sweep so far."""
    recipe = setting.recipe
    names = (recipe.name, setting.arch, setting.start.name, recipe.epochs)
    table = (*names, setting.asked_precision, setting.asked_same_camera, test_fingerprint)  # as in `Result.table`
    return [
        result
        for result in current_results(read_results(study.results_path))
        if (result.set, result.portion) in units
        and result.seed < seeds
        and result.table == table
        and result.care == (recipe.care() if result.synthetic else {})
    ]


def _check_generators(study: Study, request: SweepRequest) -> None:
    """Checks before hours of work that the generators can complete their sets.

    Raises:
        ReidAugError: a set that exists and was made with another generator.
        PoNAError: a checkpoint that cannot be used.
    """
    for name, given in generators_of(request).items():
        _painter(given, request)  # raises if it cannot be used
        for portion in request.portions:
            try:
                record = generator_record(checkpoint_of(given, study, portion), SynthesisOptions().precision)
            except NotAdaptedError:
                continue
            if conflict := find_conflict(study.set_root(portion, name).parent, record):
                command = f"synthesize --force --name {name} --portion {portion:.2f} --ckpt {shlex.quote(str(given))}"
                raise ReidAugError(f"{conflict}: rename {given}, which names the set, or run `reidaug {command}`")


def _painter(checkpoint: Path, request: SweepRequest) -> Painter:
    """A generator as given; before one is adapted, the one that it is made of, which is as fast."""
    file = shipped_checkpoint() if str(checkpoint) == ADAPTED else checkpoint_file(checkpoint)
    return Painter(file, request.evaluation.device)


def _complete(
    study: Study, portion: float, checkpoint: Path, options: SynthesisOptions, advance: Advance, say: Say
) -> str:
    """Completes a training set, or waits for another process that does; returns the report as a sentence."""
    complete = partial(synthesize, study, portion, checkpoint, options, advance, shard=(0, 1))
    try:
        return complete().sentence()
    except HeldError as error:
        say(f"{error}: waiting for it")
        return complete(wait=True).sentence()


def _announce(
    study: Study,
    data: Dataset,
    request: SweepRequest,
    setting: Setting,
    units: list[Unit],
    share: Share,
    done: Share,
    say: Say,
) -> None:
    """Says what will be done and about how long it takes; a set or baseline that is half done counts as not done."""
    train, seeds = data.images("train"), request.evaluation.seeds
    total = len(units) * seeds
    to_generate, generated, seconds = _generating(study, data, request, {unit for unit, _ in share})
    to_train = Counter(unit for unit, _ in share - done)  # with how many seeds
    sizes = [size for unit, count in to_train.items() for size in [_size(study, unit, len(train))] * count]
    seconds += training_seconds(setting, sizes, len({image.pid for image in train}), data)
    names = ", ".join(dict.fromkeys(name for name, _ in units if name != FULL_SET))
    portions = ", ".join(f"{portion:.2f}" for portion in request.portions)
    part = "" if len(share) == total else f"; this process's share: {len(share)}"
    say(
        f"sweep: {names} at p = {portions}, and full: {len(units)} training sets x {seeds} seed{'s' * (seeds > 1)} = "
        f"{total} baselines {_existing(len(done)) or 'to train'}{part}, and "
        f"{to_generate:,} images to generate{' ' if generated else ''}{_existing(generated)}, on {setting.device}"
        + (f": about {duration(seconds)}" if share - done or to_generate else "")
    )
    advise(setting, seconds, say)


def _size(study: Study, unit: Unit, full: int) -> int:
    """About how many images a training set has, of which an epoch is one pass; `full` is the size of the full set."""
    name, portion = unit
    if name == PLAIN_SET:
        return round(portion * full)
    augmented = made_for(name) or name
    if portion < 1 and augmented in augmented_sets(study, portion):
        return len(read_manifest(study.set_root(portion, augmented) / "manifest.csv"))
    return full


def _existing(count: int) -> str:
    return f"({count:,} exist already)" if count else ""


def _generating(study: Study, data: Dataset, request: SweepRequest, sets: set[Unit]) -> tuple[int, int, float]:
    """For the sets of this process: images to generate, those of complete sets, and seconds that generating takes."""
    images = len(data.images("train"))
    to_generate, existing, seconds = 0, 0, 0.0
    for name, checkpoint in generators_of(request).items():
        counts = {portion: round((1 - portion) * images) for set_name, portion in sets if set_name == name}
        complete = sum(count for portion, count in counts.items() if name in study.sets(portion))
        existing += complete
        if count := sum(counts.values()) - complete:
            to_generate += count
            seconds += count * seconds_per_image(_painter(checkpoint, request), data)
    return to_generate, existing, seconds


def seconds_per_image(painter: Painter, data: Dataset) -> float:
    """Times a generator on one batch of images of a data set."""
    images = read_images([image.path for image in data.images("train")[:8]])
    keypoints = np.full((len(images), JOINTS, 2), 8.0, dtype=np.float32)
    for _ in range(2):  # the first is a warm-up
        start = time.perf_counter()
        painter.generate(images, keypoints, keypoints)
    return (time.perf_counter() - start) / len(images)
