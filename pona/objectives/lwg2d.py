"""The training of LWG-2D: condition image reconstructed, target image generated, masks near the silhouettes."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.errors import PoNAError
from pona.layers import crop, pad
from pona.objectives.objective import Objective

if TYPE_CHECKING:
    from pona.data import Batch
    from pona.generators.generator import Generator
    from pona.generators.lwg2d import LWG2DInputs
    from pona.trainer import Trainer


SMALLEST = 48  # pixels


class LWG2DObjective(Objective):
    """Liu et al., ICCV 2019, and its code: the generator first, then a patch discriminator with labels 1 and -1.

    Differences: the perceptual loss compares relu1_2 of VGG-19 alone, where LWG has five layers, so L1 of the target is
    added; no loss on faces, as a head has 14 pixels; masks weigh little, as silhouettes are those of ten parts.
    """

    def discriminators(self, generator: "Generator") -> dict[str, nn.Module]:
        """`pose`, which sees an image with the target's map."""
        return {"pose": PatchDiscriminator(self.config.discriminator_width)} if self.config.gan_weight else {}

    def step(self, trainer: "Trainer") -> dict[str, Tensor]:
        """See `Objective.step`."""
        batch = trainer.draw_batch()
        (padded, source, mask, source_mask), inputs = trainer.generate(batch, everything=True)
        generated = crop(padded, inputs.size)
        losses = {"l1": F.l1_loss(generated, batch.target_image)}
        losses["source"] = F.l1_loss(crop(source, inputs.size), batch.condition_image)
        losses |= mask_losses(inputs, mask, source_mask)
        if trainer.discriminators:
            with trainer.fabric.autocast():
                losses["gan"] = trainer.judge("pose", seen(padded, inputs)).float().square().mean()
        losses |= self.feature_losses(trainer, generated, batch)
        method = self.config.method
        own = {"source": self.config.l1_weight, "mask": method["mask_weight"], "smooth": method["smooth_weight"]}
        trainer.update_generator(self.weighted(losses, **own))
        if trainer.discriminators:
            losses["discriminator_pose"] = self._update(trainer, batch, padded.detach(), inputs)
        return {name: loss.detach() for name, loss in losses.items()}

    def _update(self, trainer: "Trainer", batch: "Batch", generated: Tensor, inputs: "LWG2DInputs") -> Tensor:
        network = trainer.discriminators["pose"]
        height, width = generated.shape[2:]
        real = network(seen(pad(batch.target_image, (height, width)), inputs)).float()
        fake = network(seen(generated, inputs)).float()
        loss = (real - 1).square().mean() + (fake + 1).square().mean()
        trainer.update_discriminator("pose", loss)
        return loss


def mask_losses(inputs: "LWG2DInputs", mask: Tensor, source_mask: Tensor) -> dict[str, Tensor]:
    """Masks near the backgrounds of both poses (`mask`), and smooth (`smooth`)."""
    wanted = ((mask.float(), inputs.target_background), (source_mask.float(), inputs.condition_background))
    near = [F.binary_cross_entropy(made.clamp(1e-6, 1 - 1e-6), true) for made, true in wanted]
    return {
        "mask": torch.stack(near).sum(),
        "smooth": torch.stack([total_variation(made) for made, _ in wanted]).sum(),
    }


def seen(image: Tensor, inputs: "LWG2DInputs") -> Tensor:
    """What the discriminator sees: B x 6 x H x W."""
    return torch.cat((image, inputs.warped[:, 3:]), dim=1)


def total_variation(mask: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, along both axes, of B x 1 x H x W."""
    return (mask[:, :, 1:] - mask[:, :, :-1]).abs().mean() + (mask[..., 1:] - mask[..., :-1]).abs().mean()


class PatchDiscriminator(nn.Module):
    """Scores of patches: 6 x 2 of 128 x 64 pixels."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        channels = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        layers: list[nn.Module] = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for index in range(len(channels) - 1):
            stride = 2 if index < len(channels) - 2 else 1
            layers += [nn.Conv2d(channels[index], channels[index + 1], 4, stride, 1)]
            layers += [nn.InstanceNorm2d(channels[index + 1]), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, 1, 1))
        for module in self.layers:
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.normal_(module.weight, 0.0, 0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """B x 6 x H x W -> B x 1 x h x w; PoNAError for images that leave it no patch."""
        if min(x.shape[2:]) < SMALLEST:
            raise PoNAError(
                f"images have {x.shape[2]} x {x.shape[3]} pixels (height x width), expected at least {SMALLEST} in "
                "both: the discriminator of LWG-2D compares patches"
            )
        return self.layers(x)
