"""One baseline after another: train it, score it, keep the row."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import HeldError, ReidAugError, is_foreseen, one_line
from reidaug.core.files import locked, stamp_files
from reidaug.core.machine import describe_run
from reidaug.core.progress import Progress, Say, duration
from reidaug.datasets.market1501 import ImageRecord, dataset_fingerprint, scan_split, split_folder
from reidaug.evaluation.features import RERANKED, make_features, reranked_scores, save_features
from reidaug.evaluation.request import EvaluationRequest, weights_name
from reidaug.evaluation.results import append_result, current_results, read_results, row_place, write_query_scores
from reidaug.evaluation.runs import Cell
from reidaug.study.folder import Study
from reidaug.study.training_sets import TrainingSet

HOURS_TO_WARN = 3.0  # of a whole evaluation on a CPU, before `quick` is named


@dataclass(frozen=True)
class Work:
    """Everything that all cells of one evaluation share."""

    study: Study
    data: Path
    request: EvaluationRequest
    recipe: Any  # reid_baseline.Recipe
    weights: str
    device: Any
    test_fingerprint: str
    progress: Progress
    say: Say

    def complete_rows(self) -> list[dict[str, Any]]:
        """The results that have all that is asked for."""
        return [row for row in read_results(self.study.results_path) if not self._lacks(row)]

    def _lacks(self, row: dict[str, Any]) -> bool:
        saved = (self.study.model_path(row["key"]), self.study.features_path(row["key"]))
        not_saved = self.request.save_models and not all(path.is_file() for path in saved)
        return not_saved or (self.request.rerank and RERANKED not in row)

    def share_results(self, cells: Sequence[Cell]) -> None:
        """Gives each cell whose experiment is done under another name (equal images) a row of its own."""
        rows = self.complete_rows()
        there, by_key = {row_place(row) for row in rows}, {row["key"]: row for row in rows}
        for cell in cells:
            if cell.place() not in there and cell.key in by_key:
                append_result(self.study.results_path, {**by_key[cell.key], **cell.own_fields()})
                there.add(cell.place())

    def make_current(self, cells: Sequence[Cell]) -> None:
        """Writes again what a later row of another set under the same name hides, as after a set was made twice."""
        rows = read_results(self.study.results_path)
        current, by_place = {row_place(row) for row in current_results(rows)}, {row_place(row): row for row in rows}
        for cell in cells:
            if cell.place() in by_place and cell.place() not in current:
                append_result(self.study.results_path, by_place[cell.place()])

    def announce(self, todo: Sequence[Cell], total: int) -> None:
        """What will be trained, on what device, and about how long that takes."""
        from reid_baseline import estimate_seconds

        test_images = sum(len(scan_split(self.data, split)) for split in ("query", "gallery"))
        trained = {cell.key: cell for cell in todo}.values()
        seconds = estimate_seconds(
            self.recipe,
            images=sum(len(c.training_set.files) * c.recipe.epochs // self.recipe.epochs for c in trained),
            num_classes=max(len(set(cell.training_set.pids)) for cell in trained),
            test_images=test_images * len(trained),
            arch=self.request.arch,
            device=self.device,
            precision=self.request.precision,
        )
        names = ", ".join(dict.fromkeys(f"{c.training_set.name} (p = {c.training_set.portion:.2f})" for c in todo))
        self.say(
            f"to train: {len(trained)} of {total} baselines ({names}); recipe {self.recipe.name}, {self.request.arch}, "
            f"weights {self.weights}, {self.recipe.epochs} epochs, on {self.device}: about {duration(seconds)}"
        )
        if self.recipe.name != "quick" and str(self.device) == "cpu" and seconds > HOURS_TO_WARN * 3600:
            self.say("that is long on a CPU: `--recipe quick` trains from scratch at 128 x 64 in far less")

    def run(self, todo: Sequence[Cell], shared: bool) -> None:
        """Trains and scores cell by cell; one that fails, or that another process trains, does not stop the others.

        Raises:
            ReidAugError: at the end, where there was such a one.
        """
        test = self._load_test_images()
        held: list[tuple[Cell, HeldError]] = []
        failed: list[Exception] = []
        for cell in todo:
            lock = self.study.path / ".work" / f"{cell.key}.lock"
            try:
                with locked(lock, f"evaluation of {cell.title()}"):
                    if cell.key not in {row["key"] for row in self.complete_rows()}:
                        self._run_cell(cell, test)
            except HeldError as error:
                self.say(f"{error}: passed over")
                held.append((cell, error))
            except Exception as error:
                if not is_foreseen(error):
                    raise
                self.say(f"{cell.title()} failed: {one_line(error)}")
                failed.append(error)
        if failed:
            raise ReidAugError(f"{len(failed)} of {len(todo)} baselines could not be trained: {one_line(failed[0])}")
        done = {row["key"] for row in self.complete_rows()}
        missing = [error for cell, error in held if cell.key not in done]
        if missing and not shared:
            raise ReidAugError(
                f"{len(missing)} of the baselines are not done: {missing[0]}; run again when that has ended"
            )

    def _load_test_images(self) -> dict[str, tuple[Any, list[ImageRecord]]]:
        from reid_baseline import load_images

        images = {}
        for split in ("query", "gallery"):
            records = scan_split(self.data, split)
            folder = split_folder(self.data, split)
            images[split] = (load_images([folder / record.name for record in records], self.recipe.size), records)
        if dataset_fingerprint(self.data, ("query", "gallery")) != self.test_fingerprint:
            raise ReidAugError("the images of query or gallery have changed since this evaluation began: run it again")
        return images

    def _load_training_images(self, each: TrainingSet) -> Any:
        from reid_baseline import load_images

        images = load_images(each.files, self.recipe.size)
        rows = list(each.mirrored)
        images[rows] = images[rows].flip(3)
        if stamp_files(each.files) != each.stamp:
            raise ReidAugError(f"the images of {each.title()} have changed since this evaluation began: run it again")
        return images

    def _check_weights(self, cell: Cell) -> None:
        if weights_name(self.weights) != cell.configuration["weights"]:
            raise ReidAugError(f"--weights {self.weights} has changed since this evaluation began: run it again")

    def _run_cell(self, cell: Cell, test: dict[str, tuple[Any, list[ImageRecord]]]) -> None:
        from reid_baseline import evaluate_ranking, save_model, training_seconds

        classes, labels = np.unique(cell.training_set.pids, return_inverse=True)
        unfinished = self.study.path / ".work" / f"{cell.key}.pt"
        self._check_weights(cell)
        model = self._finish_training(cell, labels, unfinished)
        self._check_weights(cell)
        seconds, trained = training_seconds(unfinished), time.monotonic()
        model_path, features_path = self.study.model_path(cell.key), self.study.features_path(cell.key)
        kept = model_path.is_file() or features_path.is_file()
        save = self.request.save_models or kept  # what is kept must not outlive the row that it is of
        if save:
            model_path.parent.mkdir(exist_ok=True)
            save_model(model_path, model, cell.recipe, classes.tolist())
        query, gallery = (self._extract(model, split, images) for split, (images, _) in test.items())
        features = make_features(query, gallery, test["query"][1], test["gallery"][1], self.test_fingerprint)
        ranking = evaluate_ranking(query, gallery, *features.ranking_arguments()[2:])
        scores = (ranking.average_precision, ranking.average_precision_trapezoid)
        write_query_scores(self.study.queries_path / f"{cell.key}.csv", test["query"][1], *scores)
        if save:
            save_features(features_path, features)
        row = self._row(cell, ranking, seconds + time.monotonic() - trained)
        if self.request.rerank or self._was_reranked(cell):
            row |= reranked_scores(features)
        append_result(self.study.results_path, row)
        unfinished.unlink(missing_ok=True)
        self.say(
            f"{cell.title()}: mAP {100 * ranking.mean_ap_trapezoid:.1f} (trapezoid), rank-1 {100 * ranking.rank(1):.1f}"
        )

    def _extract(self, model: Any, split: str, images: Any) -> Any:
        from reid_baseline import extract_features

        with self.progress(f"features of {split}") as advance:
            return extract_features(model, images, self.recipe, self.device, advance, precision=self.request.precision)

    def _finish_training(self, cell: Cell, labels: np.ndarray, unfinished: Path) -> Any:
        """Goes on from where an earlier run stopped, if its state can be used."""
        from reid_baseline import StateError

        try:
            return self._train(cell, labels, unfinished)
        except StateError as error:
            self.say(f"{cell.title()} starts anew: {error}")
            unfinished.unlink()
            return self._train(cell, labels, unfinished)

    def _train(self, cell: Cell, labels: np.ndarray, unfinished: Path) -> Any:
        import torch

        from reid_baseline import train_baseline

        with self.progress(f"training on {cell.title()}") as advance:
            return train_baseline(
                self._load_training_images(cell.training_set),
                torch.from_numpy(labels),
                cell.recipe,
                synthetic=_mark(cell.training_set.synthetic, len(labels)),
                arch=self.request.arch,
                weights=self.weights,
                seed=cell.seed,
                device=self.device,
                precision=self.request.precision,
                checkpoint=unfinished,
                progress=lambda now: advance(now.iteration, now.iterations, _training_note(now)),
            )

    def _was_reranked(self, cell: Cell) -> bool:
        """Whether an earlier result that the new one replaces has re-ranked scores: they are not to get lost."""
        return any(row["key"] == cell.key and RERANKED in row for row in read_results(self.study.results_path))

    def _row(self, cell: Cell, ranking: Any, seconds: float) -> dict[str, Any]:
        return {
            **cell.fields(),
            "mean_ap": float(ranking.mean_ap),
            "mean_ap_trapezoid": float(ranking.mean_ap_trapezoid),
            "mean_inp": float(ranking.mean_inp),
            "rank1": ranking.rank(1),
            "rank5": ranking.rank(5),
            "rank10": ranking.rank(10),
            "queries": int(ranking.queries),
            "queries_without_match": int(ranking.queries_without_match),
            "test_fingerprint": self.test_fingerprint,
            **describe_run(self.device, self.request.precision),
            **self.request.asked_precision(),
            "seconds": round(seconds, 1),
        }


def _mark(rows: Sequence[int], count: int) -> Any:
    """(count,) bool tensor, true at some rows; None for none."""
    import torch

    return torch.isin(torch.arange(count), torch.tensor(rows)) if rows else None


def _training_note(now: Any) -> str:
    return (
        f"epoch {now.epoch} of {now.epochs}, loss {now.loss:.2f}, accuracy {100 * now.accuracy:.0f} %, "
        f"{now.images_per_second:.0f} images/s, {duration(now.seconds_left)} left"
    )
