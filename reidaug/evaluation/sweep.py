"""The paper's Table VI in one go: shrink, synthesize and evaluate for several portions and generators."""

import os
import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from reidaug.core.errors import HeldError, ReidAugError
from reidaug.core.progress import Advance, Progress, Say, duration
from reidaug.core.shares import shard_from_environment
from reidaug.datasets.dataset import Dataset
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import JOINTS
from reidaug.evaluation.estimate import advice_on, training_seconds
from reidaug.evaluation.evaluate import check_evaluation, evaluate_study
from reidaug.evaluation.request import Recipe, SweepRequest
from reidaug.evaluation.results import Result, current_results, read_results
from reidaug.evaluation.setting import Setting, choose_setting
from reidaug.study.folder import PLAIN_SET, Study
from reidaug.study.shrink import shrink
from reidaug.study.training_sets import FULL_SET, TrainingSet
from reidaug.synthesis.painter import Painter, checkpoint_file
from reidaug.synthesis.request import SynthesisOptions
from reidaug.synthesis.synthesize import check_name, find_conflict, generator_record, synthesize

Unit = tuple[str, float]  # a training set: name and portion
Share = set[tuple[Unit, int]]  # training sets with seeds


def generators_of(request: SweepRequest) -> dict[str, Path]:
    """The checkpoints, by the name of the set that each gives: that of its file.

    Raises:
        ReidAugError: two of one name, or a name that is taken.
    """
    names = [path.stem.replace(".", "-") for path in request.checkpoints]
    for name, path in zip(names, request.checkpoints, strict=True):
        check_name(name, f"--ckpt {path}: its name names the row; rename the file to")
        if names.count(name) > 1:
            raise ReidAugError(f"--ckpt: {name!r} is the name of another set; rename the file, it names the row")
    return dict(zip(names, map(checkpoint_file, request.checkpoints), strict=True))


def units_of(request: SweepRequest) -> list[Unit]:
    """Every training set, in an order that all processes agree on."""
    sets = ["none", *request.evaluation.controls, *generators_of(request)]
    return [*((name, portion) for portion in request.portions for name in sets), ("full", 1.0)]


def sweep(study: Study, data: Dataset, request: SweepRequest, progress: Progress, say: Say) -> list[Result]:
    """Does what is missing, and returns the results of the sweep that are there at the end.

    Several processes (torchrun, a SLURM array) on one study share the work: each trains every world-th of all
    baselines, and generates what these need, or waits for the process that generates it.

    Raises:
        ReidAugError, PoNAError, ReIDError: of the three steps.
    """
    rank, world = shard_from_environment(os.environ)
    units = units_of(request)
    own: Share = set([(unit, seed) for seed in range(request.evaluation.seeds) for unit in units][rank::world])
    _check_generators(study, request)
    setting = choose_setting(request.evaluation, say)
    check_evaluation(setting, data)
    chosen = cast(Recipe, setting.recipe.name)
    evaluation = replace(request.evaluation, recipe=chosen, portions=request.portions)
    rows = _Rows(study, units, setting, evaluation.seeds, data.fingerprint("query", "gallery"))
    _announce(study, data, request, setting, rows, own, say)
    for portion in request.portions:
        shrink(data, study, replace(request.shrinking, portion=portion), copy=request.copy, wait=True)
    for name, checkpoint in generators_of(request).items():
        for portion in request.portions:
            if (name, portion) in _sets_of(own):
                with progress(f"painting {name}, p = {portion:.2f}") as advance:
                    options = SynthesisOptions(name=name, copy=request.copy, device=request.evaluation.device)
                    say(_complete(study, portion, checkpoint, options, advance, say))

    def is_own(training_set: TrainingSet, seed: int) -> bool:
        return ((training_set.name, training_set.portion), seed) in own

    results = evaluate_study(study, evaluation, progress, say, only=is_own, shared=world > 1)
    if world > 1:
        results = rows.all()
    total = len(units) * evaluation.seeds
    if missing := total - len(results):
        say(f"{missing} of {total} baselines are with other processes: see `reidaug table` later")
    return results


@dataclass(frozen=True)
class _Rows:
    """The results of a sweep, of every process."""

    study: Study
    units: list[Unit]
    setting: Setting
    seeds: int
    test_fingerprint: str

    def all(self) -> list[Result]:
        """Those that there are."""
        setting = self.setting
        names = (setting.recipe.name, setting.arch, setting.weights_name, setting.recipe.epochs)
        table = (*names, setting.asked_precision, self.test_fingerprint)
        care = setting.recipe.care()
        return [
            result
            for result in current_results(read_results(self.study.results_path))
            if (result.set, result.portion) in self.units
            and result.seed < self.seeds
            and result.table == table
            and result.care == (care if result.synthetic else {})
        ]


