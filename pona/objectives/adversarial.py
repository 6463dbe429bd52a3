"""The training of PoNA and PATN: image losses, and two discriminators, one for the person and one for the pose."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.discriminator import APPEARANCE_CHANNELS, POSE_CHANNELS, Discriminator
from pona.losses import adversarial_loss
from pona.objectives.objective import Objective

if TYPE_CHECKING:
    from pona.data import Batch
    from pona.generators.generator import Generator
    from pona.generators.pona import PoseInputs
    from pona.trainer import Trainer


class AdversarialObjective(Objective):
    """Eqs. 8-11 of PoNA (Li et al., IEEE TIP 2020): the generator first, then the discriminators, on the same batch.

    PoNA's repository has no training code; what the paper leaves open follows the code of PATN (Zhu et al., CVPR 2019),
    on which PoNA is built.
    """

    def discriminators(self, generator: "Generator") -> dict[str, nn.Module]:
        """`appearance` and `pose`; none if their width or weight is 0."""
        config = self.config
        if not (config.discriminator_width and config.gan_weight):
            return {}
        norm = config.discriminator_norm or config.norm
        width, variant, start = config.discriminator_width, config.discriminator_variant, config.initialisation
        return {
            "appearance": Discriminator(APPEARANCE_CHANNELS, width, norm, variant, start),
            "pose": Discriminator(POSE_CHANNELS, width, norm, variant, start),
        }

    def step(self, trainer: "Trainer") -> dict[str, Tensor]:
        """See `Objective.step`."""
        batch = trainer.draw_batch()
        generated, inputs = trainer.generate(batch)
        losses = {"l1": F.l1_loss(generated, batch.target_image)}
        if trainer.discriminators:
            with trainer.fabric.autocast():
                scores = [trainer.judge(name, seen(name, generated, inputs)) for name in trainer.discriminators]
                terms = [adversarial_loss(score, True, self.config.adversarial) for score in scores]
                losses["gan"] = torch.stack(terms).mean()
        losses |= self.feature_losses(trainer, generated, batch)
        trainer.update_generator(self.weighted(losses))
        for name in trainer.discriminators:
            losses[f"discriminator_{name}"] = self._update(trainer, name, batch, generated.detach(), inputs)
        return {name: loss.detach() for name, loss in losses.items()}

    def _update(self, trainer: "Trainer", name: str, batch: "Batch", generated: Tensor, inputs: "PoseInputs") -> Tensor:
        kind, network = self.config.adversarial, trainer.discriminators[name]
        real = network(seen(name, batch.target_image, inputs))
        fake = network(trainer.pools[name].query(seen(name, generated, inputs)))
        loss = 0.5 * (adversarial_loss(real, True, kind) + adversarial_loss(fake, False, kind))
        trainer.update_discriminator(name, self.config.gan_weight * loss)
        return loss


def seen(name: str, image: Tensor, inputs: "PoseInputs") -> Tensor:
    """What a discriminator sees: B x 6 x H x W for `appearance`, B x 21 x H x W for `pose`."""
    return torch.cat((image, inputs.condition_image if name == "appearance" else inputs.target_heatmaps), dim=1)
