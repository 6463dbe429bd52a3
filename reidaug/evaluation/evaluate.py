"""Train and score the re-ID baseline on every training set of a study; keep each result under what it hangs on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reidaug.core.device import pick_device
from reidaug.core.progress import Progress, Say
from reidaug.datasets.images import in_threads, read_image
from reidaug.datasets.market1501 import SPLIT_FOLDERS, dataset_fingerprint, scan_split, split_folder
from reidaug.evaluation.features import add_reranked_scores
from reidaug.evaluation.request import EvaluationRequest, weights_name
from reidaug.evaluation.results import read_results, row_place
from reidaug.evaluation.runner import Work
from reidaug.evaluation.runs import Cell, make_cell
from reidaug.study.controls import make_control
from reidaug.study.folder import Study, chosen_portions
from reidaug.study.training_sets import TrainingSet, find_training_sets


def evaluate_study(
    study: Study,
    request: EvaluationRequest,
    progress: Progress,
    say: Say,
    only: Callable[[TrainingSet, int], bool] = lambda *_: True,
    shared: bool = False,
) -> list[dict[str, Any]]:
    """Trains what has no result yet; returns the rows of all the cells asked for.

    Args:
        study: where the sets and the results lie.
        request: what is asked for.
        progress: makes a progress display for a piece of work.
        say: shows one line.
        only: which training sets, with which seeds, are this process's.
        shared: other processes work on the same sets: what one of them holds is left to it.

    Raises:
        ReidAugError: no study, no data, or a cell is being trained by another process (after all others are done).
        ReIDError: weights that cannot be had or images that cannot be used.
    """
    from reid_baseline import build_model

    portions = request.portions or chosen_portions(study, request.portion)
    data = study.data_of(portions[0])  # find_training_sets checks that its images are unchanged
    device = pick_device(request.device)
    recipe, weights = choose_recipe(request, str(device), say)
    sets = _with_controls(study, find_training_sets(study, portions, data, say), request.controls)
    test_fingerprint = dataset_fingerprint(data, ("query", "gallery"))
    setting = {"arch": request.arch, "weights": weights_name(weights), **request.asked_precision()}
    _check_test_images(data)
    wanted = [(each, seed) for seed in range(request.seeds) for each in sets if only(each, seed)]
    cells = [make_cell(each, seed, recipe, setting, test_fingerprint) for each, seed in wanted]
    work = Work(study, data, request, recipe, weights, device, test_fingerprint, progress, say)
    if request.rerank:
        _rerank_without_training(work, cells)
    work.share_results(cells)
    done = {row_place(row) for row in work.complete_rows()}
    todo = [cell for cell in cells if cell.place() not in done]
    if todo:
        build_model(request.arch, 2, weights)  # weights that cannot be had are named now, and once
        _say_what_is_trained_again(work, todo)
        work.announce(todo, len(cells))
        work.run(todo, shared)
        work.share_results(cells)
    elif cells:
        say(f"all {len(cells)} results are there already: nothing to train")
    work.make_current(cells)
    rows = {row_place(row): row for row in read_results(study.results_path)}
    return [{**rows[cell.place()], **cell.training_set.provenance} for cell in cells if cell.place() in rows]


def check_evaluation(arch: str, data: Path, weights: str) -> None:
    """Finds out whether baselines can be trained and scored: now, not after hours of work.

    Raises:
        ReidAugError: a file of weights that is not there, or an image of the data set that cannot be read.
        ReIDError: weights that cannot be had, or test images without a match.
    """
    from reid_baseline import build_model

    weights_name(weights)
    _check_test_images(data)
    build_model(arch, 2, weights)
    files = [split_folder(data, split) / record.name for split in SPLIT_FOLDERS for record in scan_split(data, split)]
    in_threads(lambda path: read_image(path).shape, files)


def _check_test_images(data: Path) -> None:
    from reid_baseline import check_matches

    query, gallery = (scan_split(data, split) for split in ("query", "gallery"))
    pids = [[image.pid for image in side] for side in (query, gallery)]
    camids = [[image.camid for image in side] for side in (query, gallery)]
    check_matches(*pids, *camids)


def _rerank_without_training(work: Work, cells: Sequence[Cell]) -> None:
    added = add_reranked_scores(work.study, {cell.key for cell in cells}, work.test_fingerprint)
    if added:
        work.say(f"{len(added)} results got re-ranked scores from their saved features, without training")


def _say_what_is_trained_again(work: Work, todo: Sequence[Cell]) -> None:
    known = {row["key"] for row in read_results(work.study.results_path)}
    again = known & {cell.key for cell in todo}
    if again:
        advice = "" if work.request.save_models else "; with --save-models that is not needed again"
        work.say(
            f"{len(again)} results are trained again: their networks or features are needed and were not kept{advice}"
        )


def _with_controls(study: Study, sets: Sequence[TrainingSet], names: Sequence[str]) -> list[TrainingSet]:
    full = sets[-1]
    reduced = [each for each in sets if each.name == "none"]
    return [*sets, *(make_control(study, each.portion, name, each, full) for each in reduced for name in names)]


def choose_recipe(request: EvaluationRequest, device: str, say: Say) -> tuple[Any, str]:
    """The recipe and the first weights that the request comes to; a default is said in a line."""
    from reid_baseline import RECIPES

    name = request.recipe
    if name is None:
        name = "paper" if device.startswith("cuda") else "quick"
        why = (
            "a GPU is there" if name == "paper" else "no GPU: `--recipe paper` is the paper's, for many hours on a CPU"
        )
        say(f"recipe {name} ({why})")
    recipe = RECIPES[name]
    changes: dict[str, Any] = {**request.care, "epochs": request.epochs}
    recipe = replace(recipe, **{field: value for field, value in changes.items() if value is not None})
    return recipe, request.weights or ("none" if name == "quick" else "imagenet")
