"""VUnet: shape from a stick figure, appearance from body parts (Esser et al., A variational U-Net, CVPR 2018).

The code of the authors decides where the paper is silent.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.errors import PoNAError
from pona.generators.figures import PARTS, crop_parts, render_stickman
from pona.generators.generator import Generator, check_fields
from pona.layers import WeightNormConv, crop, pad, pad_keypoints
from pona.objectives.vunet import VUnetObjective
from pona.train_config import TrainConfig

SCALES = 7  # of the shape's networks, at most
LATENTS = 2  # the deepest scales of the decoder have one each
CROP = 64  # pixels: side of a part's crop, in images of at least that side
DROPPED = 0.1


@dataclass(frozen=True)
class VUnetConfig:
    """The architecture of a `VUnetGenerator`."""

    width: int = 32  # channels of the first scale
    most: int = 128  # channels, at most; also of the latent variables
    size: tuple[int, int] = (128, 64)  # height and width of the images in pixels

    def __post_init__(self) -> None:
        check_fields(self)
        if self.width < 1 or self.most < self.width:
            raise PoNAError(f"width is {self.width} and most {self.most}, expected at least 1, and at least as many")
        if self.side & (self.side - 1) or self.side < 16:
            raise PoNAError(
                f"images have {self.size[0]} x {self.size[1]} pixels (height x width), expected a longer side of 16, "
                "32, 64, ...: VUnet halves a square until few places are left"
            )

    @property
    def side(self) -> int:
        """Of the square that the network works on, in pixels."""
        return max(self.size)

    @property
    def scales(self) -> int:
        """Of the shape's networks."""
        return min(SCALES, int(math.log2(self.side)))

    @property
    def box(self) -> int:
        """How often the square is halved to the size of a crop."""
        return max(0, int(math.log2(self.side / CROP)))

    @property
    def stretched(self) -> bool:
        """Whether images are stretched to the square, as those of Market-1501, or padded with white."""
        return 2 * self.size[1] <= self.size[0]


_MARKET = TrainConfig(
    architecture="VUnetGenerator",
    width=32,
    gan_weight=0.0,
    l1_weight=637.5,  # 5 for colours 0..255
    perceptual_weight=5.0,
    batch_size=16,
    iterations=100_000,
    decay=0.99,
    rate_steps=None,
    learning_rate=1e-3,
    beta2=0.9,
    pool_size=0,
    dropout=True,
    method={"most": 128, "kl_from": 0.5, "kl_to": 0.75},
)
PRESETS = {
    "market": _MARKET,
    "deepfashion": replace(_MARKET, preset="deepfashion", batch_size=8),
    # About as many multiply-adds as PoNA's mini. Differences from the paper are for speed, or because the run is short.
    "mini": replace(
        _MARKET,
        preset="mini",
        width=24,
        perceptual="optional",
        iterations=4_000,
        decay=0.5,
        dropout=False,
        flip=True,
        ema=0.998,
        half=True,
        validate_every=250,
        method={"most": 96, "kl_from": 0.5, "kl_to": 0.75},
    ),
}


class VUnetInputs(NamedTuple):
    """What VUnet works on; S = side of the square, w = side of a crop."""

    stickman: Tensor  # B x 3 x S x S, -1..1, of the target
    crops: Tensor  # B x 24 x w x w, -1..1, of the condition image; a missing part is 0


