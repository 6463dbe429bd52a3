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


def pad_keypoints(keypoints: Tensor, before: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """... x 18 x 2 pixels of images of one (height, width) -> pixels of the same images after `pad` to a size."""
    shift = [(size[1] - before[1]) // 2, (size[0] - before[0]) // 2]
    return keypoints + torch.tensor(shift, device=keypoints.device)


def crop(images: Tensor, size: tuple[int, int]) -> Tensor:
    """B x C x H x W -> B x C x h x w: the middle, as `pad` put it there."""
    top, left = (images.shape[2] - size[0]) // 2, (images.shape[3] - size[1]) // 2
    return images[:, :, top : top + size[0], left : left + size[1]]


class ImageNorm(nn.Module):
    """Normalises each image over channels, height and width, with one weight and one bias for all channels.

    It is keras-contrib's InstanceNormalization with axis=None, which the authors use: the deviation is the biased one,
    and epsilon is added to it and not to the variance.
    """

    epsilon = 1e-3

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> the same."""
        centred = x.float() - x.float().mean((1, 2, 3), keepdim=True)
        deviation = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
        return (centred / (deviation + self.epsilon) * self.weight + self.bias).to(x.dtype)


def glorot(module: nn.Module) -> None:
    """Keras's first weights, which Deform has: Glorot uniform, biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class WeightNormConv(nn.Module):
    """A convolution whose weights have a length of their own (Salimans and Kingma, 2016), padded as TensorFlow's SAME.

    While `measuring` it sets gain and bias so that its output has mean 0 and deviation 1 in each channel.
    """

    measuring = False

    def __init__(self, channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.empty(out_channels, channels, kernel, kernel).normal_(0.0, 0.05))
        self.gain = nn.Parameter(torch.ones(out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.stride = stride
        # On even sides a stride of 2 pads after, and not before.
        self.padding = [0, 1, 0, 1] if stride == 2 else [kernel // 2] * 4

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W -> B x out_channels x H/stride x W/stride."""
        direction = self.direction / self.direction.flatten(1).norm(dim=1)[:, None, None, None]
        x = F.pad(x, self.padding)
        if self.measuring:
            plain = F.conv2d(x, direction, stride=self.stride).float()
            variance, mean = torch.var_mean(plain, dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                self.gain.copy_((variance + 1e-10).rsqrt())
                self.bias.copy_(-mean * self.gain)
        return F.conv2d(x, direction * self.gain[:, None, None, None], self.bias, stride=self.stride)
