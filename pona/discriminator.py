"""The two discriminators of PoNA: does the image show the same person, and does it show the target pose."""

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pona.attention import SelfAttention
from pona.errors import PoNAError
from pona.layers import HalfDropout, initialise, norm_layer, zero_biases

APPEARANCE_CHANNELS = 3 + 3  # image and condition image
POSE_CHANNELS = 3 + 18  # image and target heatmaps
RESIDUAL_BLOCKS = 3
VARIANTS = ("code", "paper", "plain")


class Discriminator(nn.Module):
    """A ResNet discriminator (section III-D); the score is a map of 4 x width channels, without a one-channel head.

    The score is a logit: the sigmoid under BCE is part of the loss, where it is stable, and LSGAN uses none.

    Args:
        in_channels: 6 for the appearance discriminator, 21 for the pose discriminator.
        width: channels after the first convolution.
        norm: "batch" (Market-1501), "instance" (DeepFashion) or "none". Real and generated images pass in separate
            batches, and BN removes the difference of means that tells them apart. Such a discriminator learns too
            slowly for a short run, where spectral norm alone does better. Convolutions have biases under "instance"
            only, as in the authors' code.
        variant: "code" = as PoNA's authors published it: spectral norm and ReLU; "paper" = as their paper describes it:
            LeakyReLU 0.2, and self-attention after every residual block (our reading: its position is not given);
            "plain" = PATN's: ReLU alone.
        initialisation: "code" = torch's default, as in the authors' code; "normal" = as the generator's, with biases 0.
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 64,
        norm: str = "batch",
        variant: str = "code",
        initialisation: str = "code",
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise PoNAError(f"discriminator variant is {variant!r}, expected one of {', '.join(VARIANTS)}")
        if initialisation not in ("code", "normal"):
            raise PoNAError(f"initialisation is {initialisation!r}, expected 'code' or 'normal'")
        bias = norm == "instance"
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, width, 7, bias=bias)]
        layers += [norm_layer(norm, width), _activation(variant)]
        for channels in (width, 2 * width):
            layers.append(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=bias))
            layers += [norm_layer(norm, 2 * channels), _activation(variant)]
        for _ in range(RESIDUAL_BLOCKS):
            layers.append(ResidualBlock(4 * width, norm, variant))
            if variant == "paper":
                layers.append(SelfAttention(4 * width))
        self.layers = nn.Sequential(*layers)
        if initialisation == "normal":
            self.apply(initialise).apply(zero_biases)
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
        bias = norm == "instance"
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels),
            _activation(variant),
            HalfDropout(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> B x C x H x W."""
        return x + self.layers(x)


def _activation(variant: str) -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True) if variant == "paper" else nn.ReLU(inplace=True)