class VUnetGenerator(Generator[VUnetConfig]):
    """Generates the person of the condition image in the target pose, for images of one size.

    It is trained on single images, and sees the background in the crops only.
    """

    method = "VUnet"
    config_class = VUnetConfig
    size_multiple = 4
    presets = PRESETS
    objective = VUnetObjective

    def __init__(self, config: VUnetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [min(config.width * 2**scale, config.most) for scale in range(config.scales)]
        parts = [min(2**config.box * config.width * 2**scale, config.most) for scale in range(len(widths) - config.box)]
        self.shape_encoder = Encoder(3, widths)
        self.appearance_encoder = Encoder(3 * PARTS, parts)
        self.appearance_decoder = AppearanceDecoder(parts, config.most)
        self.shape_decoder = ShapeDecoder(widths, config.most)

    def prepare(self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor) -> VUnetInputs:
        """See `Generator.prepare`: the target's stick figure, and the condition image's parts."""
        side = self.config.side
        image = to_square(condition_images, self.config)
        condition, target = (points_to_square(k, self.config) for k in (condition_keypoints, target_keypoints))
        stickman = render_stickman(target, side) * 2 - 1
        crops = crop_parts(image, condition, side >> self.config.box)
        return VUnetInputs(*(x.contiguous(memory_format=torch.channels_last) for x in (stickman, crops)))

    def forward(self, stickman: Tensor, crops: Tensor, everything: bool = False) -> Any:
        """Generates images, B x 3 x H x W; within -1..1 in eval mode only.

        Args:
            stickman: a field of `VUnetInputs`.
            crops: another.
            everything: for training, which draws latent variables: also the means that the crops give them, and those
                that the shape expects, two lists of B x C x h x w.
        """
        means = self.appearance_decoder(self.appearance_encoder(crops), everything)
        image, expected = self.shape_decoder(self.shape_encoder(stickman), means[1], everything)
        image = from_square(image, self.config)
        if everything:
            return image, means[0], expected
        return image if self.training else image.clamp(-1, 1)


class Residual(nn.Module):
    """x + conv(elu(x)), or with another input a: x + conv(elu(x, conv1x1(elu(a))))."""

    def __init__(self, channels: int, side_channels: int = 0) -> None:
        super().__init__()
        self.side = WeightNormConv(side_channels, channels, 1) if side_channels else None
        self.convolution = WeightNormConv((2 if side_channels else 1) * channels, channels)
        self.dropout = nn.Dropout(DROPPED)

    def forward(self, x: Tensor, a: Tensor | None = None) -> Tensor:
        """B x C x H x W, and B x side channels x H x W -> B x C x H x W."""
        inside = x if self.side is None or a is None else torch.cat((x, self.side(elu(a))), dim=1)
        return x + self.convolution(self.dropout(elu(inside)))


class Encoder(nn.Module):
    """Two residual blocks a scale, all of whose outputs are kept."""

    def __init__(self, channels: int, widths: list[int]) -> None:
        super().__init__()
        self.first = WeightNormConv(channels, widths[0], 1)
        self.blocks = nn.ModuleList(Residual(width) for width in widths for _ in range(2))
        self.down = nn.ModuleList(WeightNormConv(width, after, stride=2) for width, after in pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        """B x channels x S x S -> the outputs of the blocks, two a scale."""
        x = self.first(x)
        kept = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            kept.append(x)
            if index % 2 and index // 2 < len(self.down):
                x = self.down[index // 2](x)
        return kept


class Up(nn.Module):
    """Twice the size, by a convolution to four times the channels."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = WeightNormConv(channels, 4 * out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> B x C' x 2H x 2W."""
        return depth_to_space(self.convolution(x))


class AppearanceDecoder(nn.Module):
    """The latent variables of a condition image."""

    def __init__(self, widths: list[int], latent: int) -> None:
        super().__init__()
        width = widths[-1]
        self.first = WeightNormConv(width, width, 1)
        self.before = nn.ModuleList(Residual(width, widths[-1 - scale]) for scale in range(LATENTS))
        self.mean = nn.ModuleList(WeightNormConv(width, latent) for _ in range(LATENTS))
        self.after = nn.ModuleList(Residual(width, widths[-1 - scale] + latent) for scale in range(LATENTS - 1))
        self.up = nn.ModuleList(Up(width, width) for _ in range(LATENTS - 1))

    def forward(self, skips: list[Tensor], noisy: bool) -> tuple[list[Tensor], list[Tensor]]:
        """Outputs of the encoder -> means, and draws around them if `noisy` (else the means again), deepest first."""
        skips = list(skips)
        h = self.first(skips[-1])
        means: list[Tensor] = []
        drawn: list[Tensor] = []
        for scale in range(LATENTS):
            h = self.before[scale](h, skips.pop())
            means.append(self.mean[scale](h))
            drawn.append(means[-1] + torch.randn_like(means[-1]) if noisy else means[-1])
            if scale < LATENTS - 1:
                h = self.up[scale](self.after[scale](h, torch.cat((skips.pop(), drawn[-1]), dim=1)))
        return means, drawn


class ShapeDecoder(nn.Module):
    """From shape and latent variables to the image; and what the shape alone lets expect of them."""

    def __init__(self, widths: list[int], latent: int) -> None:
        super().__init__()
        falling = widths[::-1]
        self.first = WeightNormConv(falling[0], falling[0], 1)
        self.before = nn.ModuleList(Residual(width, width) for width in falling)
        self.priors = nn.ModuleList(Prior(width, latent) for width in falling[:LATENTS])
        self.join = nn.ModuleList(
            WeightNormConv(falling[scale] + latent, falling[scale], 1) for scale in range(LATENTS)
        )
        self.after = nn.ModuleList(Residual(width, width) for width in falling)
        self.up = nn.ModuleList(Up(width, below) for width, below in pairwise(falling))
        self.last = WeightNormConv(falling[-1], 3)

    def forward(self, skips: list[Tensor], latents: list[Tensor], expect: bool) -> tuple[Tensor, list[Tensor]]:
        """Outputs of the encoder and latent variables -> B x 3 x S x S, and if `expect` the expected means."""
        skips = list(skips)
        h = self.first(skips[-1])
        expected = []
        for scale in range(len(self.before)):
            h = self.before[scale](h, skips.pop())
            if scale < LATENTS:
                if expect:
                    expected.append(self.priors[scale](h, latents[scale]))
                h = self.join[scale](torch.cat((h, latents[scale]), dim=1))
            h = self.after[scale](h, skips.pop())
            if scale < len(self.up):
                h = self.up[scale](h)
        return self.last(h), expected


class Prior(nn.Module):
    """The mean of a latent variable, given the shape: a quarter of its places after the other."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.block = Residual(width)
        self.means = nn.ModuleList(WeightNormConv(4 * width, latent) for _ in range(4))
        self.blocks = nn.ModuleList(Residual(4 * width, latent) for _ in range(3))

    def forward(self, h: Tensor, latent: Tensor) -> Tensor:
        """B x C x H x W, and the latent variable B x C' x H x W -> its mean, B x C' x H x W."""
        e = space_to_depth(self.block(h))
        known = space_to_depth(latent).chunk(4, dim=1)
        means = []
        for index, mean in enumerate(self.means):
            means.append(mean(e))
            if index < len(self.blocks):
                e = self.blocks[index](e, known[index])
        return depth_to_space(torch.cat(means, dim=1))


def elu(x: Tensor) -> Tensor:
    """x where it is positive, else exp(x) - 1: torch's own takes ten times as long on a CPU in bf16.

    At 0 itself it has the gradient 0.
    """
    return x.relu() + x.clamp(max=0).exp() - 1


def depth_to_space(x: Tensor) -> Tensor:
    """B x 4C x H x W -> B x C x 2H x 2W; channels in TensorFlow's order: row, column, channel."""
    batch, channels, height, width = x.shape
    x = x.view(batch, 2, 2, channels // 4, height, width)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(batch, channels // 4, 2 * height, 2 * width)


def space_to_depth(x: Tensor) -> Tensor:
    """B x C x 2H x 2W -> B x 4C x H x W; the reverse of `depth_to_space`."""
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, height // 2, 2, width // 2, 2)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(batch, 4 * channels, height // 2, width // 2)


def to_square(images: Tensor, config: VUnetConfig) -> Tensor:
    """B x 3 x H x W -> B x 3 x S x S."""
    if config.stretched:
        return F.interpolate(images, size=(config.side, config.side), mode="bilinear", antialias=True)
    return pad(images, (config.side, config.side))


def from_square(images: Tensor, config: VUnetConfig) -> Tensor:
    """B x 3 x S x S -> B x 3 x H x W."""
    if config.stretched:
        return F.interpolate(images.float(), size=config.size, mode="bilinear", antialias=True)
    return crop(images, config.size)


def points_to_square(keypoints: Tensor, config: VUnetConfig) -> Tensor:
    """Keypoints in pixels of the image -> in pixels of the square."""
    height, width = config.size
    if config.stretched:
        return keypoints * torch.tensor([config.side / width, config.side / height], device=keypoints.device)
    return pad_keypoints(keypoints, config.size, (config.side, config.side))
