"""The identity loss: a generated image must look like its person to a re-ID network."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.same_run import file_digest


class IdentityLoss(nn.Module):
    """1 - cosine of a re-ID network's features of the generated image and of the true one.

    PoNA has no such loss. It is the identity-preserving loss of pose transfer for re-ID (FD-GAN, Ge et al., NeurIPS
    2018, compares poses by such a network too), on the features of a network that stays as it is.

    Args:
        network: maps B x 3 x H x W images, -1..1, to B x D features; frozen here, and kept in evaluation mode.
        file: the file that it came from, for the record of the run.

    Raises:
        PoNAError: the file cannot be read.
    """

    def __init__(self, network: nn.Module, file: Path) -> None:
        super().__init__()
        self.digest = file_digest(file)
        self.network = network.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "IdentityLoss":
        """Stays in evaluation mode: running statistics are part of what the network knows."""
        return super().train(False)

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """B x 3 x H x W images, -1..1 -> a scalar, 0..2."""
        with torch.no_grad():
            wanted = self.network(target).float()
        return (1 - F.cosine_similarity(self.network(generated).float(), wanted)).mean()
