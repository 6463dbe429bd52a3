"""The training of a generator by comparison with the true image, and what other objectives build on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.train_config import TrainConfig

if TYPE_CHECKING:
    from pona.data import Batch
    from pona.generators.generator import Generator
    from pona.trainer import Trainer


class Objective:
    """L1, perceptual and identity loss. Methods with more, such as discriminators, derive from it.

    One for each process of a run. It holds no tensors: the trainer has networks, optimisers, image pools and their
    state.
    """

    updates_all_weights: ClassVar[bool] = True  # of the generator, in each step

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def discriminators(self, generator: "Generator") -> dict[str, nn.Module]:
        """New discriminators for a generator, by name; each gets an optimiser and an image pool."""
        return {}

    def begin(self, trainer: "Trainer") -> None:
        """Before the first step of a run from new weights."""

    def step(self, trainer: "Trainer") -> dict[str, Tensor]:
        """One iteration, all updates included; returns the losses, detached."""
        batch = trainer.draw_batch()
        generated, _ = trainer.generate(batch)
        losses = {"l1": F.l1_loss(generated, batch.target_image)} | self.feature_losses(trainer, generated, batch)
        trainer.update_generator(self.weighted(losses))
        return {name: loss.detach() for name, loss in losses.items()}

    def feature_losses(self, trainer: "Trainer", generated: Tensor, batch: "Batch") -> dict[str, Tensor]:
        """The losses between features of generated and true image that the run has: perceptual, identity."""
        losses = {}
        with trainer.fabric.autocast():
            if trainer.perceptual is not None:
                losses["perceptual"] = trainer.perceptual(generated, batch.target_image)
        return losses | self.identity_loss(trainer, generated, batch)

    def identity_loss(self, trainer: "Trainer", generated: Tensor, batch: "Batch") -> dict[str, Tensor]:
        """The identity loss, if the run has one."""
        if trainer.identity is None:
            return {}
        with trainer.fabric.autocast():
            return {"identity": trainer.identity(generated, batch.target_image)}

    def weighted(self, losses: Mapping[str, Tensor], **weights: float) -> Tensor:
        """The sum of the losses, each times its given weight, else the configuration's: `l1` times `l1_weight`."""
        terms = [
            (weights[name] if name in weights else getattr(self.config, f"{name}_weight")) * loss
            for name, loss in losses.items()
        ]
        return torch.stack(terms).sum()
