"""Train and score the re-ID baseline on every training set of a study; keep each result under what it hangs on."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reidaug import __version__
from reidaug.console import Advance, duration
from reidaug.errors import HeldError, ReidAugError
from reidaug.files import locked
from reidaug.market1501 import ImageRecord, dataset_fingerprint, scan_split, split_folder
from reidaug.results import append_result, read_results, result_key
from reidaug.study import Study, chosen_portions
from reidaug.training_sets import TrainingSet, find_training_sets

HOURS_TO_WARN = 3.0  # of a whole evaluation on a CPU, before `quick` is named
Progress = Callable[[str], AbstractContextManager[Advance]]
Say = Callable[[str], None]


@dataclass(frozen=True)
class EvaluationRequest:
    """What the user asked for; None = the default."""

    portion: str | None = None  # one portion of the study
    recipe: str | None = None  # paper or quick
    arch: str = "resnet50"  # resnet50 or resnet18
    weights: str | None = None  # imagenet, none or a file
    epochs: int | None = None  # other than the recipe's
    seeds: int = 1  # seeds 0 .. seeds - 1
    device: str = "auto"  # auto, cpu, cuda, cuda:N


@dataclass(frozen=True)
class Cell:
    """One baseline to be trained."""

    training_set: TrainingSet
    seed: int
    key: str  # names the result

    def title(self) -> str:
        """For people."""
        return f"{self.training_set.name}, p = {self.training_set.portion:.2f}, seed {self.seed}"


def evaluate_study(study: Study, request: EvaluationRequest, progress: Progress, say: Say) -> list[dict[str, Any]]:
    """Trains what has no result yet; returns the rows of all the cells asked for.

    Raises:
        ReidAugError: no study, no data, or a cell is being trained by another process (after all others are done).
        ReIDError: weights that cannot be had or images that cannot be used.
    """
    from reid_baseline.device import pick_device

    portions = chosen_portions(study, request.portion)
    data = study.data_of(portions[0])  # find_training_sets checks that its images are unchanged
    device = pick_device(request.device)
    recipe, weights = _recipe(request, str(device), say)
    sets = find_training_sets(study, portions, data, say)
    test_fingerprint = dataset_fingerprint(data, ("query", "gallery"))
    configuration = {"recipe": asdict(recipe), "arch": request.arch, "weights": _weights_name(weights)}
    cells = [
        Cell(each, seed, result_key(each.fingerprint, test_fingerprint, configuration, seed))
        for seed in range(request.seeds)
        for each in sets
    ]
    done = {row["key"] for row in read_results(study.results_path)}
    todo = [cell for cell in cells if cell.key not in done]
    if todo:
        work = _Work(study, data, recipe, request.arch, weights, device, test_fingerprint, configuration, progress, say)
        work.announce(todo, len(cells))
        work.run(todo)
    else:
        say(f"all {len(cells)} results are there already: nothing to train")
    rows = {row["key"]: row for row in read_results(study.results_path)}
    # Equal training sets share a result; it stands under each of their names.
    return [
        {**rows[c.key], **c.training_set.provenance, "set": c.training_set.name, "portion": c.training_set.portion}
        for c in cells
    ]


def _recipe(request: EvaluationRequest, device: str, say: Say) -> tuple[Any, str]:
    from reid_baseline import RECIPES

    name = request.recipe
    if name is None:
        name = "paper" if device.startswith("cuda") else "quick"
        why = (
            "a GPU is there" if name == "paper" else "no GPU: `--recipe paper` is the paper's, for many hours on a CPU"
        )
        say(f"recipe {name} ({why})")
    recipe = RECIPES[name]
    if request.epochs is not None:
        recipe = replace(recipe, epochs=request.epochs)
    return recipe, request.weights or ("imagenet" if name == "paper" else "none")


def _weights_name(weights: str) -> str:
    """``none``, ``imagenet``, or a file's content in 12 digits: a result must not hang on where a file lies."""
    if weights in ("none", "imagenet"):
        return weights
    import hashlib

    path = Path(weights)
    if not path.is_file():
        raise ReidAugError(f"--weights {weights}: no such file; give a file, imagenet or none")
    return f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


