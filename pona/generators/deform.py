"""Deform: skip connections that move each body part (Siarohin et al., Deformable GANs, CVPR 2018).

The "full" model: masks, maximum over the parts, nearest-neighbour loss. Where paper and code differ, the code decides.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.errors import PoNAError
from pona.generators.generator import Generator, check_fields
from pona.generators.parts import part_affines, part_masks
from pona.keypoints import JOINTS, render_heatmaps
from pona.layers import HalfDropout, ImageNorm, crop, glorot, pad, pad_keypoints
from pona.objectives.deform import DeformObjective
from pona.train_config import TrainConfig

WARPED = 4  # levels whose features are moved; deeper ones are too coarse
SIGMA = 6.0  # of the heatmaps, pixels
DROPPED = 3  # decoder blocks with dropout, from the deepest


@dataclass(frozen=True)
class DeformConfig:
    """The architecture of a `DeformGenerator`."""

    width: int = 64  # channels of the first level; at most eight times as many
    levels: int = 6  # 6 for Market-1501, 7 for DeepFashion; images are padded with white to multiples of 2^levels

    def __post_init__(self) -> None:
        check_fields(self)
        if self.width < 1 or not WARPED <= self.levels <= 8:
            raise PoNAError(f"width is {self.width} and levels {self.levels}, expected at least 1 and {WARPED} to 8")


_MARKET = TrainConfig(
    architecture="DeformGenerator",
    gan_weight=1.0,
    l1_weight=0.0,
    perceptual_weight=0.01,  # of the nearest-neighbour loss
    batch_size=4,
    iterations=90_000,
    decay=0.0,
    rate_steps=None,
    pool_size=0,
    method={"levels": 6, "window": 3},
)
PRESETS = {
    "market": _MARKET,
    "deepfashion": replace(_MARKET, preset="deepfashion", batch_size=2, method={"levels": 7, "window": 5}),
    # About as many multiply-adds as PoNA's mini. Differences from the paper are for speed, or because the run is short.
    "mini": replace(
        _MARKET,
        preset="mini",
        width=32,
        discriminator_width=16,
        perceptual="optional",
        batch_size=16,
        iterations=4_000,
        decay=0.5,
        dropout=False,
        flip=True,
        ema=0.998,
        half=True,
        validate_every=250,
    ),
}


class DeformInputs(NamedTuple):
    """What Deform works on."""

    condition: Tensor  # B x 21 x H x W: image, -1..1, and heatmaps, 0..1
    target_heatmaps: Tensor  # B x 18 x H x W, 0..1
    sources: tuple[Tensor, ...]  # of each warped level: see `part_sources`
    size: tuple[int, int]  # (height, width) before padding


class DeformGenerator(Generator[DeformConfig]):
    """Generates the person of the condition image in the target pose."""

    method = "Deform"
    config_class = DeformConfig
    size_multiple = 4
    presets = PRESETS
    objective = DeformObjective

    def __init__(self, config: DeformConfig) -> None:
        super().__init__()
        self.config = config
        channels = [min(2**level, 8) * config.width for level in range(config.levels)]
        self.image_encoder = _encoder(3 + len(JOINTS), channels)
        self.pose_encoder = _encoder(len(JOINTS), channels)
        self.decoder = nn.ModuleList()
        previous = 0
        for level in range(config.levels - 1, 0, -1):  # an output has as many channels as both skips it is joined to
            out = min(2 * channels[level - 1], 8 * config.width)
            dropout = HalfDropout() if level >= config.levels - DROPPED else nn.Identity()
            self.decoder.append(
                nn.Sequential(
                    nn.ReLU(),
                    nn.ConvTranspose2d(previous + 2 * channels[level], out, 4, 2, 1, bias=False),
                    ImageNorm(),
                    dropout,
                )
            )
            previous = out
        self.last = nn.Sequential(nn.ReLU(), nn.Conv2d(previous + 2 * channels[0], 3, 3, padding=1), nn.Tanh())
        self.apply(glorot)

    def prepare(self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor) -> DeformInputs:
        """See `Generator.prepare`: padded images, heatmaps, and where each part of the target comes from."""
        height, width = condition_images.shape[2:]
        multiple = 2**self.config.levels
        size = (height + -height % multiple, width + -width % multiple)
        condition, target = (pad_keypoints(k, (height, width), size) for k in (condition_keypoints, target_keypoints))
        image = pad(condition_images, size)
        heatmaps = [render_heatmaps(keypoints, size, SIGMA) for keypoints in (condition, target)]
        sources = part_sources(part_affines(condition, target), part_masks(target, size))
        channels_last = torch.channels_last
        return DeformInputs(
            torch.cat((image, heatmaps[0]), dim=1).contiguous(memory_format=channels_last),
            heatmaps[1].contiguous(memory_format=channels_last),
            sources,
            (height, width),
        )

    def forward(
        self, condition: Tensor, target_heatmaps: Tensor, sources: tuple[Tensor, ...], size: tuple[int, int]
    ) -> Tensor:
        """Generates images, B x 3 x H x W, -1..1; the arguments are the fields of `DeformInputs`."""
        skips = []
        image, pose = condition, target_heatmaps
        for level, (image_block, pose_block) in enumerate(zip(self.image_encoder, self.pose_encoder, strict=True)):
            image, pose = image_block(image), pose_block(pose)
            moved = move_parts(image, sources[level]) if level < len(sources) else image
            skips.append(torch.cat((moved, pose), dim=1))
        x = skips.pop()
        for block in self.decoder:
            x = torch.cat((block(x), skips.pop()), dim=1)
        return crop(self.last(x), size)


def part_sources(affines: Tensor, masks: Tensor) -> tuple[Tensor, ...]:
    """Where the features of each pixel come from, at each warped level.

    Parts overlap little: instead of ten warps there are as many as cover one pixel at most.

    Args:
        affines: B x 10 x 2 x 3, target to condition, in pixels of the image.
        masks: bool, B x 10 x H x W: where each part may lie in the target.

    Returns:
        For each level int64, B x h x w x K: rows of the level's features, `b h w + y w + x`; B h w = outside.
    """
    batch = len(affines)
    sources = []
    for level in range(WARPED):
        step = 2**level
        covered = masks[:, :, ::step, ::step]
        height, width = covered.shape[2:]
        y = torch.arange(height, device=affines.device, dtype=affines.dtype)[:, None].expand(-1, width)
        x = torch.arange(width, device=affines.device, dtype=affines.dtype).expand(height, -1)
        scaled = torch.cat((affines[..., :2], affines[..., 2:] / step), dim=-1)
        points = torch.einsum("bpij,jhw->bpihw", scaled, torch.stack((x, y, torch.ones_like(x))))
        column, row = points.round().clamp(-2, 2**20).long().unbind(dim=2)
        reachable = covered & (column >= 0) & (column < width) & (row >= 0) & (row < height)
        first = torch.arange(batch, device=affines.device)[:, None, None, None] * (height * width)
        index = torch.where(reachable, first + row * width + column, batch * height * width)
        most = int(reachable.sum(1).max())  # parts on one pixel
        sources.append(index.sort(dim=1)[0][:, : max(most, 1)].permute(0, 2, 3, 1).contiguous())
    return tuple(sources)


def move_parts(features: Tensor, sources: Tensor) -> Tensor:
    """B x C x h x w features -> the same shape: at each pixel the largest of those of its parts, and at least 0.

    Args:
        features: of one level.
        sources: of that level, see `part_sources`.
    """
    channels = features.shape[1]
    rows = F.pad(features.permute(0, 2, 3, 1).reshape(-1, channels), (0, 0, 0, 1))  # the last row: zeros, outside
    moved = F.embedding(sources, rows).amax(dim=3)  # B x h x w x C
    return moved.clamp(min=0).permute(0, 3, 1, 2)


def _encoder(in_channels: int, channels: list[int]) -> nn.ModuleList:
    """One module a level; each halves the size but the first."""
    blocks: list[nn.Module] = [nn.Conv2d(in_channels, channels[0], 3, padding=1)]
    for level in range(1, len(channels)):
        norm = ImageNorm() if level < len(channels) - 1 else nn.Identity()
        convolution = nn.Conv2d(channels[level - 1], channels[level], 4, 2, 1, bias=False)
        blocks.append(nn.Sequential(nn.LeakyReLU(0.2), convolution, norm))
    return nn.ModuleList(blocks)
