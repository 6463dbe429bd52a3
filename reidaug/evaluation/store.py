"""The results of a study for one evaluation: which of them are complete, and which equal training sets share one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reidaug.core.left_overs import LeftOver, left_overs
from reidaug.evaluation.results import Result, append_result, current_results, read_results
from reidaug.evaluation.runs import Run
from reidaug.evaluation.setting import Setting
from reidaug.study.folder import Study


def left_overs_of(study: Study, lock_files: bool = False) -> list[LeftOver]:
    """What killed processes left in a study, or living ones are at work on.

    Among these are the states of trainings that were written before the result: this stands in the study, and the
    process was killed before it could remove them. `lock_files` as in `left_overs`.
    """
    written = {result.key: result.written_at() for result in read_results(study.results_path)}
    states = sorted(study.work_path.glob("*.pt"))
    done = [path for path in states if path.stat().st_mtime < written.get(path.stem, 0)]
    return [*left_overs(study.path, True, lock_files), *(LeftOver(path, path.with_suffix(".lock")) for path in done)]


@dataclass(frozen=True)
class ResultStore:
    """The results of a study, and what an evaluation requires of them."""

    study: Study
    setting: Setting
    with_models: bool  # a complete result has its network and features saved
    with_reranking: bool  # a complete result has re-ranked scores

    def complete(self) -> list[Result]:
        """The results that have all that is required."""
        return [result for result in read_results(self.study.results_path) if self._is_complete(result)]

    def _is_complete(self, result: Result) -> bool:
        paths = [self.study.model_path(result.key), self.study.features_path(result.key)] if self.with_models else []
        return all(path.is_file() for path in paths) and (not self.with_reranking or result.reranking is not None)

    def missing(self, runs: Sequence[Run]) -> list[Run]:
        """The runs without a complete result."""
        done = {result.row_key for result in self.complete()}
        return [run for run in runs if run.row_key not in done]

    def is_done(self, run: Run) -> bool:
        """Whether the experiment of a run has a complete result, for this training set or for an equal one."""
        return any(result.key == run.key for result in self.complete())

    def share(self, runs: Sequence[Run]) -> None:
        """Writes the result of each run whose experiment has a complete result for an equal training set."""
        by_key = {result.key: result for result in self.complete()}
        for run in self.missing(runs):
            if run.key in by_key:
                self.add(replace(by_key[run.key], **run.set_fields(self.setting)))

    def make_current(self, runs: Sequence[Run]) -> None:
        """Writes results again that are hidden by those of newer images under the same name."""
        results = read_results(self.study.results_path)
        current = {result.row_key for result in current_results(results)}
        hidden = {result.row_key: result for result in results if result.row_key not in current}
        for run in runs:
            if run.row_key in hidden:
                self.add(hidden[run.row_key])

    def results_of(self, runs: Sequence[Run]) -> list[Result]:
        """The existing results of runs, with the present provenance of their training sets."""
        results = {result.row_key: result for result in read_results(self.study.results_path)}
        done = [run for run in runs if run.row_key in results]
        return [replace(results[run.row_key], provenance=run.training_set.provenance) for run in done]

    def add(self, result: Result) -> None:
        """Writes a result."""
        append_result(self.study.results_path, result)