def _check_generators(study: Study, request: SweepRequest) -> None:
    """Finds out whether the generators can complete their sets: now, not after hours of work.

    Raises:
        ReidAugError: a set that exists and is of another generator.
        PoNAError: a checkpoint that cannot be used.
    """
    for (name, checkpoint), given in zip(generators_of(request).items(), request.checkpoints, strict=True):
        Painter(checkpoint, request.evaluation.device)  # one that cannot be used is named as such
        record = generator_record(checkpoint, SynthesisOptions().precision)
        for portion in request.portions:
            if conflict := find_conflict(study.set_root(portion, name).parent, record):
                command = f"synthesize --force --name {name} --portion {portion:.2f} --ckpt {shlex.quote(str(given))}"
                raise ReidAugError(f"{conflict}: rename {given}, its name names the row, or run `reidaug {command}`")


def _sets_of(share: Share) -> list[Unit]:
    return sorted({unit for unit, _ in share})


def _complete(
    study: Study, portion: float, checkpoint: Path, options: SynthesisOptions, advance: Advance, say: Say
) -> str:
    """Completes a training set, after another process that is at it has ended; returns the sentence that says so."""
    try:
        report = synthesize(study, portion, checkpoint, options, advance, shard=(0, 1))
    except HeldError as error:
        say(f"{error}: waiting for it")
        report = synthesize(study, portion, checkpoint, options, advance, shard=(0, 1), wait=True)
    return report.sentence()


def _announce(
    study: Study, data: Dataset, request: SweepRequest, setting: Setting, rows: _Rows, own: Share, say: Say
) -> None:
    """What will be done and about how long it takes, from a few timed steps; what is half done counts as not done."""
    train = data.images("train")
    sizes = {unit: len(train) if unit[0] != PLAIN_SET else round(unit[1] * len(train)) for unit in rows.units}
    done: Share = set()
    if not (request.evaluation.save_models or request.evaluation.rerank):  # results that lack these are made again
        done = {((result.set, result.portion), result.seed) for result in rows.all()}
    to_generate, generated, seconds = _generating(study, data, request, own)
    seconds += training_seconds(
        setting,
        [sizes[unit] for unit, _ in own - done],
        len({image.pid for image in train}),
        len(data.images("query")) + len(data.images("gallery")),
    )
    names = ", ".join(dict.fromkeys(name for name, _ in rows.units if name != FULL_SET))
    portions = ", ".join(f"{portion:.2f}" for portion in request.portions)
    seeds, total = rows.seeds, len(rows.units) * rows.seeds
    share = "" if len(own) == total else f"; this process's share: {len(own)}"
    say(
        f"sweep: {names} at p = {portions}, and full: {len(rows.units)} training sets x {seeds} "
        f"seed{'s' if seeds > 1 else ''} = {total} baselines {_existing(len(done)) or 'to train'}{share}, and "
        f"{to_generate:,} images to paint{' ' if generated else ''}{_existing(generated)}, on {setting.device}"
        + (f": about {duration(seconds)}" if own - done or to_generate else "")
    )
    if line := advice_on(setting, seconds):
        say(line)


def _existing(count: int) -> str:
    return f"({count:,} are there already)" if count else ""


def _generating(study: Study, data: Dataset, request: SweepRequest, own: Share) -> tuple[int, int, float]:
    """Of the sets of this process: images to generate, those of complete sets, and seconds that generating takes."""
    images = len(data.images("train"))
    to_generate, existing, seconds = 0, 0, 0.0
    for name, checkpoint in generators_of(request).items():
        counts = {portion: round((1 - portion) * images) for unit_name, portion in _sets_of(own) if unit_name == name}
        complete = sum(count for portion, count in counts.items() if name in study.sets(portion))
        existing += complete
        if count := sum(counts.values()) - complete:
            to_generate += count
            seconds += count * seconds_per_image(Painter(checkpoint, request.evaluation.device), data)
    return to_generate, existing, seconds


def seconds_per_image(painter: Painter, data: Dataset) -> float:
    """Times one batch of a generator on images of a data set."""
    images = read_images([image.path for image in data.images("train")[:8]])
    keypoints = np.full((len(images), JOINTS, 2), 8.0, dtype=np.float32)
    for _ in range(2):  # the first one warms up
        start = time.perf_counter()
        painter.generate(images, keypoints, keypoints)
    return (time.perf_counter() - start) / len(images)
