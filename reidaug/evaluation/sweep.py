"""The paper's Table VI in one go: shrink, synthesize and evaluate for several portions and generators."""

import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reidaug.core.device import pick_device
from reidaug.core.errors import HeldError, ReidAugError
from reidaug.core.progress import Advance, Progress, Say, duration
from reidaug.core.shares import shard_from_environment
from reidaug.datasets.market1501 import dataset_fingerprint, scan_split
from reidaug.evaluation.evaluate import check_evaluation, choose_recipe, evaluate_study
from reidaug.evaluation.request import EvaluationRequest, weights_name
from reidaug.evaluation.results import current_results, read_results, table_of
from reidaug.study.folder import Study, parse_portion
from reidaug.study.shrink import ShrinkConfig, shrink
from reidaug.study.training_sets import TrainingSet
from reidaug.synthesis.completed_set import SynthesisOptions
from reidaug.synthesis.painter import checkpoint_file
from reidaug.synthesis.synthesize import check_name, find_conflict, generator_record, synthesize

Unit = tuple[str, float]  # a training set: name and portion
Share = set[tuple[Unit, int]]  # training sets with seeds


@dataclass(frozen=True)
class SweepRequest:
    """What the user asked for."""

    portions: tuple[float, ...]
    checkpoints: tuple[Path, ...]  # each gives a set of its file's name; shipped is ours
    shrinking: ShrinkConfig  # its portion is replaced
    evaluation: EvaluationRequest
    copy: bool = False  # copy query and gallery instead of linking them

    def generators(self) -> dict[str, Path]:
        """The checkpoints, by the name of the set that each gives.

        Raises:
            ReidAugError: two of one name, or a name that is taken.
        """
        names = [path.stem.replace(".", "-") for path in self.checkpoints]
        for name, path in zip(names, self.checkpoints, strict=True):
            check_name(name, f"--ckpt {path}: its name names the row; rename the file to")
            if names.count(name) > 1:
                raise ReidAugError(f"--ckpt: {name!r} is the name of another set; rename the file, it names the row")
        return dict(zip(names, map(checkpoint_file, self.checkpoints), strict=True))

    def units(self) -> list[Unit]:
        """Every training set, in an order that all processes agree on."""
        sets = ["none", *self.evaluation.controls, *self.generators()]
        return [*((name, portion) for portion in self.portions for name in sets), ("full", 1.0)]


def parse_portions(text: str) -> tuple[float, ...]:
    """``"0.2,0.4"`` -> portions, ascending.

    Raises:
        ReidAugError: none, or one that is no portion.
    """
    portions = tuple(sorted({parse_portion(part) for part in text.split(",") if part.strip()}))
    if not portions:
        raise ReidAugError("--portions is empty: expected some, such as 0.2,0.4,0.6,0.8")
    return portions


def sweep(study: Study, data: Path, request: SweepRequest, progress: Progress, say: Say) -> list[dict[str, Any]]:
    """Does what is missing, and returns the rows of the sweep that are there at the end.

    Several processes (torchrun, a SLURM array) on one study share the work: each trains every world-th of all
    baselines, and paints what these need, or waits for the process that paints it.

    Raises:
        ReidAugError, PoNAError, ReIDError: of the three steps.
    """
    rank, world = shard_from_environment(os.environ)
    units = request.units()
    own: Share = set([(unit, seed) for seed in range(request.evaluation.seeds) for unit in units][rank::world])
    _check_painted_sets(study, request)
    evaluation, table = _announce(study, data, request, units, own, say)
    for portion in request.portions:
        shrink(data, study, replace(request.shrinking, portion=portion), copy=request.copy, wait=True)
    for name, checkpoint in request.generators().items():
        for portion in request.portions:
            if (name, portion) in _sets_of(own):
                with progress(f"painting {name}, p = {portion:.2f}") as advance:
                    options = SynthesisOptions(name=name, copy=request.copy, device=request.evaluation.device)
                    say(_paint(study, portion, checkpoint, options, advance, say))

    def is_own(each: TrainingSet, seed: int) -> bool:
        return ((each.name, each.portion), seed) in own

    rows = evaluate_study(study, evaluation, progress, say, only=is_own, shared=world > 1)
    if world > 1:
        rows = _rows_of_all(study, units, table, evaluation)
    total = len(units) * evaluation.seeds
    if missing := total - len(rows):
        say(f"{missing} of {total} baselines are with other processes: see `reidaug table` later")
    return rows


def _check_painted_sets(study: Study, request: SweepRequest) -> None:
    """Finds out whether the generators can paint their sets: now, not after hours of painting.

    Raises:
        ReidAugError: a set that is there and of another generator.
        PoNAError: a checkpoint that cannot be used.
    """
    import pona

    for (name, checkpoint), given in zip(request.generators().items(), request.checkpoints, strict=True):
        pona.load_checkpoint(checkpoint)  # one that cannot be used is named as such
        record = generator_record(checkpoint, SynthesisOptions().precision)
        for portion in request.portions:
            if conflict := find_conflict(study.set_root(portion, name).parent, record):
                command = f"synthesize --force --name {name} --portion {portion:.2f} --ckpt {shlex.quote(str(given))}"
                raise ReidAugError(f"{conflict}: rename {given}, its name names the row, or run `reidaug {command}`")


def _sets_of(share: Share) -> list[Unit]:
    return sorted({unit for unit, _ in share})


