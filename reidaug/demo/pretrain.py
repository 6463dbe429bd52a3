"""Trains a network on the rendered people of the shipped generator, once, for the user's cache.

Networks of `--weights rendered` and of the control rendered-first start from it: they then know what the generator
knows, so that only its images make the difference.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import cache_folder
from reidaug.core.locks import locked, locked_in_turn
from reidaug.core.progress import Progress, Say, duration
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import ROOT_NAME
from reidaug.demo.mannequins import write_mannequins
from reidaug.demo.request import MannequinConfig
from reidaug.evaluation.evaluate import check_weights
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.runner import progress_note, resume_or_restart
from reidaug.evaluation.setting import Setting, choose_setting
from reidaug.evaluation.start import RENDERED, rendered_path
from reidaug.synthesis.painter import Painter, shipped_checkpoint

if TYPE_CHECKING:
    from reid_baseline import BaselineNet

# The people that the shipped generator was trained on; the fewest others, as nothing is tested.
PEOPLE = MannequinConfig(train_ids=800, test_ids=2, images=12, seed=1, distractors=0, junk=0)


def pretrain(request: EvaluationRequest, progress: Progress, say: Say) -> Path:
    """Trains the network that an evaluation needs, unless there is one; goes on where an interrupted run stopped.

    A process that finds another one at work on it waits for it.

    Args:
        request: recipe, arch, weights, device and precision of the evaluation. The network starts from these weights,
            or from the recipe's usual ones if they are `rendered`, and has the recipe's own number of epochs.
        progress: makes a progress display for a piece of work.
        say: shows one line.

    Returns:
        The file, as `reid_baseline.save_model` writes it.

    Raises:
        ReidAugError: a cache folder that cannot be written, or no such weights file.
        ReIDError: weights that cannot be loaded.
    """
    asked = EvaluationRequest(
        recipe=request.recipe,
        arch=request.arch,
        weights=None if request.weights == RENDERED else request.weights,
        device=request.device,
        precision=request.precision,
    )
    setting = choose_setting(asked, lambda line: None)
    path = rendered_path(setting.start, setting.recipe, setting.arch)
    what, lock = f"the {setting.arch} of rendered people", path.with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReidAugError(f"cannot write {path.parent}: {error.strerror}; set XDG_CACHE_HOME to a folder") from None
    with locked_in_turn(lock, what, say):
        if not path.is_file():
            _train(path, setting, progress, say)
    return path


def _train(path: Path, setting: Setting, progress: Progress, say: Say) -> None:
    import torch

    from reid_baseline import estimate_seconds, load_images, save_model, train_baseline

    check_weights(setting, [setting.start])
    images = open_dataset(rendered_people(progress)).images("train")
    pids, labels = np.unique([image.pid for image in images], return_inverse=True)
    recipe, unfinished = setting.recipe, path.with_suffix(".unfinished")
    seconds = estimate_seconds(
        recipe,
        images=len(images),
        num_classes=len(pids),
        arch=setting.arch,
        device=setting.device,
        precision=setting.precision,
    )
    known = Painter(shipped_checkpoint(), "cpu").count_seen(images)
    say(
        f"pretraining {setting.arch} on {len(images):,} images of {len(pids)} rendered people, of which the shipped "
        f"generator was trained on {known:,}: once, about {duration(seconds)} on {setting.device}"
    )
    pixels = load_images([image.path for image in images], recipe.size)

    def train() -> "BaselineNet":
        with progress("training on rendered people") as advance:
            return train_baseline(
                pixels,
                torch.from_numpy(labels),
                recipe,
                arch=setting.arch,
                weights=setting.start.weights,
                device=setting.device,
                precision=setting.precision,
                checkpoint=unfinished,
                progress=lambda now: advance(now.iteration, now.iterations, progress_note(now)),
            )

    model = resume_or_restart(train, unfinished, "pretraining", say)
    save_model(path, model, recipe, [int(pid) for pid in pids])
    unfinished.unlink(missing_ok=True)


def rendered_people(progress: Progress) -> Path:
    """The rendered people of the shipped generator as a data set, rendered into the cache if they are not there."""
    root = cache_folder() / f"people-{PEOPLE.seed}-{PEOPLE.train_ids}x{PEOPLE.images}" / ROOT_NAME
    with locked(root.parent.with_suffix(".lock"), "the rendered people", wait=True):
        if not root.exists():
            with progress("rendering people") as advance:
                write_mannequins(root, PEOPLE, advance)
    return root
