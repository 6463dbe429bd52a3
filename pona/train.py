"""Training a generator: from images in memory to a checkpoint, with a log, validation and exact resume."""

import hashlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision

from pona.checkpoint import check_plain, load_checkpoint
from pona.data import PoseImages
from pona.errors import PoNAError
from pona.generate import prefers_bf16
from pona.losses import find_vgg_weights
from pona.presets import PRESETS, TrainConfig
from pona.run import Run, TrainProgress
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
    device: str = "auto",
    progress: Callable[[TrainProgress], None] | None = None,
    resume: bool = True,
    initial: Path | None = None,
) -> Path:
    """Trains a generator and writes it to `out`.

    Beside `out` lie `<out>.jsonl`, one line per report, and while the run lasts `<out>.last`, from which the same call
    goes on after it was stopped or killed: on the CPU to the same weights as if it had never stopped. `out` itself is
    written at every validation, so that a run that is cut leaves a generator that can be used. Ctrl-C saves, then
    raises KeyboardInterrupt.

    Args:
        data: training images.
        config: the run; see `PRESETS`.
        out: the checkpoint; its folder must exist.
        validation: held-out identities, None = no validation.
        trained_on: for the record: "fingerprint", "names", "portion".
        protocol: for the record: "paper" (all training images) or "strict" (the kept images of a study).
        vgg_weights: VGG-19 weights for the perceptual loss; None = torchvision's, where they lie in torch's cache.
        device: "auto", "cpu", "cuda" or "cuda:N".
        progress: called every `log_every` iterations.
        resume: go on from `<out>.last`, and do nothing where `out` is this very run, finished; False = start anew.
        initial: a checkpoint whose weights the generator starts from, None = random ones. The names that it was trained
            on join this run's record: what a generator has once seen, it has seen.

    Returns:
        `out`.

    Raises:
        PoNAError: for missing VGG weights, files that cannot be written, an output of another run, or divergence.
    """
    out, trained_on = Path(out), dict(trained_on)
    check_plain(trained_on, "trained_on")
    start = None if initial is None else load_checkpoint(initial)
    if start is not None:
        seen = start.training.get("trained_on", {}).get("names", [])
        trained_on["names"] = sorted({*trained_on.get("names", []), *seen})
    vgg = _choose_vgg(config, vgg_weights)
    origin = {"initial": _file_digest(initial), "vgg": _file_digest(vgg)}
    if resume and _is_done(out, config, trained_on, origin):
        return out
    fabric = _fabric(device, config)
    cuda = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), _interrupts() as interrupted:
        torch.manual_seed(config.seed)
        trainer = Trainer(fabric, config, data, vgg)
        if start is not None:
            trainer.start_from(start.generator)
        run = Run(trainer, out, trained_on, protocol, origin, progress)
        if validation is not None:
            run.validation = Validation(validation, data.images, config.validation_pairs)
        run.start(resume)
        run.loop(interrupted)
    return out


def _is_done(out: Path, config: TrainConfig, trained_on: Mapping[str, Any], origin: Mapping[str, Any]) -> bool:
    """Whether `out` is this run, finished. One of another run is hours of work and is not overwritten."""
    if not out.exists() or out.with_name(out.name + ".last").exists():
        return False
    training = load_checkpoint(out).training
    if not training.get("finished"):
        return False
    own = {"config": asdict(config), "trained_on": trained_on, "origin": origin}
    if all(training.get(name) == value for name, value in own.items()):
        return True
    raise PoNAError(f"{out} is the finished generator of another run: give another output, or start anew")


def _file_digest(path: Path | None) -> str | None:
    """SHA-256 of a file that a run hangs on."""
    try:
        return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise PoNAError(f"cannot read {path}: {error.strerror}; give another file") from None


def _choose_vgg(config: TrainConfig, path: Path | None) -> Path | None:
    if config.perceptual == "none" or not config.perceptual_weight:
        return None
    found = find_vgg_weights(path)
    if found is None and config.perceptual == "required":
        raise PoNAError(
            f"preset {config.preset} needs VGG-19 weights for its perceptual loss and none lie in torch's cache: "
            "give --vgg-weights FILE, or --perceptual none to train without"
        )
    return found


def _fabric(device: str, config: TrainConfig) -> Fabric:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
        raise PoNAError(f"device is {device!r}, expected 'auto', 'cpu' or, where there is a GPU, 'cuda' or 'cuda:N'")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    bf16 = config.precision == "bf16" or (config.precision == "auto" and prefers_bf16(torch.device(kind)))
    # The plugin instead of its name, because for a name fabric prints a line.
    plugin = MixedPrecision("bf16-mixed", kind) if bf16 else Precision()
    return Fabric(accelerator=kind, devices=[int(index)] if index else 1, plugins=[plugin])


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into an event that the loop looks at between steps; a second one interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(signum: int, frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)
