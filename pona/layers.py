"""Layers of the generator and the discriminators, and their first weights."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WHITE = 1.0  # of images -1..1


class HalfDropout(nn.Module):
    """Dropout with probability 0.5.

    On a CPU torch draws a random number per element in one thread, which takes a fifth of a training step of a small
    generator. For a half, one byte of a random 64-bit number decides an element.
    """

    enabled = True  # a short training of the generator switches it off

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> B x C x H x W."""
        if not (self.training and self.enabled):
            return x
        if x.device.type != "cpu":
            return F.dropout(x, 0.5)
        batch, channels, height, width = x.shape
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.int8)[: x.numel()] < 0
        scale = kept.to(x.dtype).mul_(2).view(batch, height, width, channels)  # channels last, as x
        return x * scale.permute(0, 3, 1, 2)


def norm_layer(norm: str, channels: int) -> nn.Module:
    """BN with weights for "batch", IN without weights or running statistics for "instance", nothing for "none"."""
    if norm == "none":
        return nn.Identity()
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.InstanceNorm2d(channels)


def initialise(module: nn.Module) -> None:
    """The authors' first weights of a generator: convolutions N(0, 0.02), BN weights N(1, 0.02), BN biases 0.

    Biases of convolutions keep torch's default. The authors do not initialise their discriminators.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def zero_biases(module: nn.Module) -> None:
    """Sets the bias of a convolution to 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


def pad(images: Tensor, size: tuple[int, int]) -> Tensor:
    """B x C x h x w -> B x C x H x W of a larger size, with white on both sides."""
    down, right = size[0] - images.shape[2], size[1] - images.shape[3]
    return F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2), value=WHITE)


def crop(images: Tensor, size: tuple[int, int]) -> Tensor:
    """B x C x H x W -> B x C x h x w: the middle, as `pad` put it there."""
    top, left = (images.shape[2] - size[0]) // 2, (images.shape[3] - size[1]) // 2
    return images[:, :, top : top + size[0], left : left + size[1]]
