"""How far generated images of unseen persons are from the true ones, against two guesses that cost nothing."""

import torch
from torch import Tensor

from pona.data import PoseImages
from pona.generate import generate_images
from pona.generator import PoNAGenerator

CHUNK = 32


class Validation:
    """L1 on fixed pairs of held-out identities, as a share of full scale (0..1).

    The two guesses are "copy the condition image" and "the mean of the training images".

    Args:
        data: held-out images.
        training_images: uint8, N x 3 x H x W; their mean is the second guess.
        count: number of pairs, evenly spaced.
    """

    def __init__(self, data: PoseImages, training_images: Tensor, count: int) -> None:
        self.data = data
        rows = torch.linspace(0, len(data.pairs) - 1, min(count, len(data.pairs))).round().long()
        self.pairs = data.pairs[rows]
        mean = mean_image(training_images)
        targets = data.images[self.pairs[:, 1]]
        self._baselines = {
            "l1_copy": mean_l1(data.images[self.pairs[:, 0]], targets),
            "l1_mean": mean_l1(mean.expand_as(targets), targets),
        }

    def __call__(self, generator: PoNAGenerator, device: torch.device, precision: str = "auto") -> dict[str, float]:
        """`l1`, `l1_copy`, `l1_mean` (lower is better)."""
        return {"l1": mean_l1(self.generate(generator, device, precision), self._targets()), **self._baselines}

    def generate(self, generator: PoNAGenerator, device: torch.device, precision: str = "auto") -> Tensor:
        """The generated images, uint8, count x 3 x H x W."""
        images, keypoints = self.data.images, self.data.keypoints
        parts = [
            generate_images(
                generator,
                images[part[:, 0]],
                keypoints[part[:, 0]],
                keypoints[part[:, 1]],
                device=device,
                precision=precision,
            )
            for part in self.pairs.split(CHUNK)
        ]
        return torch.cat(parts)

    def _targets(self) -> Tensor:
        return self.data.images[self.pairs[:, 1]]


def mean_l1(images: Tensor, others: Tensor) -> float:
    """Mean absolute difference of two uint8 image tensors of one shape, 0..1."""
    total = sum(
        (a.float() - b.float()).abs().double().sum() for a, b in zip(images.split(64), others.split(64), strict=True)
    )
    return float(total) / images.numel() / 255


def mean_image(images: Tensor) -> Tensor:
    """uint8, N x 3 x H x W -> uint8, 3 x H x W."""
    total = sum(part.sum(dim=0, dtype=torch.float64) for part in images.split(512))
    return (total / len(images)).round().to(torch.uint8)
