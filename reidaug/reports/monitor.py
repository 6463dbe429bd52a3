"""What a person sees of a training: progress, validation figures, pictures, and TensorBoard where it is wanted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.progress import Advance, duration
from reidaug.reports.tiles import pose_image, save_comparison


class Monitor:
    """Called with each report of a training.

    Args:
        out: the checkpoint; pictures and TensorBoard's files lie beside it.
        say: shows one line.
        advance: shows how far the training is.
        tensorboard: whether to write TensorBoard's files too.

    Raises:
        ReidAugError: TensorBoard is wanted and not installed.
    """

    def __init__(self, out: Path, say: Callable[[str], None], advance: Advance, tensorboard: bool = False) -> None:
        self.pictures = out.with_name(out.name + ".pictures")
        self._say, self._advance = say, advance
        self._board_folder = out.with_name(out.name + ".tensorboard")
        self._writer = _tensorboard() if tensorboard else None
        self._board: Any = None

    def __call__(self, now: Any) -> None:
        """Shows one ``pona.train.TrainProgress``."""
        losses = "  ".join(f"{name} {value:.3f}" for name, value in now.losses.items())
        speed = f"{now.images_per_second:.1f} images/s, {duration(now.seconds_left)} left"
        self._advance(now.iteration, now.iterations, f"{losses}  {speed}")
        if now.validation is not None:
            self._say(validation_line(now.iteration, now.validation))
        if now.samples is not None:
            self.pictures.mkdir(exist_ok=True)
            save_comparison(self.pictures / f"{now.iteration:07d}.png", sample_rows(now.samples))
        if self._writer is not None:
            self._board = self._board or self._writer(str(self._board_folder))
            values = {f"loss/{name}": value for name, value in now.losses.items()}
            values |= {f"validation/{name}": value for name, value in (now.validation or {}).items()}
            for name, value in values.items():
                if value is not None:
                    self._board.add_scalar(name, value, now.iteration)
            if now.samples is not None:
                self._board.add_images("generated", now.samples.generated_images, now.iteration)
            self._board.flush()


def sample_rows(samples: Any) -> list[list[np.ndarray]]:
    """``pona.validation.Samples`` as rows of a comparison: condition, target pose, generated, real."""
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


def validation_line(iteration: int, found: dict[str, Any]) -> str:
    """L1, SSIM and mask-SSIM on unseen people, each against the two guesses that cost nothing."""
    parts = []
    for name, label, scale in (("l1", "L1 %", 100), ("ssim", "SSIM", 1), ("mask_ssim", "mask-SSIM", 1)):
        if found[name] is None:
            parts.append(f"{label}: none, as no target shows a joint")
            continue
        own, copy, mean = (scale * found[name + suffix] for suffix in ("", "_copy", "_mean"))
        digits = 2 if scale == 100 else 3
        parts.append(f"{label} {own:.{digits}f} (copy {copy:.{digits}f}, mean image {mean:.{digits}f})")
    return f"iteration {iteration:,}, unseen people: {', '.join(parts)}"


def _tensorboard() -> Any:
    """The class that writes TensorBoard's files."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ReidAugError(
            "--tensorboard: TensorBoard is not installed; pip install tensorboard, or leave the option away "
            "(the log beside the checkpoint holds the same figures)"
        ) from None
    return SummaryWriter
