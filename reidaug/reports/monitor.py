"""What a training shows: progress, validation figures, pictures, and optionally TensorBoard."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import writing
from reidaug.core.progress import Advance, Say, duration
from reidaug.reports.tiles import pose_image, save_comparison

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from pona.progress import TrainProgress
    from pona.validation import Samples


class Monitor:
    """Called with each report of a training.

    Args:
        out: the checkpoint; pictures and TensorBoard files are written beside it.
        say: shows one line.
        advance: shows the progress.
        tensorboard: whether to write TensorBoard files too.

    Raises:
        ReidAugError: TensorBoard is asked for, and not installed or unable to write to this path.
    """

    def __init__(self, out: Path, say: Say, advance: Advance, tensorboard: bool = False) -> None:
        self.pictures = out.with_name(out.name + ".pictures")
        self._say, self._advance = say, advance
        self._board_folder = out.with_name(out.name + ".tensorboard")
        self._writer = _summary_writer() if tensorboard else None
        self._board: SummaryWriter | None = None
        try:
            str(self._board_folder).encode()
        except UnicodeEncodeError:
            if tensorboard:
                raise ReidAugError(
                    f"--tensorboard: the path {self._board_folder} is not UTF-8, as TensorBoard needs it: rename it"
                ) from None

    def __call__(self, now: "TrainProgress") -> None:
        """Shows one report."""
        losses = "  ".join(_loss(name, value) for name, value in now.losses.items())
        speed = f"{now.images_per_second:.1f} images/s, {duration(now.seconds_left)} left"
        self._advance(now.iteration, now.iterations, f"{losses}  {speed}")
        if now.validation is not None:
            self._say(validation_line(now.iteration, now.validation))
        if now.samples is not None:
            self.pictures.mkdir(exist_ok=True)
            save_comparison(self.pictures / f"{now.iteration:07d}.png", sample_rows(now.samples))
        if self._writer is not None:
            with writing(self._board_folder):
                self._write_board(self._writer, now)

    def _write_board(self, writer: "type[SummaryWriter]", now: "TrainProgress") -> None:
        # TensorBoard hides what a run that was killed wrote after the state from which this one goes on.
        self._board = self._board or writer(str(self._board_folder), purge_step=now.iteration)
        values: dict[str, float | None] = {f"loss/{name}": value for name, value in now.losses.items()}
        values |= {f"validation/{name}": value for name, value in (now.validation or {}).items()}
        for name, value in values.items():
            if value is not None:
                self._board.add_scalar(name, value, now.iteration)
        if now.samples is not None:
            self._board.add_images("generated", now.samples.generated_images, now.iteration)
        self._board.flush()


def sample_rows(samples: "Samples") -> list[list[np.ndarray]]:
    """Rows of a comparison: condition, target pose, generated, real."""
    conditions, generated, targets = (
        images.permute(0, 2, 3, 1).cpu().numpy()
        for images in (samples.condition_images, samples.generated_images, samples.target_images)
    )
    poses = samples.target_keypoints.cpu().numpy()
    size = (targets.shape[1], targets.shape[2])
    return [
        [condition, pose_image(pose, size), image, target]
        for condition, pose, image, target in zip(conditions, poses, generated, targets, strict=True)
    ]


def validation_line(iteration: int, scores: Mapping[str, float | None]) -> str:
    """L1, SSIM and mask-SSIM on unseen people, next to two trivial baselines: the condition and the mean image."""
    parts = []
    for name, label, scale, digits, unit in (
        ("l1", "L1", 100, 2, " %"),
        ("ssim", "SSIM", 1, 3, ""),
        ("mask_ssim", "mask-SSIM", 1, 3, ""),
    ):
        if scores[name] is None:
            parts.append(f"{label}: none, as no target shows a joint")
            continue
        values = [scores[name + suffix] or 0.0 for suffix in ("", "_copy", "_mean")]
        score, copy, mean = (f"{scale * value:.{digits}f}{unit}" for value in values)
        parts.append(f"{label} {score} (copy {copy}, mean image {mean})")
    return f"iteration {iteration:,}, unseen people: {', '.join(parts)}"


def training_lines(summary: Mapping[str, object]) -> dict[str, object]:
    """The summary of a training as short texts; L1 is in per cent of full scale everywhere."""
    lines = dict(summary)
    best, validation, seconds = (lines.pop(name, None) for name in ("best", "validation", "seconds"))
    if isinstance(validation, Mapping):
        lines["last"] = validation_line(cast(int, summary["iteration"]), validation)
    if isinstance(best, Mapping):
        lines["best"] = f"iteration {best['iteration']:,}: L1 {100 * best['l1']:.2f} %"
    if isinstance(seconds, int | float):
        lines["time"] = duration(seconds)
    return {name: value for name, value in lines.items() if value is not None}


def _loss(name: str, value: float) -> str:
    """A loss; L1, of images from -1 to 1, in per cent of full scale, as on unseen people."""
    return f"L1 {50 * value:.2f} %" if name == "l1" else f"{name} {value:.3f}"


def _summary_writer() -> "type[SummaryWriter]":
    """The class that writes TensorBoard files."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ReidAugError(
            "--tensorboard: TensorBoard is not installed; pip install tensorboard, or leave the option out "
            "(the log beside the checkpoint holds the same figures)"
        ) from None
    threading.excepthook = _leave_to_caller
    return SummaryWriter


def _leave_to_caller(failed: threading.ExceptHookArgs) -> None:
    """Shows no trace of TensorBoard's thread, such as of a full disk: the next call raises the error."""
    if type(failed.thread).__name__ != "_AsyncWriterThread":
        threading.__excepthook__(failed)