def _paint(
    study: Study, portion: float, checkpoint: Path, options: SynthesisOptions, advance: Advance, say: Say
) -> str:
    """Completes a training set, after another process that is at it has ended; returns the sentence that says so."""
    try:
        report = synthesize(study, portion, checkpoint, options, advance, shard=(0, 1))
    except HeldError as error:
        say(f"{error}: waiting for it")
        report = synthesize(study, portion, checkpoint, options, advance, shard=(0, 1), wait=True)
    return report.sentence()


def _rows_of_all(
    study: Study, units: Sequence[Unit], table: tuple[Any, ...], evaluation: EvaluationRequest
) -> list[dict[str, Any]]:
    """The rows of the sweep that are there, of every process; `table`: see `table_of`."""
    from reid_baseline.recipe import DEFAULTS

    care = {name: value for name, value in evaluation.care.items() if value not in (None, DEFAULTS[name])}
    return [
        row
        for row in current_results(read_results(study.results_path))
        if (row["set"], row["portion"]) in units
        and row["seed"] < evaluation.seeds
        and table_of(row) == table
        and (row.get("care") or {}) == (care if row["synthetic"] else {})
    ]


def _announce(
    study: Study, data: Path, request: SweepRequest, units: Sequence[Unit], own: Share, say: Say
) -> tuple[EvaluationRequest, tuple[Any, ...]]:
    """What will be done and about how long it takes, from a few timed steps; what is half done counts as not done.

    Returns:
        The evaluation with its recipe chosen, so that the choice is said once; and the table of its rows (`table_of`).
    """
    from reid_baseline import estimate_seconds

    device = pick_device(request.evaluation.device)
    recipe, weights = choose_recipe(request.evaluation, str(device), say)
    check_evaluation(request.evaluation.arch, data, weights)
    evaluation = replace(request.evaluation, recipe=recipe.name, portions=request.portions)
    table = _table_of_sweep(data, recipe, weights, evaluation)
    records = scan_split(data, "train")
    images = {unit: len(records) if unit[0] != "none" else round(unit[1] * len(records)) for unit in units}
    test_images = sum(len(scan_split(data, split)) for split in ("query", "gallery"))
    done: Share = set()
    if not (evaluation.save_models or evaluation.rerank):  # rows that lack these are made again
        rows = _rows_of_all(study, units, table, evaluation)
        done = {((row["set"], row["portion"]), row["seed"]) for row in rows}
    to_paint, painted, seconds = _painting(study, data, request, own, device)
    if todo := own - done:
        seconds += estimate_seconds(
            recipe,
            images=sum(images[unit] for unit, _ in todo),
            num_classes=len({record.pid for record in records}),
            test_images=test_images * len(todo),
            arch=evaluation.arch,
            device=device,
            precision=evaluation.precision,
        )
    names = ", ".join(dict.fromkeys(name for name, _ in units if name != "full"))
    portions = ", ".join(f"{portion:.2f}" for portion in request.portions)
    seeds, total = evaluation.seeds, len(units) * evaluation.seeds
    share = "" if len(own) == total else f"; this process's share: {len(own)}"
    say(
        f"sweep: {names} at p = {portions}, and full: {len(units)} training sets x {seeds} "
        f"seed{'s' if seeds > 1 else ''} = {total} baselines {_there(len(done)) or 'to train'}{share}, and "
        f"{to_paint:,} images to paint{' ' if painted else ''}{_there(painted)}, on {device}"
        + (f": about {duration(seconds)}" if todo or to_paint else "")
    )
    return evaluation, table


def _there(count: int) -> str:
    return f"({count:,} are there already)" if count else ""


def _table_of_sweep(data: Path, recipe: Any, weights: str, evaluation: EvaluationRequest) -> tuple[Any, ...]:
    """What the rows of the sweep have in common."""
    row = {
        "recipe": recipe.name,
        "arch": evaluation.arch,
        "weights": weights_name(weights),
        "epochs": recipe.epochs,
        "test_fingerprint": dataset_fingerprint(data, ("query", "gallery")),
    }
    return table_of(row | evaluation.asked_precision())


def _painting(study: Study, data: Path, request: SweepRequest, own: Share, device: Any) -> tuple[int, int, float]:
    """Of the sets of this process: images to paint, those of complete sets, and seconds that the painting takes."""
    images = len(scan_split(data, "train"))
    to_paint, there, seconds = 0, 0, 0.0
    for name, checkpoint in request.generators().items():
        counts = {portion: round((1 - portion) * images) for unit_name, portion in _sets_of(own) if unit_name == name}
        complete = sum(count for portion, count in counts.items() if name in study.sets(portion))
        there += complete
        if count := sum(counts.values()) - complete:
            to_paint += count
            seconds += count * _seconds_per_image(checkpoint, data, device)
    return to_paint, there, seconds


def _seconds_per_image(checkpoint: Path, data: Path, device: Any) -> float:
    """Times one batch of a generator."""
    import torch

    import pona
    from reidaug.datasets.images import read_images
    from reidaug.datasets.market1501 import split_folder

    generator = pona.fold_norms(pona.load_checkpoint(checkpoint).generator)
    folder = split_folder(data, "train")
    names = [record.name for record in scan_split(data, "train")[:8]]
    images = torch.from_numpy(read_images([folder / name for name in names])).permute(0, 3, 1, 2)
    keypoints = torch.full((len(images), 18, 2), 8.0)
    for _ in range(2):  # the first one warms up
        start = time.perf_counter()
        pona.generate_images(generator, images, keypoints, keypoints, device=device)
    return (time.perf_counter() - start) / len(images)