@dataclass(frozen=True)
class _Work:
    """Everything that all cells of one evaluation share."""

    study: Study
    data: Path
    recipe: Any
    arch: str
    weights: str
    device: Any
    test_fingerprint: str
    configuration: dict[str, Any]
    progress: Progress
    say: Say

    def announce(self, todo: Sequence[Cell], total: int) -> None:
        """What will be trained, on what device, and about how long that takes."""
        from reid_baseline import estimate_seconds

        training = [scan_split(cell.training_set.root, "train") for cell in todo]
        test_images = sum(len(scan_split(self.data, split)) for split in ("query", "gallery"))
        seconds = estimate_seconds(
            self.recipe,
            images=sum(len(records) for records in training),
            num_classes=max(len({record.pid for record in records}) for records in training),
            test_images=test_images * len(todo),
            arch=self.arch,
            device=self.device,
        )
        names = ", ".join(dict.fromkeys(f"{c.training_set.name} (p = {c.training_set.portion:.2f})" for c in todo))
        self.say(
            f"to train: {len(todo)} of {total} baselines ({names}); recipe {self.recipe.name}, {self.arch}, weights "
            f"{self.weights}, {self.recipe.epochs} epochs, on {self.device}: about {duration(seconds)}"
        )
        if self.recipe.name != "quick" and str(self.device) == "cpu" and seconds > HOURS_TO_WARN * 3600:
            self.say("that is long on a CPU: `--recipe quick` trains from scratch at 128 x 64 in far less")

    def run(self, todo: Sequence[Cell]) -> None:
        """Trains and scores cell by cell; one that another process trains is passed over and named at the end."""
        test = self._load_test_images()
        held: list[HeldError] = []
        for cell in todo:
            lock = self.study.path / ".work" / f"{cell.key}.lock"
            try:
                with locked(lock, f"evaluation of {cell.title()}"):
                    if cell.key not in {row["key"] for row in read_results(self.study.results_path)}:
                        self._run_cell(cell, test)
            except HeldError as error:
                self.say(f"{error}: passed over")
                held.append(error)
        if held:
            raise ReidAugError(f"{len(held)} of the baselines are not done: {held[0]}; run again when that has ended")

    def _load_test_images(self) -> dict[str, tuple[Any, list[ImageRecord]]]:
        images = {}
        for split in ("query", "gallery"):
            records = scan_split(self.data, split)
            images[split] = (self._load(self.data, split, records), records)
        return images

    def _load(self, root: Path, split: str, records: Sequence[ImageRecord]) -> Any:
        from reid_baseline import load_images

        folder = split_folder(root, split)
        return load_images([folder / record.name for record in records], self.recipe.size)

    def _run_cell(self, cell: Cell, test: dict[str, tuple[Any, list[ImageRecord]]]) -> None:
        import torch

        from reid_baseline import evaluate_ranking, extract_features, train_baseline

        start = time.monotonic()
        records = scan_split(cell.training_set.root, "train")
        classes, labels = np.unique([record.pid for record in records], return_inverse=True)
        unfinished = self.study.path / ".work" / f"{cell.key}.pt"
        with self.progress(f"training on {cell.title()}") as advance:
            model = train_baseline(
                self._load(cell.training_set.root, "train", records),
                torch.from_numpy(labels),
                self.recipe,
                arch=self.arch,
                weights=self.weights,
                seed=cell.seed,
                device=self.device,
                checkpoint=unfinished,
                progress=lambda now: advance(now.iteration, now.iterations, _training_note(now)),
            )
        features = {}
        for split, (images, _) in test.items():
            with self.progress(f"features of {split}") as advance:
                features[split] = extract_features(model, images, self.recipe, self.device, advance)
        pids, camids = (
            {split: np.array([getattr(record, name) for record in found]) for split, (_, found) in test.items()}
            for name in ("pid", "camid")
        )
        ranking = evaluate_ranking(
            *(features["query"], features["gallery"], pids["query"], pids["gallery"]),
            *(camids["query"], camids["gallery"]),
        )
        row = self._row(cell, ranking, len(records), len(classes), time.monotonic() - start)
        append_result(self.study.results_path, row)
        unfinished.unlink(missing_ok=True)
        self.say(
            f"{cell.title()}: mAP {100 * ranking.mean_ap_trapezoid:.1f} (trapezoid), rank-1 {100 * ranking.rank(1):.1f}"
        )

    def _row(self, cell: Cell, ranking: Any, images: int, identities: int, seconds: float) -> dict[str, Any]:
        import torch
        import torchvision

        each = cell.training_set
        return {
            "key": cell.key,
            "set": each.name,
            "portion": each.portion,
            "recipe": self.recipe.name,
            "arch": self.arch,
            "weights": self.configuration["weights"],
            "epochs": self.recipe.epochs,
            "seed": cell.seed,
            "mean_ap": float(ranking.mean_ap),
            "mean_ap_trapezoid": float(ranking.mean_ap_trapezoid),
            "mean_inp": float(ranking.mean_inp),
            "rank1": ranking.rank(1),
            "rank5": ranking.rank(5),
            "rank10": ranking.rank(10),
            "queries": int(ranking.queries),
            "queries_without_match": int(ranking.queries_without_match),
            "images": images,
            "identities": identities,
            "synthetic": each.synthetic,
            **each.provenance,
            "training_fingerprint": each.fingerprint,
            "test_fingerprint": self.test_fingerprint,
            "configuration": self.configuration,
            "versions": {"reidaug": __version__, "torch": torch.__version__, "torchvision": torchvision.__version__},
            "device": torch.cuda.get_device_name(self.device) if str(self.device).startswith("cuda") else "cpu",
            "seconds": round(seconds, 1),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "command": shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
        }


def _training_note(now: Any) -> str:
    return (
        f"epoch {now.epoch} of {now.epochs}, loss {now.loss:.2f}, accuracy {100 * now.accuracy:.0f} %, "
        f"{now.images_per_second:.0f} images/s, {duration(now.seconds_left)} left"
    )
