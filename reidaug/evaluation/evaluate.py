"""Train and score the re-ID baseline on every training set of a study; keep each result by what it depends on."""

from collections.abc import Callable, Sequence

from reidaug.core.progress import Progress, Say, duration
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import SPLITS, Dataset
from reidaug.datasets.images import read_image
from reidaug.evaluation.estimate import advice_on, training_seconds
from reidaug.evaluation.features import rerank_saved
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.results import Result, keys_of, read_results
from reidaug.evaluation.runner import Runner
from reidaug.evaluation.runs import Run, make_run
from reidaug.evaluation.setting import Setting, choose_setting
from reidaug.evaluation.store import ResultStore
from reidaug.study.controls import make_control
from reidaug.study.folder import PLAIN_SET, Study, chosen_portions
from reidaug.study.training_sets import TrainingSet, find_training_sets


def evaluate_study(
    study: Study,
    request: EvaluationRequest,
    progress: Progress,
    say: Say,
    only: Callable[[TrainingSet, int], bool] = lambda *_: True,
    shared: bool = False,
) -> list[Result]:
    """Trains what has no result yet; returns the results of all the runs asked for.

    Args:
        study: where the sets and the results are.
        request: what is asked for.
        progress: makes a progress display for a piece of work.
        say: shows one line.
        only: which training sets, with which seeds, are this process's.
        shared: other processes work on the same sets: what one of them holds is left to it.

    Raises:
        ReidAugError: no study, no data, or a run that another process has (after all others are done).
        ReIDError: weights that cannot be had or images that cannot be used.
    """
    portions = request.portions or chosen_portions(study, request.portion)
    data = study.data_of(portions[0])  # find_training_sets checks that its images are unchanged
    setting = choose_setting(request, say)
    sets = _with_controls(study, find_training_sets(study, portions, data, say), request.controls)
    test_fingerprint = data.fingerprint("query", "gallery")
    check_test_images(data)
    runs = [
        make_run(training_set, seed, setting, test_fingerprint)
        for seed in range(request.seeds)
        for training_set in sets
        if only(training_set, seed)
    ]
    store = ResultStore(study, setting, request.save_models, request.rerank)
    if request.rerank and (count := rerank_saved(study, {run.key for run in runs}, data)):
        say(f"{count} results got re-ranked scores from their saved features, without training")
    store.share(runs)
    if todo := store.missing(runs):
        check_weights(setting)
        _announce(store, setting, data, todo, len(runs), say)
        Runner(study, data, setting, store, test_fingerprint, progress, say).do(todo, shared)
        store.share(runs)
    elif runs:
        say(f"all {len(runs)} results are there already: nothing to train")
    store.make_current(runs)
    return store.results_of(runs)


def check_evaluation(setting: Setting, data: Dataset) -> None:
    """Finds out whether baselines can be trained and scored: now, not after hours of work.

    Raises:
        ReidAugError: an image of the data set that cannot be read.
        ReIDError: weights that cannot be had, or test images without a match.
    """
    check_test_images(data)
    check_weights(setting)
    paths = [image.path for split in SPLITS for image in data.images(split)]
    in_threads(lambda path: read_image(path).shape, paths)


def check_weights(setting: Setting) -> None:
    """Raises ReIDError where weights cannot be had: once, before anything is trained."""
    from reid_baseline import build_model

    build_model(setting.arch, 2, setting.weights)


def check_test_images(data: Dataset) -> None:
    """Raises ReIDError where no query has a gallery image of its person by another camera."""
    from reid_baseline import check_matches

    sides = [data.images("query"), data.images("gallery")]
    pids = [[image.pid for image in side] for side in sides]
    camids = [[image.camid for image in side] for side in sides]
    check_matches(*pids, *camids)


def _with_controls(study: Study, sets: Sequence[TrainingSet], names: Sequence[str]) -> list[TrainingSet]:
    full = sets[-1]
    reduced = [training_set for training_set in sets if training_set.name == PLAIN_SET]
    return [*sets, *(make_control(study, name, each, full) for each in reduced for name in names)]


def _announce(store: ResultStore, setting: Setting, data: Dataset, todo: Sequence[Run], total: int, say: Say) -> None:
    """What will be trained, on what device, and about how long that takes."""
    again = {run.key for run in todo} & keys_of(read_results(store.study.results_path))
    if again:
        advice = "" if store.with_models else "; with --save-models that is not needed again"
        say(f"{len(again)} results are trained again: their networks or features are needed and were not kept{advice}")
    trained = {run.key: run for run in todo}.values()
    seconds = training_seconds(
        setting,
        [len(run.training_set.images) * run.recipe.epochs // setting.recipe.epochs for run in trained],
        max(len(set(run.training_set.pids)) for run in trained),
        len(data.images("query")) + len(data.images("gallery")),
    )
    names = ", ".join(dict.fromkeys(f"{run.training_set.name} (p = {run.training_set.portion:.2f})" for run in todo))
    recipe = setting.recipe
    say(
        f"to train: {len(trained)} of {total} baselines ({names}); recipe {recipe.name}, {setting.arch}, "
        f"weights {setting.weights}, {recipe.epochs} epoch{'s' * (recipe.epochs > 1)}, on {setting.device}: "
        f"about {duration(seconds)}"
    )
    if line := advice_on(setting, seconds):
        say(line)
