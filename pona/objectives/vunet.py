"""The training of VUnet: single images, reconstructed from their own parts and stick figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pona.layers import WeightNormConv
from pona.objectives.deform import SCALES
from pona.objectives.objective import Objective

if TYPE_CHECKING:
    from pona.trainer import Trainer

LEAST_KL = 1e-6  # weight of the KL term at first: from the start at 1 it makes the network ignore the appearance
MEASURED = 4  # batches, with which gains and biases are set before the first step


class VUnetObjective(Objective):
    """Esser et al., CVPR 2018, and its code: colours, VGG-19 features and a KL term whose weight grows to 1.

    The authors compare colours and features of five layers; here those of relu1_2 alone, brought to their scale. The
    weight of the KL term grows linearly from `kl_from` to `kl_to` of the run (`method` of the configuration).
    """

    def begin(self, trainer: "Trainer") -> None:
        """Sets gains and biases from the data, layer after layer."""
        batches = [trainer.draw_batch() for _ in range(MEASURED)]
        image, keypoints = (
            torch.cat([getattr(batch, name) for batch in batches]) for name in ("target_image", "target_keypoints")
        )
        generator: Any = trainer.generator.module
        layers = [layer for layer in generator.modules() if isinstance(layer, WeightNormConv)]
        with torch.no_grad():
            inputs = generator.prepare(image, keypoints, keypoints)
            for layer in layers:
                layer.measuring = True
            generator(*inputs, everything=True)
            for layer in layers:
                layer.measuring = False
        trainer.processes.mean_([value for layer in layers for value in (layer.gain.data, layer.bias.data)])

    def step(self, trainer: "Trainer") -> dict[str, Tensor]:
        """See `Objective.step`."""
        config, method = self.config, self.config.method
        batch = trainer.draw_batch().of_targets()
        (generated, means, expected), _ = trainer.generate(batch, everything=True)
        losses = {"l1": F.l1_loss(generated, batch.target_image)} | self.feature_losses(trainer, generated, batch)
        losses["kl"] = kl_divergence(means, expected)
        grown = (trainer.fraction - method["kl_from"]) / (method["kl_to"] - method["kl_from"])
        weights = {"kl": min(1.0, max(LEAST_KL, grown))}
        if trainer.perceptual is not None:
            weights["perceptual"] = config.perceptual_weight * SCALES[trainer.perceptual.kind]
        trainer.update_generator(self.weighted(losses, **weights))
        return {name: loss.detach() for name, loss in losses.items()}


def kl_divergence(means: Sequence[Tensor], expected: Sequence[Tensor]) -> Tensor:
    """Of Gaussians with deviation 1, summed over places, channels and both lists, B x C x h x w; mean over B."""
    pairs = zip(means, expected, strict=True)
    return torch.stack([(q.float() - p.float()).square().flatten(1).sum(1).mean() / 2 for q, p in pairs]).sum()
