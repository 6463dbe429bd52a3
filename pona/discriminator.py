"""The two discriminators of PoNA: does the image show the same person, and does it show the target pose."""

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pona.attention import SelfAttention
from pona.errors import PoNAError
from pona.layers import HalfDropout, initialise, norm_layer

APPEARANCE_CHANNELS = 3 + 3  # image and condition image
POSE_CHANNELS = 3 + 18  # image and target heatmaps
RESIDUAL_BLOCKS = 3


class Discriminator(nn.Module):
    """A ResNet discriminator (section III-D); the score is a map of 4 x width channels, without a one-channel head.

    The score is a logit: the sigmoid under BCE lies in the loss, where it is stable, and LSGAN uses none.

    Args:
        in_channels: 6 for the appearance discriminator, 21 for the pose discriminator.
        width: channels after the first convolution.
        norm: "batch" (Market-1501), "instance" (DeepFashion) or "none". Real and generated images pass in batches of
            their own, so BN takes away just that difference of means which tells them apart, and such a discriminator
            learns slowly: too slowly for a short run, where spectral norm alone does better.
        variant: "code" = as the authors published it: spectral norm and ReLU; "paper" = as the paper words it:
            LeakyReLU 0.2, and self-attention after every residual block (our reading: its place is not given).
    """

    def __init__(self, in_channels: int, width: int = 64, norm: str = "batch", variant: str = "code") -> None:
        super().__init__()
        if variant not in ("code", "paper"):
            raise PoNAError(f"discriminator variant is {variant!r}, expected 'code' or 'paper'")
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, width, 7, bias=False)]
        layers += [norm_layer(norm, width), _activation(variant)]
        for channels in (width, 2 * width):
            layers.append(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False))
            layers += [norm_layer(norm, 2 * channels), _activation(variant)]
        for _ in range(RESIDUAL_BLOCKS):
            layers.append(ResidualBlock(4 * width, norm, variant))
            if variant == "paper":
                layers.append(SelfAttention(4 * width))
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)
        if variant == "code":
            for module in [m for m in self.modules() if isinstance(m, nn.Conv2d)]:
                spectral_norm(module)

    def forward(self, x: Tensor) -> Tensor:
        """B x in_channels x H x W -> logits, B x 4 width x H/4 x W/4."""
        return self.layers(x)


class ResidualBlock(nn.Module):
    """Two reflection-padded 3 x 3 convolutions with norm, dropout 0.5 between, added to the input."""

    def __init__(self, channels: int, norm: str, variant: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            norm_layer(norm, channels),
            _activation(variant),
            HalfDropout(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            norm_layer(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> B x C x H x W."""
        return x + self.layers(x)


def _activation(variant: str) -> nn.Module:
    return nn.ReLU(inplace=True) if variant == "code" else nn.LeakyReLU(0.2, inplace=True)
