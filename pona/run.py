"""The loop around the training steps: schedule, reports, files."""

import json
import math
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from lightning_fabric import Fabric

from pona.checkpoint import read_torch, save_checkpoint, write_torch
from pona.errors import PoNAError, StoppedElsewhere
from pona.generate import prefers_bf16
from pona.presets import TrainConfig
from pona.trainer import Trainer
from pona.validation import Validation

STATE_FORMAT = "pona-training-state"


@dataclass(frozen=True)
class TrainProgress:
    """Where a run stands."""

    iteration: int  # done
    iterations: int  # in all; an estimate where a time budget ends the run
    losses: dict[str, float]  # means since the last report: l1 (images -1..1), gan, perceptual, discriminator_*
    images_per_second: float  # training pairs, since the last report
    seconds_left: float  # estimate
    validation: dict[str, float] | None  # l1, l1_copy, l1_mean (0..1); None where this report has none


class Run:
    """The loop around the steps: schedule, reports, files."""

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
        self.trained_on, self.protocol, self.origin, self.progress = trained_on, protocol, origin, progress
        self.validation: Validation | None = None
        self.last_validation: dict[str, float] | None = None
        self.state_path = out.with_name(out.name + ".last")
        self.log_path = out.with_name(out.name + ".jsonl")
        self._sums: dict[str, torch.Tensor] = {}
        self._counted = 0

    def start(self, resume: bool) -> None:
        """Takes up `<out>.last` or begins a new log; finds out now whether the folder can be written."""
        if self.processes.first(lambda: resume and self.state_path.exists()):
            self.processes.every(self._take_up)
            self.processes.first(lambda: self._cut_log(self.trainer.iteration))
            return
        self._save_state()
        self.processes.first(lambda: self.log_path.write_text(""))

    def _take_up(self) -> None:
        state = read_torch(self.state_path)
        self._check_same_run(state)
        self.trainer.load_state_dict(state["state"])
        self.last_validation = state["validation"]

    def loop(self, interrupted: threading.Event) -> None:
        """Steps until the schedule ends."""
        trainer, config = self.trainer, self.config
        started = time.monotonic() - trainer.seconds
        reported_at, reported = time.monotonic(), trainer.iteration
        ended = False
        while not ended:
            try:
                losses = trainer.step(config.learning_rate * rate_factor(min(1.0, self._fraction()), config.decay))
            except torch.OutOfMemoryError:
                smaller = max(2, config.batch_size // 2 // self.processes.count * self.processes.count)
                raise PoNAError(f"out of memory with batches of {config.batch_size}: try {smaller}") from None
            self._count(losses)
            trainer.seconds, stopped = self.processes.agree(time.monotonic() - started, interrupted.is_set())
            ended = self._fraction() >= 1
            due = trainer.iteration % config.validate_every == 0 or ended or stopped
            if trainer.iteration % config.log_every and not due:
                continue
            now = time.monotonic()
            means = self._means()
            speed = (trainer.iteration - reported) * config.batch_size / max(now - reported_at, 1e-9)
            measured = self.processes.first(self._validate) if due else None
            trainer.seconds, _ = self.processes.agree(time.monotonic() - started, False)
            self.processes.first(partial(self._report, means, speed, measured))
            if due:
                self._save(finished=ended)
            reported_at, reported = time.monotonic(), trainer.iteration
            if stopped and not ended:
                raise KeyboardInterrupt if self.processes.is_first else StoppedElsewhere("interrupted")
        # What a finished run leaves is the checkpoint and its log.
        self.processes.first(lambda: self.state_path.unlink(missing_ok=True))

    def _fraction(self) -> float:
        """Share of the run that is over."""
        config, trainer = self.config, self.trainer
        by_count = trainer.iteration / config.iterations if config.iterations else 0.0
        by_time = trainer.seconds / (60 * config.minutes) if config.minutes else 0.0
        return max(by_count, by_time)

    def _count(self, losses: dict[str, torch.Tensor]) -> None:
        for name, loss in losses.items():
            self._sums[name] = self._sums[name] + loss if name in self._sums else loss.clone()
        self._counted += 1

    def _means(self) -> dict[str, float]:
        """The mean losses since the last call; the only place where the loop waits for the device."""
        self.processes.mean_(list(self._sums.values()))
        means = {name: float(total) / self._counted for name, total in self._sums.items()}
        self._sums, self._counted = {}, 0
        self.processes.first(lambda: self._check_finite(means))
        return means

    def _check_finite(self, means: dict[str, float]) -> None:
        wrong = [name for name, value in means.items() if not math.isfinite(value)]
        if wrong:
            raise PoNAError(
                f"training diverged before iteration {self.trainer.iteration}: loss {', '.join(wrong)} is not finite; "
                f"{self.out.name} keeps the last good weights; try a smaller learning rate or precision fp32"
            )

    def _validate(self) -> dict[str, float] | None:
        if self.validation is None:
            return None
        fabric = self.trainer.fabric
        self.last_validation = self.validation(self._best(), fabric.device, precision_name(fabric, self.config))
        self.trainer.generator.train()  # generating has put it in eval mode where no average is kept
        return self.last_validation

    def _best(self) -> Any:
        """The generator that is saved."""
        return self.trainer.average if self.config.ema else self.trainer.generator.module

    def _report(self, losses: dict[str, float], speed: float, measured: dict[str, float] | None) -> None:
        trainer, fraction = self.trainer, self._fraction()
        report = TrainProgress(
            iteration=trainer.iteration,
            iterations=round(trainer.iteration / min(1.0, fraction)),
            losses=losses,
            images_per_second=speed,
            seconds_left=max(0.0, trainer.seconds / fraction - trainer.seconds),
            validation=measured,
        )
        line = asdict(report) | {"seconds": round(trainer.seconds, 1)}
        with self.log_path.open("a") as log:
            log.write(json.dumps(line) + "\n")
        if self.progress is not None:
            self.progress(report)

    def _save(self, finished: bool) -> None:
        best = self._best()
        self.processes.first(
            lambda: save_checkpoint(self.out, best, best.config, self._training(finished), half=self.config.half)
        )
        if not finished:
            self._save_state()

    def _save_state(self) -> None:
        content = {
            "format": STATE_FORMAT,
            "config": asdict(self.config),
            "fingerprint": self.trained_on.get("fingerprint"),
            "origin": self.origin,
            "validation": self.last_validation,
            "state": self.trainer.state_dict(),
        }
        self.processes.first(lambda: write_torch(self.state_path, content))

    def _check_same_run(self, state: Any) -> None:
        if not isinstance(state, dict) or state.get("format") != STATE_FORMAT:
            raise PoNAError(f"{self.state_path} is no training state: delete it, or start anew")
        theirs, own = state["config"], asdict(self.config)
        changed = [f"{name} {theirs.get(name)} -> {own[name]}" for name in own if theirs.get(name) != own[name]]
        if state["fingerprint"] != self.trained_on.get("fingerprint"):
            changed.append("other training images")
        if (devices := 1 + len(state["state"].get("others", []))) != self.processes.count:
            changed.append(f"devices {devices} -> {self.processes.count}")
        changed += [f"another {name} file" for name, value in self.origin.items() if state["origin"].get(name) != value]
        if changed:
            raise PoNAError(
                f"{self.state_path} is of another run ({', '.join(changed)}): "
                "use its settings, give another output, or start anew"
            )

    def _cut_log(self, iteration: int) -> None:
        """Drops what a killed run logged after its last state."""
        lines = self.log_path.read_text().splitlines() if self.log_path.exists() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["iteration"] <= iteration]
        self.log_path.write_text("".join(f"{line}\n" for line in kept))

    def _training(self, finished: bool) -> dict[str, Any]:
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
            "image_size": list(trainer.data.images.shape[2:]),
            "precision": precision_name(trainer.fabric, self.config),
            "device": str(trainer.fabric.device),
            "versions": {
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "lightning_fabric": str(lightning_fabric.__version__),
            },
            "config": asdict(self.config),
        }


def rate_factor(fraction: float, decay: float) -> float:
    """Learning rate as a share of its start: 1, then over the last `decay` of the run linearly to 0.

    Args:
        fraction: share of the run that is over, 0..1.
        decay: share of the run with a falling rate, 0..1.
    """
    return 1.0 if fraction <= 1 - decay else (1 - fraction) / decay


def precision_name(fabric: Fabric, config: TrainConfig) -> str:
    if config.precision != "auto":
        return config.precision
    return "bf16" if prefers_bf16(fabric.device) else "fp32"
