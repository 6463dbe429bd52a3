"""Trains a generator: from images in memory to a checkpoint, with a log, validation and exact resume."""

import hashlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from pona.checkpoint import Checkpoint, check_plain, load_checkpoint
from pona.data import PoseImages
from pona.errors import PoNAError
from pona.generators.pona import PRESETS
from pona.identity import IdentityLoss
from pona.launch import launch
from pona.losses import VGG_FILE, PerceptualLoss, find_vgg_weights
from pona.processes import Processes
from pona.progress import TrainProgress
from pona.run import Run
from pona.same_run import differences, file_digest
from pona.train_config import TrainConfig
from pona.trainer import Trainer
from pona.validation import Validation

__all__ = ["PRESETS", "TrainConfig", "TrainProgress", "train"]


def train(
    data: PoseImages,
    config: TrainConfig,
    out: Path,
    *,
    validation: PoseImages | None = None,
    trained_on: Mapping[str, Any],
    protocol: str = "paper",
    vgg_weights: Path | None = None,
    identity: IdentityLoss | None = None,
    device: str = "auto",
    progress: Callable[[TrainProgress], None] | None = None,
    resume: bool = True,
    initial: Path | None = None,
    processes: Processes | None = None,
    compiled: bool = False,
) -> Path:
    """Trains a generator and writes it to `out`.

    It also writes `<out>.jsonl`, one line per report, `<out stem>.best<suffix>`, the weights with the best validation
    L1, and during the run `<out>.last`: after a stop or a kill the same call resumes from it, on the CPU to the same
    weights as without the stop. `out` itself is written at every validation, so that a stopped run leaves a usable
    generator. Ctrl-C, SIGTERM and SIGHUP save, then raise KeyboardInterrupt; a kill loses at most
    `pona.run.SAVE_SECONDS`.

    On several devices (`pona.launch.launch`) every process calls this with the same arguments. Each holds all images in
    memory; `config.batch_size` is still the number of pairs per iteration, and each device takes its part of them; the
    first process validates, writes and keeps the time. A run resumes only on the same number of devices. See `Trainer`
    for the differences from one device.

    Args:
        data: training images.
        config: the run; see `PRESETS`.
        out: the checkpoint; its folder must exist.
        validation: held-out identities, None = no validation; used by the first process only.
        trained_on: for the record: "fingerprint", "names", "portion".
        protocol: for the record: "paper" (all training images) or "strict" (the kept images of a study).
        vgg_weights: VGG-19 weights for the perceptual loss; None = torchvision's, if they are in torch's cache.
        identity: a further loss, see there; None = without, as in the paper.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        progress: called every `log_every` iterations.
        resume: continue from `<out>.last`, and do nothing if `out` is the finished generator of this run; False = start
            again.
        initial: a checkpoint whose weights the generator starts from, None = random ones. The names that it was trained
            on are added to this run's record.
        processes: the launched processes of this run; `device` is then ignored. None = this process alone, or as many
            as torchrun or SLURM started.
        compiled: use torch.compile (see `pona.compiler.why_not_compile`); the first step then takes minutes, and
            results differ by rounding.

    Returns:
        `out`.

    Raises:
        PoNAError: for missing VGG weights, files that cannot be written, an output of another run, or divergence.
    """
    out, trained_on = Path(out), dict(trained_on)
    processes = processes or launch(config, device)

    def prepare() -> tuple[Checkpoint | None, PerceptualLoss | None, dict[str, str | None]]:
        check_plain(trained_on, "trained_on")
        start = None if initial is None else load_checkpoint(initial)
        if start is not None:
            seen = start.training.get("trained_on", {}).get("names", [])
            trained_on["names"] = sorted({*trained_on.get("names", []), *seen})
        vgg = choose_vgg(config, vgg_weights)
        perceptual = None if vgg is None else PerceptualLoss(vgg)
        origin = {
            "initial": file_digest(initial),
            "vgg": file_digest(vgg),
            "identity": None if identity is None else identity.digest,
            "keypoints": _digest(data.keypoints),
            "validation": None if validation is None else _digest(validation.images, validation.keypoints),
        }
        return start, perceptual, origin

    with processes.together():
        start, perceptual, origin = processes.every(prepare)
        if processes.first(lambda: resume and _is_done(out, config, trained_on, origin)):
            return out
        cuda = [processes.fabric.device] if processes.fabric.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), _interrupts() as interrupted:
            torch.manual_seed(config.seed)
            trainer = Trainer(processes, config, data, perceptual, compiled, identity)
            if start is not None:
                processes.every(partial(trainer.start_from, start.generator))
            run = Run(trainer, out, trained_on, protocol, origin, progress)
            if validation is not None and processes.is_first:
                run.validation = Validation(validation, data.images, config.validation_pairs)
            run.start(resume)
            run.loop(interrupted)
    return out


def _is_done(out: Path, config: TrainConfig, trained_on: Mapping[str, Any], origin: Mapping[str, str | None]) -> bool:
    """Whether `out` is the finished generator of this run.

    Raises:
        PoNAError: where it is that of another run: it took hours, and is not overwritten.
    """
    if not out.exists() or out.with_name(out.name + ".last").exists():
        return False
    training = load_checkpoint(out).training
    if not training.get("finished"):
        return False
    recorded = {**training, "fingerprint": training.get("trained_on", {}).get("fingerprint")}
    changed = differences(config, origin, trained_on.get("fingerprint"), recorded)
    if changed:
        raise PoNAError(
            f"{out} is the finished generator of another run ({', '.join(changed)}): "
            f"give another output, or delete {out.name} to start again"
        )
    return True


def _digest(*tensors: torch.Tensor) -> str:
    """SHA-256 of the values of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().cpu().numpy().data)
    return digest.hexdigest()


def choose_vgg(config: TrainConfig, path: Path | None) -> Path | None:
    """The file of VGG-19 weights for a run: the given one, else that in torch's cache; None = no perceptual loss.

    Raises:
        PoNAError: for a run that needs the weights and has none, or has them and no use for them.
    """
    if config.perceptual == "none" or not config.perceptual_weight:
        if path is not None:
            raise PoNAError(f"{path} is given to a run without perceptual loss (perceptual 'none'): leave one out")
        return None
    weights = find_vgg_weights(path)
    if weights is None and config.perceptual == "required":
        raise PoNAError(
            "the perceptual loss needs VGG-19 weights and torch's cache has none: give vgg_weights "
            f"(https://download.pytorch.org/models/{VGG_FILE}), or perceptual 'none' to train without"
        )
    return weights


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turns Ctrl-C, SIGTERM and SIGHUP into an event that the loop checks between steps; a second Ctrl-C acts at once.

    SLURM sends SIGTERM at a time limit, about half a minute before it kills, and possibly more than once. A terminal
    that is closed sends SIGHUP, which a process under nohup ignores.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    previous = {number: signal.getsignal(number) for name in names if (number := getattr(signal, name, None))}
    previous = {signum: handler for signum, handler in previous.items() if handler != signal.SIG_IGN}

    def note(signum: int, frame: FrameType | None) -> None:
        event.set()
        if signum == signal.SIGINT:
            signal.signal(signum, previous[signal.SIGINT])

    for signum in previous:
        signal.signal(signum, note)
    try:
        yield event
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
