"""The results of a study as one evaluation sees them: which are complete, and where equal sets share one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reidaug.evaluation.results import Result, append_result, current_results, keys_of, read_results
from reidaug.evaluation.runs import Run
from reidaug.evaluation.setting import Setting
from reidaug.study.folder import Study


@dataclass(frozen=True)
class ResultStore:
    """Results with what an evaluation asks of them."""

    study: Study
    setting: Setting
    with_models: bool  # a result is complete only where its network and features are kept
    with_reranking: bool  # or only where it has re-ranked scores

    def complete(self) -> list[Result]:
        """The results that have all that is asked for."""
        return [result for result in read_results(self.study.results_path) if self._is_complete(result)]

    def _is_complete(self, result: Result) -> bool:
        kept = (self.study.model_path(result.key), self.study.features_path(result.key))
        has_models = not self.with_models or all(path.is_file() for path in kept)
        return has_models and (not self.with_reranking or result.reranking is not None)

    def missing(self, runs: Sequence[Run]) -> list[Run]:
        """The runs without a complete result of their own."""
        done = {result.place for result in self.complete()}
        return [run for run in runs if run.place not in done]

    def is_done(self, run: Run) -> bool:
        """Whether the experiment of a run is done, under whatever name."""
        return run.key in keys_of(self.complete())

    def share(self, runs: Sequence[Run]) -> None:
        """Gives each run whose experiment is done under another name (equal images) a result of its own."""
        by_key = {result.key: result for result in self.complete()}
        for run in self.missing(runs):
            if run.key in by_key:
                self.add(replace(by_key[run.key], **run.own_fields(self.setting)))

    def make_current(self, runs: Sequence[Run]) -> None:
        """Writes again what a later result of another set under the same name hides, as after a set was made twice."""
        results = read_results(self.study.results_path)
        by_place, current = {result.place: result for result in results}, {r.place for r in current_results(results)}
        for run in runs:
            if run.place in by_place and run.place not in current:
                self.add(by_place[run.place])

    def results_of(self, runs: Sequence[Run]) -> list[Result]:
        """The results of runs that there are, with the provenance that their sets have now."""
        by_place = {result.place: result for result in read_results(self.study.results_path)}
        return [
            replace(by_place[run.place], provenance=run.training_set.provenance)
            for run in runs
            if run.place in by_place
        ]

    def add(self, result: Result) -> None:
        """Writes a result."""
        append_result(self.study.results_path, result)
