"""Trains and scores the runs of an evaluation one after another, and writes each result at once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import HeldError, ReidAugError, is_expected, one_line
from reidaug.core.locks import locked
from reidaug.core.machine import describe_run
from reidaug.core.progress import Progress, Say, duration
from reidaug.datasets.dataset import Dataset
from reidaug.evaluation.features import SavedFeatures, add_reranked_scores, make_features, save_features
from reidaug.evaluation.query_scores import write_query_scores
from reidaug.evaluation.results import Result, read_results
from reidaug.evaluation.runs import Run
from reidaug.evaluation.setting import Setting
from reidaug.evaluation.store import ResultStore
from reidaug.study.folder import Study
from reidaug.study.training_sets import TrainingSet

if TYPE_CHECKING:
    from torch import Tensor

    from reid_baseline import BaselineNet, Ranking, TrainProgress


@dataclass(frozen=True, eq=False)
class Runner:
    """Trains and scores the runs of an evaluation."""

    study: Study
    data: Dataset
    setting: Setting
    store: ResultStore
    test_fingerprint: str  # of query and gallery when the evaluation began
    progress: Progress
    say: Say

    def do(self, runs: Sequence[Run], shared: bool) -> None:
        """Trains and scores run by run; goes on with the others if one fails or is locked by another process.

        Args:
            runs: what to do.
            shared: other processes work on the same runs: one that is locked is left to them.

        Raises:
            ReidAugError: after all others, if a run failed or is not done.
        """
        images = self._load_test_images()
        held: list[tuple[Run, HeldError]] = []
        failed: list[Exception] = []
        for run in runs:
            try:
                with locked(self._unfinished(run).with_suffix(".lock"), f"evaluation of {run.title()}"):
                    if not self.store.is_done(run):
                        self._do_one(run, images)
            except HeldError as error:
                self.say(f"{error}: skipped")
                held.append((run, error))
            except Exception as error:
                if not is_expected(error):
                    raise
                self.say(f"{run.title()} failed: {one_line(error)}")
                failed.append(error)
        if failed:
            raise ReidAugError(f"{len(failed)} of {len(runs)} baselines could not be trained: {one_line(failed[0])}")
        missing = [error for run, error in held if not self.store.is_done(run)]
        if missing and not shared:
            raise ReidAugError(f"{len(missing)} baselines are not done: {missing[0]}; run again when it has ended")

    def _unfinished(self, run: Run) -> Path:
        """The file with the state of an interrupted training."""
        return self.study.work_path / f"{run.key}.pt"

    def _load_test_images(self) -> dict[str, "Tensor"]:
        """(N, 3, H, W) uint8 of the recipe's size, for query and gallery."""
        from reid_baseline import load_images

        images = {
            split: load_images([image.path for image in self.data.images(split)], self.setting.recipe.size)
            for split in ("query", "gallery")
        }
        if Dataset(self.data.root, self.data.layout).fingerprint("query", "gallery") != self.test_fingerprint:
            raise ReidAugError("the images of query or gallery have changed since this evaluation began: run it again")
        return images

    def _do_one(self, run: Run, images: dict[str, "Tensor"]) -> None:
        from reid_baseline import save_model, training_seconds

        run.start.check_unchanged()
        model = resume_or_restart(lambda: self._train(run), self._unfinished(run), run.title(), self.say)
        run.start.check_unchanged()
        seconds, trained = training_seconds(self._unfinished(run)), time.monotonic()
        model_path, features_path = self.study.model_path(run.key), self.study.features_path(run.key)
        # Replaced even if not requested: files of an earlier result would not belong to the new one.
        save = self.store.with_models or model_path.is_file() or features_path.is_file()
        if save:
            model_path.parent.mkdir(exist_ok=True)
            save_model(model_path, model, run.recipe, sorted(set(run.training_set.pids)))
        ranking, features = self._test(run, model, images)
        if save:
            save_features(features_path, features)
        result = self._result(run, ranking, seconds + time.monotonic() - trained)
        reranked = {earlier.key for earlier in read_results(self.study.results_path) if earlier.reranking}
        if self.store.with_reranking or run.key in reranked:  # these scores would be lost
            result = add_reranked_scores(result, features)
        self.store.add(result)
        self._unfinished(run).unlink(missing_ok=True)
        self.say(
            f"{run.title()}: mAP {100 * result.mean_ap_trapezoid:.1f} (trapezoid), rank-1 {100 * result.rank1:.1f}"
        )

    def _train(self, run: Run) -> "BaselineNet":
        import torch

        from reid_baseline import train_baseline

        setting, training_set = self.setting, run.training_set
        labels = torch.from_numpy(np.unique(training_set.pids, return_inverse=True)[1])
        synthetic = torch.isin(torch.arange(len(labels)), torch.tensor(training_set.synthetic, dtype=torch.int64))
        with self.progress(f"training on {run.title()}") as advance:
            return train_baseline(
                load_training_images(training_set, setting.recipe.size),
                labels,
                run.recipe,
                synthetic=synthetic if training_set.synthetic else None,
                arch=setting.arch,
                weights=run.start.weights,
                seed=run.seed,
                device=setting.device,
                precision=setting.precision,
                checkpoint=self._unfinished(run),
                progress=lambda now: advance(now.iteration, now.iterations, progress_note(now)),
            )

    def _test(self, run: Run, model: "BaselineNet", images: dict[str, "Tensor"]) -> tuple["Ranking", SavedFeatures]:
        """Scores a network and writes the scores of each query."""
        from reid_baseline import evaluate_ranking

        query, gallery = (self._extract(model, split, images[split]) for split in ("query", "gallery"))
        features = make_features(query, gallery, self.data, self.test_fingerprint)
        ranking = evaluate_ranking(query, gallery, *features.ranking_arguments(self.setting.same_camera)[2:])
        scores = (ranking.average_precision, ranking.average_precision_trapezoid)
        write_query_scores(self.study.queries_path / f"{run.key}.csv", features.query_images, *scores)
        return ranking, features

    def _extract(self, model: "BaselineNet", split: str, images: "Tensor") -> "Tensor":
        from reid_baseline import extract_features

        setting = self.setting
        with self.progress(f"features of {split}") as advance:
            return extract_features(model, images, setting.recipe, setting.device, advance, precision=setting.precision)

    def _result(self, run: Run, ranking: "Ranking", seconds: float) -> Result:
        from reid_baseline.backbones import find_backbone

        package = find_backbone(self.setting.arch).package
        return Result(
            **run.fields(self.setting),
            mean_ap=float(ranking.mean_ap),
            mean_ap_trapezoid=float(ranking.mean_ap_trapezoid),
            mean_inp=float(ranking.mean_inp),
            rank1=ranking.rank(1),
            rank5=ranking.rank(5),
            rank10=ranking.rank(10),
            queries=int(ranking.queries),
            queries_without_match=int(ranking.queries_without_match),
            test_fingerprint=self.test_fingerprint,
            **describe_run(self.setting.device, self.setting.precision, package),
            seconds=round(seconds, 1),
        )


