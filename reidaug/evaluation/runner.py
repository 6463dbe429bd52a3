"""Trains and scores the runs of an evaluation one after another, and keeps each result at once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import HeldError, ReidAugError, is_foreseen, one_line
from reidaug.core.files import locked
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
class TestImages:
    """Query and gallery, decoded, as they were when the evaluation began."""

    data: Dataset
    fingerprint: str
    query: "Tensor"  # (Q, 3, H, W) uint8 of the recipe's size
    gallery: "Tensor"  # (G, 3, H, W)


@dataclass(frozen=True, eq=False)
class Runner:
    """What trains and scores, with all that the runs of one evaluation share."""

    study: Study
    data: Dataset
    setting: Setting
    store: ResultStore
    test_fingerprint: str
    progress: Progress
    say: Say

    def do(self, runs: Sequence[Run], shared: bool) -> None:
        """Trains and scores run by run; one that fails, or that another process has, does not stop the others.

        Args:
            runs: what to do.
            shared: other processes work on the same runs: what one of them holds is left to it.

        Raises:
            ReidAugError: at the end, where one failed or is not done.
        """
        test = self._load_test_images()
        held: list[tuple[Run, HeldError]] = []
        failed: list[Exception] = []
        for run in runs:
            try:
                with locked(self._unfinished(run).with_suffix(".lock"), f"evaluation of {run.title()}"):
                    if not self.store.is_done(run):
                        self._do_one(run, test)
            except HeldError as error:
                self.say(f"{error}: passed over")
                held.append((run, error))
            except Exception as error:
                if not is_foreseen(error):
                    raise
                self.say(f"{run.title()} failed: {one_line(error)}")
                failed.append(error)
        if failed:
            raise ReidAugError(f"{len(failed)} of {len(runs)} baselines could not be trained: {one_line(failed[0])}")
        missing = [error for run, error in held if not self.store.is_done(run)]
        if missing and not shared:
            raise ReidAugError(
                f"{len(missing)} of the baselines are not done: {missing[0]}; run again when that has ended"
            )

    def _unfinished(self, run: Run) -> Path:
        """The state of a training that was interrupted."""
        return self.study.path / ".work" / f"{run.key}.pt"

    def _load_test_images(self) -> TestImages:
        from reid_baseline import load_images

        images = [
            load_images([image.path for image in self.data.images(split)], self.setting.recipe.size)
            for split in ("query", "gallery")
        ]
        if Dataset(self.data.root, self.data.layout).fingerprint("query", "gallery") != self.test_fingerprint:
            raise ReidAugError("the images of query or gallery have changed since this evaluation began: run it again")
        return TestImages(self.data, self.test_fingerprint, *images)

    def _do_one(self, run: Run, test: TestImages) -> None:
        from reid_baseline import save_model, training_seconds

        self.setting.check_weights()
        model = self._finish_training(run)
        self.setting.check_weights()
        seconds, trained = training_seconds(self._unfinished(run)), time.monotonic()
        model_path, features_path = self.study.model_path(run.key), self.study.features_path(run.key)
        # What was kept before must not outlive the result that it belongs to.
        save = self.store.with_models or model_path.is_file() or features_path.is_file()
        if save:
            model_path.parent.mkdir(exist_ok=True)
            save_model(model_path, model, run.recipe, sorted(set(run.training_set.pids)))
        ranking, features = self._test(run, model, test)
        if save:
            save_features(features_path, features)
        result = self._result(run, ranking, seconds + time.monotonic() - trained)
        earlier = [each for each in read_results(self.study.results_path) if each.key == run.key]
        if self.store.with_reranking or any(each.reranking for each in earlier):  # which would be lost
            result = add_reranked_scores(result, features)
        self.store.add(result)
        self._unfinished(run).unlink(missing_ok=True)
        self.say(
            f"{run.title()}: mAP {100 * result.mean_ap_trapezoid:.1f} (trapezoid), rank-1 {100 * result.rank1:.1f}"
        )

    def _finish_training(self, run: Run) -> "BaselineNet":
        """Goes on from where an earlier evaluation stopped, if its state can be used."""
        from reid_baseline import StateError

        try:
            return self._train(run)
        except StateError as error:
            self.say(f"{run.title()} starts again: {error}")
            self._unfinished(run).unlink()
            return self._train(run)

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
                weights=setting.weights,
                seed=run.seed,
                device=setting.device,
                precision=setting.precision,
                checkpoint=self._unfinished(run),
                progress=lambda now: advance(now.iteration, now.iterations, _note(now)),
            )

    def _test(self, run: Run, model: "BaselineNet", test: TestImages) -> tuple["Ranking", SavedFeatures]:
        """Scores a network, and writes the scores by query."""
        from reid_baseline import evaluate_ranking

        query, gallery = (self._extract(model, split, getattr(test, split)) for split in ("query", "gallery"))
        features = make_features(query, gallery, test.data, test.fingerprint)
        ranking = evaluate_ranking(query, gallery, *features.ranking_arguments()[2:])
        scores = (ranking.average_precision, ranking.average_precision_trapezoid)
        write_query_scores(self.study.queries_path / f"{run.key}.csv", features.query_images, *scores)
        return ranking, features

    def _extract(self, model: "BaselineNet", split: str, images: "Tensor") -> "Tensor":
        from reid_baseline import extract_features

        setting = self.setting
        with self.progress(f"features of {split}") as advance:
            return extract_features(model, images, setting.recipe, setting.device, advance, precision=setting.precision)

    def _result(self, run: Run, ranking: "Ranking", seconds: float) -> Result:
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
            **describe_run(self.setting.device, self.setting.precision),
            seconds=round(seconds, 1),
        )


def load_training_images(training_set: TrainingSet, size: tuple[int, int]) -> "Tensor":
    """The images of a set as they are trained on: (N, 3, height, width) uint8.

    Raises:
        ReidAugError: they have changed since the set was looked at.
        ReIDError: an image that cannot be read.
    """
    from reid_baseline import load_images

    images = load_images([image.path for image in training_set.images], size)
    if training_set.transform:
        training_set.transform.apply(images)
    if training_set.current_stamp() != training_set.stamp:
        raise ReidAugError(
            f"the images of {training_set.title()} have changed since this evaluation began: run it again"
        )
    return images


def _note(now: "TrainProgress") -> str:
    return (
        f"epoch {now.epoch} of {now.epochs}, loss {now.loss:.2f}, accuracy {100 * now.accuracy:.0f} %, "
        f"{now.images_per_second:.0f} images/s, {duration(now.seconds_left)} left"
    )
