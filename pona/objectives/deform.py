"""The training of Deform: one discriminator, and a loss that forgives small shifts."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.layers import ImageNorm, glorot, pad
from pona.objectives.objective import Objective

if TYPE_CHECKING:
    from pona.data import Batch
    from pona.generators.deform import DeformInputs
    from pona.generators.generator import Generator
    from pona.trainer import Trainer

FAR = -1e4  # features outside of the image, which no window chooses
LEAST = 1e-7  # added to probabilities before their logarithm
# The authors' features are those of Keras's VGG-19, whose input is 0..255. Features of other scales are brought to
# theirs: torchvision's normalised input is 57 times smaller; for the others as much as brings an untrained generator
# to the authors' ratio of about 10 to 1 between this loss and the adversarial one.
SCALES = {"vgg19-torchvision": 57.0, "vgg19-normalised": 25.0, "none": 500.0}


class DeformObjective(Objective):
    """Siarohin et al., Deformable GANs, CVPR 2018: the discriminator first, each update on a batch of its own.

    Without VGG-19 the nearest-neighbour loss compares pixels instead of features.
    """

    def discriminators(self, generator: "Generator") -> dict[str, nn.Module]:
        """`pair`, which sees condition and generated image with both poses."""
        return {"pair": DeformDiscriminator(self.config.discriminator_width)} if self.config.gan_weight else {}

    def step(self, trainer: "Trainer") -> dict[str, Tensor]:
        """See `Objective.step`."""
        first = {"discriminator_pair": self._update_discriminator(trainer)} if trainer.discriminators else {}
        batch = trainer.draw_batch()
        generated, inputs = trainer.generate(batch)
        losses = {"l1": F.l1_loss(generated, batch.target_image)}
        losses["nearest"] = self._nearest(trainer, generated, batch)
        if trainer.discriminators:
            with trainer.fabric.autocast():
                probability = trainer.judge("pair", seen(generated, inputs)).float().sigmoid()
            losses["gan"] = -(probability + LEAST).log().mean()
        losses |= self.identity_loss(trainer, generated, batch)
        trainer.update_generator(self.weighted(losses, nearest=self.config.perceptual_weight))
        return {name: loss.detach() for name, loss in (first | losses).items()}

    def _update_discriminator(self, trainer: "Trainer") -> Tensor:
        batch, other = trainer.draw_batch(), trainer.draw_batch()
        with torch.no_grad():
            generated, inputs = trainer.generate(other)
        network = trainer.discriminators["pair"]
        real = network(seen(batch.target_image, trainer.prepare(batch))).float().sigmoid()
        fake = network(seen(generated, inputs)).float().sigmoid()
        loss = -(real + LEAST).log().mean() - (1 - fake + LEAST).log().mean()
        trainer.update_discriminator("pair", loss)
        return loss

    def _nearest(self, trainer: "Trainer", generated: Tensor, batch: "Batch") -> Tensor:
        kind = "none" if trainer.perceptual is None else trainer.perceptual.kind
        window = int(self.config.method["window"])
        if trainer.perceptual is None:
            return SCALES[kind] * nearest_neighbour_loss(generated, batch.target_image, window)
        with trainer.fabric.autocast():
            with torch.no_grad():
                target = trainer.perceptual.features(batch.target_image)
            features = trainer.perceptual.features(generated)
        return SCALES[kind] * nearest_neighbour_loss(features, target, window)


def seen(image: Tensor, inputs: "DeformInputs") -> Tensor:
    """What the discriminator sees, padded as the generator's input: B x 42 x H x W."""
    height, width = inputs.target_heatmaps.shape[2:]
    return torch.cat((inputs.condition, pad(image, (height, width)), inputs.target_heatmaps), dim=1)


def nearest_neighbour_loss(generated: Tensor, target: Tensor, window: int) -> Tensor:
    """The mean over pixels of the smallest sum of absolute differences to a target pixel in the window around it.

    Args:
        generated: B x C x H x W features.
        target: the same; gets no gradient.
        window: odd number of pixels.
    """
    height, width = generated.shape[2:]
    padded = F.pad(target.detach(), [window // 2] * 4, value=FAR)
    shifts = [(y, x) for y in range(window) for x in range(window)]
    with torch.no_grad():
        distances = torch.stack(
            [
                (padded[:, :, y : y + height, x : x + width] - generated).abs().sum(1, dtype=torch.float32)
                for y, x in shifts
            ]
        )
        best = distances.argmin(0)
    nearest = torch.zeros_like(target)
    for number, (y, x) in enumerate(shifts):
        chosen = (best == number)[:, None]
        nearest = torch.where(chosen, padded[:, :, y : y + height, x : x + width], nearest)
    return (nearest - generated).abs().sum(1, dtype=torch.float32).mean()


class DeformDiscriminator(nn.Module):
    """Scores of patches, as logits: 3 x 1 of 128 x 64 pixels."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(42, width, 4, 2)]
        for channels in (width, 2 * width, 4 * width):
            layers += [nn.LeakyReLU(0.2), nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False), ImageNorm()]
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Conv2d(8 * width, 1, 4, 2, 1, bias=False))
        self.apply(glorot)

    def forward(self, x: Tensor) -> Tensor:
        """B x 42 x H x W -> logits, B x 1 x h x w."""
        return self.layers(x)