def load_training_images(training_set: TrainingSet, size: tuple[int, int]) -> "Tensor":
    """The images of a set as it is trained on: (N, 3, height, width) uint8.

    Raises:
        ReidAugError: they have changed since the set was read.
        ReIDError: an image that cannot be read.
    """
    from reid_baseline import load_images

    images = load_images([image.path for image in training_set.images], size)
    if training_set.transform:
        training_set.transform.apply(images)
    if training_set.current_stamp() != training_set.stamp:
        changed = f"the images of {training_set.title()} have changed"
        raise ReidAugError(f"{changed} since this evaluation began: run it again")
    return images


def resume_or_restart(train: Callable[[], "BaselineNet"], unfinished: Path, title: str, say: Say) -> "BaselineNet":
    """Resumes a training that an earlier process began, or starts again if the file of its state cannot be used."""
    from reid_baseline import StateError

    try:
        return train()
    except StateError as error:
        say(f"{title} starts again: {error}")
        unfinished.unlink()
        return train()


def progress_note(now: "TrainProgress") -> str:
    return (
        f"epoch {now.epoch} of {now.epochs}, loss {now.loss:.2f}, accuracy {100 * now.accuracy:.0f} %, "
        f"{now.images_per_second:.0f} images/s, {duration(now.seconds_left)} left"
    )
