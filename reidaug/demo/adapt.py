"""Trains a generator further on photographs, so that it learns how their cameras see people."""

from dataclasses import replace
from pathlib import Path

from reidaug.core.locks import locked_in_turn
from reidaug.core.progress import Progress, Say
from reidaug.demo.pretrain import pretrain, rendered_people
from reidaug.demo.request import AdaptRequest
from reidaug.evaluation.request import EvaluationRequest
from reidaug.reports.monitor import Monitor
from reidaug.study.folder import Study, resolve_data
from reidaug.synthesis.request import TrainChanges, TrainRequest
from reidaug.synthesis.train import check_files, train_generator

# docs/experiments.md has the runs that these were chosen by.
LEARNING_RATE, IDENTITY_WEIGHT = 1e-4, 2.0


def adapt_portion(study: Study, portion: float, request: AdaptRequest, progress: Progress, say: Say) -> Path:
    """Trains a generator further on the kept images of a portion: `study.adapted_path(portion)`; see `adapt`."""
    out = study.adapted_path(portion)
    training = TrainRequest(out=out, data=study.data, study=study.path, portion=f"{portion:.2f}")
    return adapt(training, request, progress, say)


def adapt(training: TrainRequest, request: AdaptRequest, progress: Progress, say: Say) -> Path:
    """Trains a generator further on photographs, unless it is trained; goes on where an interrupted run stopped.

    Half of its pairs are photographs, half rendered people, which it else forgets. Generated images must look like
    their person to a re-ID network that knows rendered people only. A process that finds another one at work on it
    waits for it.

    Args:
        training: where the photographs are, and the checkpoint to write.
        progress: makes a progress display for a piece of work.
        say: shows one line.

    Returns:
        The checkpoint.

    Raises:
        ReidAugError: as `pretrain` and `train_generator`.
        PoNAError: a generator of another size than that of mini, or a training with other settings is there already.
    """
    training = replace(training, start_from=request.start_from, vgg_weights=request.vgg_weights)
    check_files(training)
    home = Study(training.study, training.data)
    if training.portion is None:
        resolve_data(training.data, home)
    else:
        home.data_of(float(training.portion))
    judge = EvaluationRequest(recipe="quick", arch="resnet18", weights="none", device=request.device)
    identity = pretrain(judge, progress, say)
    training = replace(
        training,
        mix=rendered_people(progress),
        preset="mini",
        changes=TrainChanges(
            iterations=request.iterations, learning_rate=LEARNING_RATE, identity_weight=IDENTITY_WEIGHT
        ),
        identity=identity,
        device=request.device,
    )
    out, what = training.out, f"the training of {training.out}"
    with (
        locked_in_turn(out.with_name(f".{out.name}.adapt.lock"), what, say),
        progress("adapting the generator") as advance,
    ):
        train_generator(training, say=say, watch=Monitor(out, say, advance))
    return out
