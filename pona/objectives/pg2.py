"""The training of PG2: first the coarse image, then the refinement against a discriminator."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.layers import pad
from pona.losses import adversarial_loss
from pona.objectives.objective import Objective

if TYPE_CHECKING:
    from pona.data import Batch
    from pona.generators.pg2 import PG2Generator
    from pona.trainer import Trainer

RADIUS = 4  # pixels
SPACING = 4  # pixels between the discs of a limb, at least
CLOSING = 5  # pixels
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (1, 16), (1, 17), (8, 11), (11, 5), (8, 2), (16, 17),
)  # fmt: skip
EVEN_START = 0.02 * 3**0.5  # bound of the discriminator's first weights


class PG2Objective(Objective):
    """Ma et al., NIPS 2017, as in its code: the discriminator sees images alone, without poses.

    Stage 1 trains the coarse network by L1, counted twice on the person. In stage 2 it stays as it is; the refinement
    and the discriminator take turns, on a batch each. Which share of the run the first stage takes is `first_stage` in
    the configuration's `method`.
    """

    updates_all_weights = False

    def discriminators(self, generator: "PG2Generator") -> dict[str, nn.Module]:  # type: ignore[override]
        """`image`."""
        if not self.config.gan_weight:
            return {}
        config = generator.config
        return {"image": PG2Discriminator(self.config.discriminator_width, config.levels - 1, config.padded)}

    def step(self, trainer: "Trainer") -> dict[str, Tensor]:
        """See `Objective.step`."""
        first_stage = trainer.fraction < self.config.method["first_stage"]
        batch = trainer.draw_batch()
        generated, _ = trainer.generate(batch, first_stage=first_stage)
        losses = {"l1": F.l1_loss(generated, batch.target_image)}
        losses["person"] = self._on_person(generated, batch)
        if not first_stage and trainer.discriminators:
            with trainer.fabric.autocast():
                losses["gan"] = adversarial_loss(trainer.judge("image", generated), True)
        losses |= self.identity_loss(trainer, generated, batch)
        weight = 1.0 if first_stage else self.config.l1_weight
        trainer.update_generator(self.weighted(losses, l1=weight, person=weight))
        if not first_stage and trainer.discriminators:
            losses["discriminator_image"] = self._update_discriminator(trainer)
        return {name: loss.detach() for name, loss in losses.items()}

    def _update_discriminator(self, trainer: "Trainer") -> Tensor:
        """Real, condition and generated images pass together, so that BN sees them as one batch."""
        batch = trainer.draw_batch()
        with torch.no_grad():
            (refined, coarse), _ = trainer.generate(batch, both=True)
            images = [batch.target_image, batch.condition_image, refined]
            if self.config.method["joint_batch"] == 4:
                images.insert(2, coarse)
        scores = trainer.discriminators["image"](torch.cat(images)).chunk(len(images))
        fake = adversarial_loss(scores[1], False) + adversarial_loss(scores[-1], False)
        loss = 0.5 * adversarial_loss(scores[0], True) + 0.25 * fake
        trainer.update_discriminator("image", loss)
        return loss

    def _on_person(self, generated: Tensor, batch: "Batch") -> Tensor:
        size = (generated.shape[2], generated.shape[3])
        mask = person_mask(batch.target_keypoints, size)[:, None]
        return ((generated - batch.target_image).abs() * mask).mean()


def person_mask(keypoints: Tensor, size: tuple[int, int]) -> Tensor:
    """The pixels of a person: discs at both ends of each limb and along it, small holes closed.

    Args:
        keypoints: B x 18 x 2, (x, y) in pixels, NaN = missing.
        size: (height, width) in pixels.

    Returns:
        bool, B x H x W.
    """
    height, width = size
    ends = keypoints[:, torch.tensor(LIMBS, device=keypoints.device)]  # B x L x 2 x 2
    start, end = ends.unbind(dim=2)
    seen = ends.isfinite().all(-1).all(-1)
    start, end = (torch.where(seen[..., None], point, 0.0) for point in (start, end))
    steps = ((end - start).norm(dim=-1) / SPACING).trunc()
    most = int(steps.max()) if steps.numel() else 0
    number = torch.arange(most + 1, device=keypoints.device)
    share = (number / steps.clamp(min=1)[..., None])[..., None]  # B x L x S x 1
    along = start[:, :, None] + share * (end - start)[:, :, None]
    used = seen[..., None] & (number < steps[..., None])
    points = torch.cat((along, end[:, :, None], start[:, :, None]), dim=2).trunc().long()
    used = torch.cat((used, seen[..., None], seen[..., None]), dim=2).flatten(1)
    x, y = points.flatten(1, 2).unbind(-1)
    margin = RADIUS  # a disc may reach into the image from outside
    used = used & (x >= -margin) & (x < width + margin) & (y >= -margin) & (y < height + margin)
    index = torch.where(used, (y + margin) * (width + 2 * margin) + x + margin, 0)
    places = torch.zeros(len(keypoints), (height + 2 * margin) * (width + 2 * margin), device=keypoints.device)
    places.scatter_reduce_(1, index, used.float(), "amax")
    reach = torch.arange(-RADIUS, RADIUS + 1, device=keypoints.device)
    disc = (reach[:, None] ** 2 + reach**2 <= RADIUS**2).float()[None, None]
    mask = F.conv2d(places.view(-1, 1, height + 2 * margin, width + 2 * margin), disc).clamp(max=1)
    closed = -F.max_pool2d(-F.max_pool2d(mask, CLOSING, 1, CLOSING // 2), CLOSING, 1, CLOSING // 2)
    return closed[:, 0] > 0.5


class PG2Discriminator(nn.Module):
    """One logit an image, from four (Market-1501) or five (DeepFashion) halvings; BN by the batch in eval mode too."""

    def __init__(self, width: int, halvings: int, size: tuple[int, int]) -> None:
        super().__init__()
        channels = [3, *(min(2**i, 8) * width for i in range(halvings))]
        layers: list[nn.Module] = []
        for index in range(halvings):
            layers += [nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(channels[index], channels[index + 1], 5, stride=2)]
            if index:
                layers.append(nn.BatchNorm2d(channels[index + 1], track_running_stats=False))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers)
        self.size = size
        self.last = nn.Linear(channels[-1] * (size[0] >> halvings) * (size[1] >> halvings), 1)
        for module in (*self.layers, self.last):
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.uniform_(module.weight, -EVEN_START, EVEN_START)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x H x W -> logits, B x 1; images get the generator's margins."""
        return self.last(self.layers(pad(x, self.size)).flatten(1))
