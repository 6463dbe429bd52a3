"""PG2: a coarse image first, then what is missing in it (Ma et al., Pose guided person image generation, NIPS 2017)."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.errors import PoNAError
from pona.generators.generator import Generator, check_fields
from pona.keypoints import JOINTS
from pona.layers import crop, pad, pad_keypoints
from pona.objectives.pg2 import PG2Objective
from pona.train_config import TrainConfig

RADIUS = 4.0  # pixels: of the discs that show the pose
CODE = 64  # numbers between encoder and decoder of the first stage


@dataclass(frozen=True)
class PG2Config:
    """The architecture of a `PG2Generator`."""

    width: int = 128  # channels of the first level; level i of the first stage has i + 1 times as many
    levels: int = 5  # of the first stage: 5 for Market-1501, 6 for DeepFashion; the second has two less
    size: tuple[int, int] = (128, 64)  # height and width of the images in pixels: a linear layer sees all places
    first_skip: bool = False  # of the second stage: at full size too (DeepFashion)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.width < 1 or self.levels < 3:
            raise PoNAError(f"width is {self.width} and levels {self.levels}, expected at least 1 and 3")

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width that the levels can halve; images get white margins."""
        multiple = 2 ** (self.levels + 2)  # 256 x 176 becomes a square with six levels
        if min(self.size) % 2 ** (self.levels - 1) == 0:
            multiple = 2 ** (self.levels - 1)
        height, width = (-(-side // multiple) * multiple for side in self.size)
        return height, width


_MARKET = TrainConfig(
    architecture="PG2Generator",
    width=128,
    gan_weight=1.0,
    l1_weight=10.0,  # of both parts of the masked L1 in the second stage
    perceptual="none",
    perceptual_weight=0.0,
    batch_size=16,
    iterations=60_000,
    decay=0.0,
    rate_steps=None,
    learning_rate=2e-5,
    pool_size=0,
    flip=True,
    method={"levels": 5, "first_stage": 22 / 60, "first_skip": False, "joint_batch": 4},
)
PRESETS = {
    "market": _MARKET,
    "deepfashion": replace(
        _MARKET,
        preset="deepfashion",
        l1_weight=50.0,
        batch_size=2,  # the authors' is 1
        iterations=80_000,
        method={"levels": 6, "first_stage": 22 / 80, "first_skip": True, "joint_batch": 3},
    ),
    # About as many multiply-adds as PoNA's mini. Differences from the paper are for speed, or because the run is short.
    "mini": replace(
        _MARKET,
        preset="mini",
        width=32,
        discriminator_width=16,
        iterations=4_000,
        decay=0.5,
        learning_rate=1e-4,  # at the paper's a short run moves little
        ema=0.998,
        half=True,
        validate_every=250,
        method={"levels": 5, "first_stage": 0.6, "first_skip": False, "joint_batch": 4},
    ),
}


class PG2Inputs(NamedTuple):
    """What PG2 works on."""

    condition_image: Tensor  # B x 3 x H x W, padded, -1..1
    target_discs: Tensor  # B x 18 x H x W, -1 and 1


class PG2Generator(Generator[PG2Config]):
    """Generates the person of the condition image in the target pose, for images of one size."""

    method = "PG2"
    config_class = PG2Config
    size_multiple = 4
    presets = PRESETS
    objective = PG2Objective

    def __init__(self, config: PG2Config) -> None:
        super().__init__()
        self.config = config
        self.coarse = CoarseNetwork(config)
        self.refine = RefineNetwork(config)
        self.apply(initialise)

    def prepare(self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor) -> PG2Inputs:
        """See `Generator.prepare`: the padded image, and discs of the target pose."""
        size = self.config.padded
        image = pad(condition_images, size)
        discs = render_discs(pad_keypoints(target_keypoints, self.config.size, size), size)
        return PG2Inputs(
            image.contiguous(memory_format=torch.channels_last), discs.contiguous(memory_format=torch.channels_last)
        )

    def forward(
        self, condition_image: Tensor, target_discs: Tensor, first_stage: bool = False, both: bool = False
    ) -> Any:
        """Generates images, B x 3 x H x W; within -1..1 in eval mode only.

        Args:
            condition_image: a field of `PG2Inputs`.
            target_discs: another.
            first_stage: return the coarse image; else its network gets no gradient.
            both: return the refined image and the coarse one.
        """
        with torch.set_grad_enabled(first_stage and torch.is_grad_enabled()):
            coarse = self.coarse(torch.cat((condition_image, target_discs), dim=1))
        image = coarse if first_stage else coarse + self.refine(torch.cat((coarse, condition_image), dim=1))
        images = [crop(one, self.config.size) for one in ((image, coarse) if both else (image,))]
        images = images if self.training else [one.clamp(-1, 1) for one in images]
        return images if both else images[0]


class CoarseNetwork(nn.Module):
    """G1: a U-Net with a linear layer at the bottom."""

    def __init__(self, config: PG2Config) -> None:
        super().__init__()
        width, levels = config.width, config.levels
        self.bottom = tuple(side >> (levels - 1) for side in config.padded)
        places = self.bottom[0] * self.bottom[1]
        self.first = nn.Conv2d(3 + len(JOINTS), width, 3, padding=1)
        self.down = nn.ModuleList(_two_convolutions((i + 1) * width, (i + 1) * width) for i in range(levels))
        self.halve = nn.ModuleList(_halving((i + 1) * width, (i + 2) * width) for i in range(levels - 1))
        self.encode = nn.Linear(places * levels * width, CODE)
        self.decode = nn.Linear(CODE, places * width)
        ins = [width, *((levels - 1 - i) * width for i in range(levels - 1))]  # of each decoder level, without the skip
        wide = [into + (levels - i) * width for i, into in enumerate(ins)]
        self.up = nn.ModuleList(_two_convolutions(channels, channels) for channels in wide)
        self.reduce = nn.ModuleList(nn.Conv2d(wide[i], ins[i + 1], 1) for i in range(levels - 1))
        self.last = nn.Conv2d(wide[-1], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """B x 21 x H x W -> B x 3 x H x W."""
        x = self.first(x).relu()
        skips = []
        for level, convolutions in enumerate(self.down):
            x = x + convolutions(x)
            skips.append(x)
            if level < len(self.halve):
                x = self.halve[level](x)
        x = self.decode(self.encode(x.permute(0, 2, 3, 1).flatten(1)))
        x = x.view(len(x), *self.bottom, -1).permute(0, 3, 1, 2)
        for level, convolutions in enumerate(self.up):
            x = torch.cat((x, skips.pop()), dim=1)
            x = x + convolutions(x)
            if level < len(self.reduce):
                x = self.reduce[level](F.interpolate(x, scale_factor=2.0)).relu()
        return self.last(x)


class RefineNetwork(nn.Module):
    """G2: a U-Net without a code; its output is added to the coarse image."""

    def __init__(self, config: PG2Config) -> None:
        super().__init__()
        width, levels = config.width, config.levels - 2
        self.skips = [level > 0 or config.first_skip for level in range(levels)]
        self.first = nn.Conv2d(6, width, 3, padding=1)
        wide = [(level + 1) * width for level in range(levels)]
        self.down = nn.ModuleList(map(_two_convolutions, [width, *wide], wide))
        self.halve = nn.ModuleList(_halving(channels, channels) for channels in wide[:-1])
        below = [width] * (levels - 1) + [wide[-1]]  # channels from the level below, from the first level on
        ins = [low + skip * channels for low, skip, channels in zip(below, self.skips, wide, strict=True)]
        self.up = nn.ModuleList(_two_convolutions(channels, width) for channels in reversed(ins))
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """B x 6 x H x W -> B x 3 x H x W."""
        x = self.first(x).relu()
        skips = []
        for level, convolutions in enumerate(self.down):
            x = convolutions(x)
            skips.append(x)
            if level < len(self.halve):
                x = self.halve[level](x)
        for level, convolutions in enumerate(self.up):
            skip = skips.pop()
            x = convolutions(torch.cat((x, skip), dim=1) if self.skips[len(skips)] else x)
            if level < len(self.halve):
                x = F.interpolate(x, scale_factor=2.0)
        return self.last(x)


def render_discs(keypoints: Tensor, size: tuple[int, int]) -> Tensor:
    """A solid disc for each joint, with a radius of 4 pixels around whole pixels.

    Args:
        keypoints: B x 18 x 2, (x, y) in pixels, NaN = missing.
        size: (height, width) in pixels.

    Returns:
        B x 18 x H x W: 1 in the disc, -1 elsewhere.
    """
    y = torch.arange(size[0], device=keypoints.device)[:, None]
    x = torch.arange(size[1], device=keypoints.device)
    centre = keypoints.trunc()[..., None, None]
    inside = (x - centre[:, :, 0]).square() + (y - centre[:, :, 1]).square() <= RADIUS**2  # NaN: nowhere
    return inside.float() * 2 - 1


def initialise(module: nn.Module) -> None:
    """The authors' first weights: Xavier uniform, biases 0."""
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def _two_convolutions(channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(),
    )


def _halving(channels: int, out_channels: int) -> nn.Sequential:
    """A 3 x 3 convolution with stride 2, padded as TensorFlow's SAME: after, not before."""
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(channels, out_channels, 3, stride=2), nn.ReLU())
