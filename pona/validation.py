"""Compares generated images of held-out identities with the true ones, and with two trivial guesses."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pona.data import PoseImages
from pona.errors import PoNAError
from pona.generate import generate_images
from pona.generators.generator import Generator
from pona.metrics import l1, mask_ssim, ssim

CHUNK = 32
SAMPLES = 12  # pairs to look at


@dataclass(frozen=True)
class Samples:
    """Images to look at during training: always the same pairs of held-out identities."""

    condition_images: Tensor  # uint8, K x 3 x H x W
    target_keypoints: Tensor  # K x 18 x 2, (x, y) in pixels, NaN = missing
    generated_images: Tensor  # uint8, K x 3 x H x W
    target_images: Tensor  # uint8, K x 3 x H x W


class Validation:
    """L1, SSIM and mask-SSIM (`pona.metrics`) on fixed pairs of held-out identities.

    The two guesses are "copy the condition image" and "the mean of the training images".

    Args:
        data: held-out images.
        training_images: uint8, N x 3 x H x W; their mean is the second guess.
        count: number of pairs, evenly spaced.

    Raises:
        PoNAError: where the two are of different sizes.
    """

    def __init__(self, data: PoseImages, training_images: Tensor, count: int) -> None:
        self.data = data
        self.pairs = data.pairs[_spread(len(data.pairs), count)]
        self.targets = data.images[self.pairs[:, 1]]
        self.target_keypoints = data.keypoints[self.pairs[:, 1]]
        mean = mean_image(training_images)
        if mean.shape != data.images.shape[1:]:
            raise PoNAError(
                f"training images are {tuple(mean.shape[1:])} pixels, those of the held-out identities "
                f"{tuple(data.images.shape[2:])}: expected one size (height, width)"
            )
        self._guesses = self._measure(data.images[self.pairs[:, 0]], "_copy")
        self._guesses |= self._measure(mean.expand_as(self.targets), "_mean")

    def __call__(
        self,
        generator: Generator,
        device: torch.device,
        precision: str = "auto",
        show: Callable[[Samples], None] | None = None,
    ) -> dict[str, float | None]:
        """`l1` (0..1, lower is better), `ssim`, `mask_ssim` (higher is better), and each with `_copy` and `_mean`.

        `mask_ssim` is the mean over the targets that show a joint; None where none does.

        Args:
            generator: set to eval mode.
            device: where to generate.
            precision: as in `generate_images`.
            show: called with `SAMPLES` of the images.
        """
        generated = self.generate(generator, device, precision)
        if show is not None:
            rows = _spread(len(self.pairs), SAMPLES)
            conditions = self.data.images[self.pairs[rows, 0]]
            show(Samples(conditions, self.target_keypoints[rows], generated[rows], self.targets[rows]))
        return self._measure(generated, "") | self._guesses

    def generate(self, generator: Generator, device: torch.device, precision: str = "auto") -> Tensor:
        """The generated images, uint8, count x 3 x H x W."""
        images, keypoints = self.data.images, self.data.keypoints
        parts = []
        for conditions, targets in (part.unbind(dim=1) for part in self.pairs.split(CHUNK)):
            poses = (keypoints[conditions], keypoints[targets])
            parts.append(generate_images(generator, images[conditions], *poses, device=device, precision=precision))
        return torch.cat(parts)

    def _measure(self, images: Tensor, suffix: str) -> dict[str, float | None]:
        measured = {
            "l1": l1(images, self.targets),
            "ssim": ssim(images, self.targets),
            "mask_ssim": mask_ssim(images, self.targets, self.target_keypoints),
        }
        means = {name + suffix: float(values.nanmean()) for name, values in measured.items()}
        return {name: None if math.isnan(mean) else mean for name, mean in means.items()}


def mean_image(images: Tensor) -> Tensor:
    """uint8, N x 3 x H x W -> uint8, 3 x H x W."""
    total = sum(part.sum(dim=0, dtype=torch.float64) for part in images.split(512))
    return (total / len(images)).round().to(torch.uint8)


def _spread(length: int, count: int) -> Tensor:
    """Up to `count` rows, evenly spaced over `length`."""
    return torch.linspace(0, length - 1, min(count, length)).round().long()
