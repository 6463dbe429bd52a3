"""Train and score the re-ID baseline on every training set of a study; a result is stored under what it depends on."""

from collections.abc import Callable, Iterable, Sequence

from reidaug.core.errors import ReidAugError
from reidaug.core.left_overs import remove_left_overs
from reidaug.core.options import SameCamera
from reidaug.core.progress import Progress, Say, duration
from reidaug.datasets.dataset import Dataset
from reidaug.datasets.readable import check_readable
from reidaug.evaluation.estimate import advise, training_seconds
from reidaug.evaluation.features import ranking_ids, rerank_saved
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.results import Result, read_results
from reidaug.evaluation.runner import Runner
from reidaug.evaluation.runs import Run, make_run
from reidaug.evaluation.setting import Setting, choose_setting
from reidaug.evaluation.start import Start, check_weights_file
from reidaug.evaluation.store import ResultStore, left_overs_of
from reidaug.study.controls import make_control
from reidaug.study.folder import PLAIN_SET, Study, chosen_portions
from reidaug.study.shrink import follow
from reidaug.study.training_sets import TrainingSet, find_training_sets, full_set


def evaluate_study(
    study: Study,
    request: EvaluationRequest,
    progress: Progress,
    say: Say,
    only: Callable[[TrainingSet, int], bool] = lambda *_: True,
    shared: bool = False,
) -> list[Result]:
    """Trains the baselines that have no result yet; returns the results of all that were requested.

    Args:
        study: the study with the training sets and the results.
        request: which baselines.
        progress: makes a progress display for a piece of work.
        say: shows one line.
        only: whether this process trains on a training set with a seed.
        shared: other processes work on the same sets: a run that one of them has locked is left to it.

    Raises:
        ReidAugError: no study, no data, a set of one person, or a run that another process has locked (after all others
            are done).
        ReIDError: weights that cannot be loaded or images that cannot be used.
    """
    if request.weights is not None:
        check_weights_file(request.weights)
    portions = request.portions or chosen_portions(study, request.portion)
    data = study.data_of(portions[0])  # find_training_sets checks that its images are unchanged
    setting = choose_setting(request, say)
    sets = find_training_sets(study, portions, data, say)
    for portion in portions:
        follow(study, portion, data)
    reduced, full = [training_set for training_set in sets if training_set.name == PLAIN_SET], sets[-1]
    controls = [
        make_control(study, name, training_set, like)
        for training_set in reduced
        for like in (full, *(other for other in sets if other.plan and other.portion == training_set.portion))
        for name in request.controls
    ]
    sets += controls
    check_people(sets)
    test_fingerprint = data.fingerprint("query", "gallery")
    check_test_images(data, setting.same_camera)
    runs = [
        make_run(training_set, seed, setting, test_fingerprint)
        for seed in range(request.seeds)
        for training_set in sets
        if only(training_set, seed)
    ]
    remove_left_overs(left_overs_of(study))
    store = ResultStore(study, setting, request.save_models, request.rerank)
    if request.rerank and (count := rerank_saved(study, {run.key for run in runs}, data)):
        say(f"{count} results got re-ranked scores from their saved features, without training")
    store.share(runs)
    if todo := store.missing(runs):
        check_weights(setting, {run.start for run in todo})
        with progress("reading images") as advance:
            check_readable(data, advance=advance)
        _announce(store, setting, data, todo, len(runs), say)
        Runner(study, data, setting, store, test_fingerprint, progress, say).do(todo, shared)
        store.share(runs)
    elif runs:
        say(f"all {len(runs)} results exist already: nothing to train")
    store.make_current(runs)
    return store.results_of(runs)


def check_evaluation(setting: Setting, data: Dataset) -> None:
    """Checks before hours of work that baselines can be trained and scored.

    Raises:
        ReidAugError: a single person to train on.
        ReIDError: weights that cannot be loaded, or test images without a match.
    """
    check_people([full_set(data)])
    check_test_images(data, setting.same_camera)
    check_weights(setting, {setting.start})


def check_people(sets: Iterable[TrainingSet]) -> None:
    """Raises ReidAugError for a training set of one person, which no network can tell from others."""
    for training_set in sets:
        if len(set(training_set.pids)) < 2:
            raise ReidAugError(
                f"{training_set.title()} has images of one person, and a re-ID network learns to tell people apart: "
                "give a data set of at least two, or keep images of each of them (reidaug shrink --keep per-identity)"
            )


def check_weights(setting: Setting, starts: Iterable[Start]) -> None:
    """Raises ReIDError if weights cannot be loaded."""
    from reid_baseline import build_model

    for start in starts:
        build_model(setting.arch, 2, start.weights)


def check_test_images(data: Dataset, same_camera: SameCamera) -> None:
    """Raises ReidAugError if no query has a gallery image that counts as right."""
    from reid_baseline import ReIDError, check_matches

    sides = (data.images("query"), data.images("gallery"))
    try:
        check_matches(*ranking_ids(*sides, same_camera))
    except ReIDError as error:
        if not {image.pid for image in sides[0]} & {image.pid for image in sides[1]}:
            raise
        if same_camera == "count":
            raise ReidAugError("no query has another gallery image of its person, so mAP is undefined") from None
        raise ReidAugError(f"{error}; --same-camera count counts images of a query's own camera too") from None


def _announce(store: ResultStore, setting: Setting, data: Dataset, todo: Sequence[Run], total: int, say: Say) -> None:
    """Says what will be trained, on what device, and about how long that takes."""
    by_key = {run.key: run for run in todo}
    if again := by_key.keys() & {result.key for result in read_results(store.study.results_path)}:
        advice = "" if store.with_models else "; --save-models avoids that next time"
        say(f"{len(again)} results are trained again: their networks or features are needed and were not kept{advice}")
    trained = by_key.values()
    seconds = training_seconds(
        setting,
        [len(run.training_set.images) * run.recipe.epochs // setting.recipe.epochs for run in trained],
        max(len(set(run.training_set.pids)) for run in trained),
        data,
    )
    names = ", ".join(dict.fromkeys(f"{run.training_set.name} (p = {run.training_set.portion:.2f})" for run in todo))
    recipe = setting.recipe
    say(
        f"to train: {len(trained)} of {total} baselines ({names}); recipe {recipe.name}, {setting.arch}, "
        f"weights {setting.start.weights}, {recipe.epochs} epoch{'s' * (recipe.epochs > 1)}, on {setting.device}: "
        f"about {duration(seconds)}"
    )
    advise(setting, seconds, say)
