"""The loop around the training steps: schedule, reports, files."""

import math
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from torch import Tensor

from pona.checkpoint import save_checkpoint
from pona.errors import PoNAError, StoppedElsewhere, is_out_of_memory, out_of_memory
from pona.generators.generator import Generator
from pona.log import Log
from pona.precision import resolve_precision
from pona.progress import Losses, TrainProgress
from pona.same_run import differences
from pona.torch_file import read_torch, write_torch
from pona.trainer import Trainer
from pona.validation import Samples, Validation

STATE_FORMAT = "pona-training-state"
LEAST_LOSS_SCALE = 2**-10  # from 2**16, halved by every skipped step
SAVE_SECONDS = 300  # of training that a kill may lose at most, where validations are further apart


class Run:
    def __init__(
        self,
        trainer: Trainer,
        out: Path,
        trained_on: dict[str, Any],
        protocol: str,
        origin: dict[str, str | None],
        progress: Callable[[TrainProgress], None] | None,
    ) -> None:
        self.trainer, self.config, self.out = trainer, trainer.config, out
        self.processes = trainer.processes
        self.precision = resolve_precision(trainer.fabric.device, self.config.precision)  # "fp32", "bf16" or "fp16"
        self.trained_on, self.protocol, self.origin, self.progress = trained_on, protocol, origin, progress
        self.validation: Validation | None = None
        self.last_validation: dict[str, float | None] | None = None
        self.best: dict[str, float] | None = None  # iteration and validation l1 of the best weights so far
        self.best_path = out.with_name(f"{out.stem}.best{out.suffix}")
        self.state_path = out.with_name(out.name + ".last")
        self.log = Log(out.with_name(out.name + ".jsonl"))
        self._samples: Samples | None = None  # of the last validation
        self._losses = Losses()
        self._saved_at = 0.0  # seconds of training in the newest state

    def start(self, resume: bool) -> None:
        """Resumes from `<out>.last`, or begins a new log and checks that the folder can be written."""
        if self.processes.first(lambda: resume and self.state_path.exists()):
            self.processes.every(self._resume)
            reported = self.trainer.iteration - (self._losses.counted > 0)  # a state before its report has losses
            self.processes.first(lambda: self.log.cut(reported))
            return
        self._save_state()
        self.processes.first(self.log.begin)

    def _resume(self) -> None:
        remove = f"delete {self.state_path.name} to start again"
        try:
            state = read_torch(self.state_path)
        except PoNAError as error:
            raise PoNAError(f"{error}, or {remove}") from None
        try:
            self._check_same_run(state)
            self.trainer.load_state_dict(state["state"])
            self.last_validation, self.best = _figures(state["validation"]), _figures(state["best"])
            if "losses" in state:  # earlier versions have none
                self._losses.load_state_dict(state["losses"], self.trainer.fabric.device)
            if self.best is not None and None in (self.best.get("iteration"), self.best.get("l1")):
                raise ValueError("no best weights")
        except PoNAError:
            raise
        except Exception as error:  # whatever the values of a damaged file lead to
            if is_out_of_memory(error):
                raise
            raise PoNAError(f"{self.state_path} is damaged: {remove}") from None

    def loop(self, interrupted: threading.Event) -> None:
        """Steps until the schedule ends."""
        trainer, config = self.trainer, self.config
        started = time.monotonic() - trainer.seconds
        reported_at, reported = time.monotonic(), trainer.iteration
        self._saved_at = trainer.seconds
        ended = False
        unreported = self._losses.counted > 0 and (self._is_due() or self._is_to_log())  # killed after its state
        while not ended:
            if not unreported:
                self._losses.add(self._step())
            unreported = False
            trainer.seconds, stopped = self.processes.agree(time.monotonic() - started, interrupted.is_set())
            ended = self._fraction() >= 1
            stopped = stopped and not ended
            if stopped:
                self._save_state()  # at once: it may be killed before its validation ends
            planned = self._is_due() or ended
            due, to_log = planned or stopped, planned or self._is_to_log()
            if due or to_log:
                now = time.monotonic()
                means = self._losses.means(self.processes)
                self.processes.first(partial(self._check_finite, means))
                if due:
                    self.processes.first(self._check_weights)
                speed = (trainer.iteration - reported) * config.batch_size / max(now - reported_at, 1e-9)
                measured = self.processes.first(self._validate) if due else None
                trainer.seconds, _ = self.processes.agree(time.monotonic() - started, False)
                self.processes.first(partial(self._report, means, speed, measured, to_log, planned))
                if to_log:
                    self._losses.begin()
                reported_at, reported = time.monotonic(), trainer.iteration
            if due:
                self.processes.first(partial(self._save_generators, ended))
                if not ended:
                    self._save_state()
                reported_at = time.monotonic()
            elif trainer.seconds - self._saved_at >= SAVE_SECONDS:
                self._save_state()
            if stopped:
                raise KeyboardInterrupt if self.processes.is_first else StoppedElsewhere("interrupted")
        # A finished run leaves only the checkpoint and its log.
        self.processes.first(lambda: self.state_path.unlink(missing_ok=True))

    def _is_due(self) -> bool:
        """Whether a validation is planned after this iteration."""
        return self.trainer.iteration % self.config.validate_every == 0

    def _is_to_log(self) -> bool:
        return self.trainer.iteration % self.config.log_every == 0

    def _step(self) -> dict[str, Tensor]:
        config = self.config
        try:
            fraction = min(1.0, self._fraction())
            factor = rate_factor(fraction, config.decay, config.rate_steps)
            return self.trainer.step(config.learning_rate * factor, fraction)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise PoNAError(out_of_memory(config.batch_size, self.processes.count)) from None

    def _fraction(self) -> float:
        """Share of the run that is over."""
        config, trainer = self.config, self.trainer
        by_count = trainer.iteration / config.iterations if config.iterations else 0.0
        by_time = trainer.seconds / (60 * config.minutes) if config.minutes else 0.0
        return max(by_count, by_time)

    def _check_finite(self, means: dict[str, float]) -> None:
        wrong = [name for name, value in means.items() if not math.isfinite(value)]
        if wrong:
            raise self._diverged(f"loss {', '.join(wrong)} is")

    def _check_weights(self) -> None:
        """Checks the result of the last step, which no loss shows yet."""
        wrong = self.trainer.not_finite()
        if wrong:
            raise self._diverged(f"weights of the {', '.join(wrong)} are")
        if self.trainer.loss_scale() < LEAST_LOSS_SCALE:  # fp16 skips steps whose gradients are not finite
            raise self._diverged("gradients are")

    def _diverged(self, what: str) -> PoNAError:
        kept = f"{self.out.name} keeps the last good weights; " if self.out.exists() else ""
        return PoNAError(
            f"training diverged before iteration {self.trainer.iteration}: {what} not finite; "
            f"{kept}try a smaller learning rate or precision fp32, in another file"
        )

    def _validate(self) -> dict[str, float | None] | None:
        if self.validation is None:
            return None
        fabric = self.trainer.fabric
        shown: list[Samples] = []
        self.last_validation = self.validation(self._saved(), fabric.device, self.precision, shown.append)
        self.trainer.generator.train()  # `generate_images` sets eval mode
        self._samples = shown[0]
        return self.last_validation

    def _saved(self) -> Generator:
        """The generator to save: the moving average, if there is one."""
        return self.trainer.average or self.trainer.generator.module

    def _report(
        self,
        losses: dict[str, float],
        speed: float,
        measured: dict[str, float | None] | None,
        to_log: bool,
        planned: bool,
    ) -> None:
        """Shows a report and logs what is planned: the log is that of a run which was never stopped."""
        trainer, fraction = self.trainer, self._fraction()
        report = TrainProgress(
            iteration=trainer.iteration,
            iterations=round(trainer.iteration / min(1.0, fraction)),
            losses=losses,
            images_per_second=speed,
            seconds_left=max(0.0, trainer.seconds / fraction - trainer.seconds),
            validation=measured,
        )
        if to_log:
            self.log.add(report if planned else replace(report, validation=None), trainer.seconds)
        if self.progress is not None:
            self.progress(replace(report, samples=self._samples if measured else None))

    def _save_generators(self, finished: bool) -> None:
        """Writes the best weights if these are, then the last ones."""
        generator, l1 = self._saved(), (self.last_validation or {}).get("l1")
        if l1 is not None and (self.best is None or l1 < self.best["l1"]):
            self.best = {"iteration": self.trainer.iteration, "l1": l1}
            self._save_weights(self.best_path, generator, finished, selected_on="validation l1")
        self._save_weights(self.out, generator, finished)

    def _save_weights(self, path: Path, generator: Generator, finished: bool, selected_on: str | None = None) -> None:
        training = self._training(finished) | {"selected_on": selected_on}
        save_checkpoint(path, generator, generator.config, training, half=self.config.half)

    def _save_state(self) -> None:
        self.processes.first(self._check_weights)
        content = {
            "format": STATE_FORMAT,
            "config": asdict(self.config),
            "fingerprint": self.trained_on.get("fingerprint"),
            "origin": self.origin,
            "validation": self.last_validation,
            "best": self.best,
            "losses": self._losses.state_dict(self.processes),
            "state": self.trainer.state_dict(),
        }
        self.processes.first(lambda: write_torch(self.state_path, content))
        self._saved_at = self.trainer.seconds

    def _check_same_run(self, state: Any) -> None:
        if not isinstance(state, dict) or state.get("format") != STATE_FORMAT:
            raise PoNAError(f"{self.state_path} is no training state: delete it to start again")
        if type(state["config"]) is not dict or type(state["origin"]) is not dict:
            raise TypeError("no settings")
        changed = differences(self.config, self.origin, self.trained_on.get("fingerprint"), state)
        if (devices := 1 + len(state["state"].get("others", []))) != self.processes.count:
            changed.append(f"devices {devices} -> {self.processes.count}")
        kind, ours = "cuda" if "cuda_random" in state["state"] else "cpu", self.trainer.fabric.device.type
        if "cuda" in (kind, ours) and kind != ours:
            changed.append(f"device {kind} -> {ours}")
        if changed:
            raise PoNAError(
                f"{self.state_path} is of another run ({', '.join(changed)}): "
                f"use its settings, give another output, or delete {self.state_path.name} to start again"
            )

    def _training(self, finished: bool) -> dict[str, object]:
        trainer = self.trainer
        return {
            "preset": self.config.preset,
            "iteration": trainer.iteration,
            "iterations": round(trainer.iteration / min(1.0, self._fraction())),
            "finished": finished,
            "seconds": round(trainer.seconds, 1),
            "batch_size": self.config.batch_size,
            "devices": self.processes.count,
            "seed": self.config.seed,
            "weights": f"moving average, decay {self.config.ema}" if self.config.ema else "last",
            "perceptual": trainer.perceptual.kind if trainer.perceptual is not None else "none",
            "protocol": self.protocol,
            "trained_on": self.trained_on,
            "origin": self.origin,
            "validation": self.last_validation,
            "best": self.best,
            "image_size": list(trainer.data.images.shape[2:]),
            "precision": self.precision,
            "device": str(trainer.fabric.device),
            "versions": {
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "lightning_fabric": str(lightning_fabric.__version__),
            },
            "config": asdict(self.config),
        }


def _figures(recorded: Any) -> Any:
    """What a state holds of a validation; raises ValueError for anything else."""
    figures = {} if recorded is None else recorded
    known = (value is None or (type(value) in (int, float) and math.isfinite(value)) for value in figures.values())
    if not all(known) or not all(type(name) is str for name in figures):
        raise ValueError("no figures")
    return recorded


def rate_factor(fraction: float, decay: float, steps: int | None = None) -> float:
    """Learning rate as a share of its start: 1, then over the last `decay` of the run linearly to 0.

    Args:
        fraction: share of the run that is over, 0..1.
        decay: share of the run with a falling rate, 0..1.
        steps: number of equal parts of the run; within a part the rate is constant, that of the part's end, so it is 0
            in the last one. None = the rate falls with every iteration.
    """
    if steps is not None:
        fraction = min(1.0, (math.floor(fraction * steps + 1e-9) + 1) / steps)  # 1e-9, as rounding may give 3.999...
    return 1.0 if fraction <= 1 - decay else (1 - fraction) / decay
