"""LWG-2D: liquid warping (Liu et al., ICCV 2019) with flow from 18 joints in place of a mesh of the body.

LWG takes flow and maps from SMPL, whose licence rules it out here. Networks and counts are LWG's; flow and maps come
from ten body parts. Its figures are not those of LWG.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.errors import PoNAError
from pona.generators.generator import Generator, check_fields
from pona.generators.parts import HEAD, LONGER, NOWHERE, limb_quads, part_affines, torso_length
from pona.layers import crop, pad, pad_keypoints
from pona.objectives.lwg2d import LWG2DObjective
from pona.train_config import TrainConfig

HALVINGS = 3
TORSO_CORNERS = (2, 5, 11, 8)
GROWN = 1.2  # the torso's quadrilateral, about its centre
ORDER = (0, 2, 3, 4, 5, 1, 6, 7, 8, 9)  # later parts cover earlier ones: torso, thighs, shins, head, arms, forearms
OUTSIDE = -2.0  # in the flow: no source
SLACK = 1e-6  # of rounding
ERODED, ERODED_WIDE = 3, 7  # pixels by which the background shrinks: LWG's 3 and 15 are for larger images
BACKGROUND_CHANNELS, PERSON_CHANNELS = 4, 6


@dataclass(frozen=True)
class LWG2DConfig:
    """The architecture of an `LWG2DGenerator`."""

    width: int = 64  # channels after the first convolution
    blocks: int = 6  # residual blocks of each of the three networks

    def __post_init__(self) -> None:
        check_fields(self)
        if self.width < 1 or self.blocks < 1:
            raise PoNAError(f"width is {self.width} and blocks {self.blocks}, expected at least 1")


_MARKET = TrainConfig(
    architecture="LWG2DGenerator",
    blocks=6,
    gan_weight=1.0,
    batch_size=4,
    iterations=90_000,
    decay=25 / 30,
    rate_steps=None,
    pool_size=0,
    method={"mask_weight": 0.1, "smooth_weight": 1e-5},  # LWG's 1 and 1, where the silhouette is a mesh's
)
PRESETS = {
    "market": _MARKET,
    "deepfashion": replace(_MARKET, preset="deepfashion"),
    # About as many multiply-adds as PoNA's mini. Differences from the paper are for speed, or because the run is short.
    "mini": replace(
        _MARKET,
        preset="mini",
        width=24,
        discriminator_width=16,
        perceptual="optional",
        batch_size=16,
        iterations=4_000,
        decay=0.5,
        flip=True,
        ema=0.998,
        half=True,
        validate_every=250,
    ),
}


class LWG2DInputs(NamedTuple):
    """What LWG-2D works on."""

    background: Tensor  # B x 4 x H x W: condition image without the person, and where it is background
    person: Tensor  # B x 6 x H x W: condition image without background, and its map
    warped: Tensor  # B x 6 x H x W: condition image moved by the flow, and the target's map
    flow: Tensor  # B x H x W x 2: where each target pixel comes from, -1..1; -2 = from nowhere
    condition_background: Tensor  # B x 1 x H x W: 1 = background of the condition image
    target_background: Tensor  # B x 1 x H x W
    size: tuple[int, int]  # (height, width) before padding


class LWG2DGenerator(Generator[LWG2DConfig]):
    """Generates the person of the condition image in the target pose, before the condition image's background."""

    method = "LWG-2D"
    config_class = LWG2DConfig
    size_multiple = 4
    presets = PRESETS
    objective = LWG2DObjective

    def __init__(self, config: LWG2DConfig) -> None:
        super().__init__()
        self.config = config
        self.background = background_network(config.width, config.blocks)
        self.source = PersonNetwork(config.width, config.blocks)
        self.transfer = PersonNetwork(config.width, config.blocks)
        self.apply(initialise)

    def prepare(self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor) -> LWG2DInputs:
        """See `Generator.prepare`: maps and masks of both poses, and the flow between them."""
        height, width = condition_images.shape[2:]
        size = (height + -height % 2**HALVINGS, width + -width % 2**HALVINGS)
        condition, target = (pad_keypoints(k, (height, width), size) for k in (condition_keypoints, target_keypoints))
        image = pad(condition_images, size)
        condition_map, _ = body_map(condition, size)
        target_map, part = body_map(target, size)
        flow = part_flow(part_affines(condition, target), part)
        shown = [shrink_background(person_map[:, 2:], ERODED) for person_map in (condition_map, target_map)]
        behind = shrink_background(condition_map[:, 2:], ERODED_WIDE)
        moved = F.grid_sample(image, flow, align_corners=True)
        background, person, warped = (
            torch.cat(parts, dim=1).contiguous(memory_format=torch.channels_last)
            for parts in ((image * behind, behind), (image * (1 - shown[0]), condition_map), (moved, target_map))
        )
        return LWG2DInputs(background, person, warped, flow, shown[0], shown[1], (height, width))

    def forward(
        self,
        background: Tensor,
        person: Tensor,
        warped: Tensor,
        flow: Tensor,
        condition_background: Tensor,
        target_background: Tensor,
        size: tuple[int, int],
        everything: bool = False,
    ) -> Any:
        """Generates images, B x 3 x H x W, -1..1; the arguments are the fields of `LWG2DInputs`.

        With `everything`, for training: padded generated and reconstructed condition image, and the masks of both,
        B x 1 x H x W, 1 = background.
        """
        behind = self.background(background)
        features = self.source.encode(person)
        (colour, mask), (source_colour, source_mask) = (
            self.transfer(warped, features, flow),
            self.source.decode(features),
        )
        image = mask * behind + (1 - mask) * colour
        if not everything:
            return crop(image, size)
        reconstructed = source_mask * behind + (1 - source_mask) * source_colour
        return image, reconstructed, mask, source_mask


class PersonNetwork(nn.Module):
    """A U-Net with colours and a mask; the one of the target adds features of the source's, moved by the flow."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        channels = [width * 2**i for i in range(HALVINGS + 1)]
        self.encoders = nn.ModuleList([_layer(nn.Conv2d(PERSON_CHANNELS, width, 7, padding=3, bias=False))])
        self.encoders.extend(_halving(channels[i], channels[i + 1]) for i in range(HALVINGS))
        self.residuals = nn.ModuleList(Residual(channels[-1]) for _ in range(blocks))
        falling = channels[::-1]
        self.decoders = nn.ModuleList(_doubling(falling[i], falling[i + 1]) for i in range(HALVINGS))
        self.joiners = nn.ModuleList(
            _layer(nn.Conv2d(2 * half, half, 3, padding=1, bias=False)) for half in falling[1:]
        )
        self.colour = nn.Sequential(nn.Conv2d(width, 3, 7, padding=3, bias=False), nn.Tanh())
        self.mask = nn.Sequential(nn.Conv2d(width, 1, 7, padding=3, bias=False), nn.Sigmoid())

    def encode(self, x: Tensor, source: list[Tensor] | None = None, flow: Tensor | None = None) -> list[Tensor]:
        """B x 6 x H x W -> the features after each encoder level and residual block.

        Args:
            x: the input.
            source: the features of the source network, which are moved and added; None = add none.
            flow: B x H x W x 2, -1..1; -2 = from nowhere.
        """
        features: list[Tensor] = []
        for index, layer in enumerate((*self.encoders, *self.residuals)):
            x = layer(x)
            if source is not None and flow is not None and index:  # not at full size
                x = x + move(source[index], flow)
            features.append(x)
        return features

    def decode(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """What `encode` gave -> B x 3 x H x W colours, -1..1, and B x 1 x H x W mask, 1 = background."""
        x = features[-1]
        for level, (decoder, joiner) in enumerate(zip(self.decoders, self.joiners, strict=True)):
            x = joiner(torch.cat((features[HALVINGS - 1 - level], decoder(x)), dim=1))
        return self.colour(x), self.mask(x)

    def forward(self, x: Tensor, source: list[Tensor], flow: Tensor) -> tuple[Tensor, Tensor]:
        """`encode` and `decode`."""
        return self.decode(self.encode(x, source, flow))


class Residual(nn.Module):
    """Two 3 x 3 convolutions with norm, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> the same."""
        return x + self.layers(x)


def background_network(width: int, blocks: int) -> nn.Sequential:
    """Fills the place of the person: B x 4 x H x W -> B x 3 x H x W, -1..1."""
    channels = [width * 2**i for i in range(HALVINGS + 1)]
    return nn.Sequential(
        _layer(nn.Conv2d(BACKGROUND_CHANNELS, width, 7, padding=3, bias=False)),
        *(_halving(channels[i], channels[i + 1]) for i in range(HALVINGS)),
        *(Residual(channels[-1]) for _ in range(blocks)),
        *(_doubling(channels[i + 1], channels[i]) for i in reversed(range(HALVINGS))),
        nn.Conv2d(width, 3, 7, padding=3, bias=False),
        nn.Tanh(),
    )


def move(features: Tensor, flow: Tensor) -> Tensor:
    """B x C x h x w features, each place taken from where the flow says; 0 where it comes from nowhere.

    The flow is resized to the features. Where that mixes a place from nowhere in, it counts as nowhere, so that the
    border of the body is not smeared.
    """
    size = (features.shape[2], features.shape[3])
    if tuple(flow.shape[1:3]) != size:
        known = (flow > OUTSIDE).all(dim=3, keepdim=True)
        both = torch.cat((torch.where(known, flow, 0.0), known.to(flow.dtype)), dim=3).permute(0, 3, 1, 2)
        both = F.interpolate(both, size=size, mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
        flow = torch.where(both[..., 2:] > 1 - 1e-4, both[..., :2], OUTSIDE)
    return F.grid_sample(features, flow.to(features.dtype), align_corners=True)


def body_map(keypoints: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Where each body part is, and which place of the part a pixel shows.

    Args:
        keypoints: B x 18 x 2, (x, y) in pixels, NaN = missing.
        size: (height, width) in pixels.

    Returns:
        B x 3 x H x W, 0..1: (part + place along the part) / 10, place across it, and 1 for background; and the part of
        each pixel, int64, B x H x W, -1 = none.
    """
    height, width = size
    quads = part_quads(keypoints.double())
    y = torch.arange(height, device=keypoints.device, dtype=quads.dtype)[:, None].expand(-1, width)
    x = torch.arange(width, device=keypoints.device, dtype=quads.dtype).expand(height, -1)
    along = (quads[:, :, 3] - quads[:, :, 0] + quads[:, :, 2] - quads[:, :, 1]) / 2  # a torso is no parallelogram:
    across = (quads[:, :, 1] - quads[:, :, 0] + quads[:, :, 2] - quads[:, :, 3]) / 2  # the mean of its sides
    origin = quads.mean(2) - (along + across) / 2
    determinant = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    dx, dy = (axis - origin[:, :, number, None, None] for number, axis in enumerate((x, y)))
    far, near = along[..., None, None], across[..., None, None]
    places = torch.stack(
        (
            (dx * near[:, :, 1] - dy * near[:, :, 0]) / determinant[..., None, None],
            (dy * far[:, :, 0] - dx * far[:, :, 1]) / determinant[..., None, None],
        )
    )  # 2 x B x 10 x H x W; NaN or infinite without a quadrilateral
    inside = ((places >= 0) & (places <= 1)).all(0)
    part = torch.full((len(keypoints), height, width), -1, device=keypoints.device)
    for number in ORDER:
        part = torch.where(inside[:, number], number, part)
    chosen = places.nan_to_num(0, 0, 0).gather(2, part.clamp(min=0).expand(2, -1, -1, -1)[:, :, None])[:, :, 0]
    body = part >= 0
    channels = (torch.where(body, (part + chosen[0]) / 10, 0.0), torch.where(body, chosen[1], 0.0), (~body).double())
    return torch.stack(channels, dim=1).float(), part


def part_quads(keypoints: Tensor) -> Tensor:
    """The quadrilaterals of the ten parts: B x 10 x 4 x 2, corners in turn, NaN = not seen; start, start, end, end."""
    corners = keypoints[:, TORSO_CORNERS]
    torso = corners.mean(1, keepdim=True) + GROWN * (corners - corners.mean(1, keepdim=True))
    centre = keypoints[:, HEAD].nanmean(dim=1)
    radius = 0.4 * torso_length(keypoints)[:, None]
    signs = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]], dtype=keypoints.dtype, device=keypoints.device)
    head = centre[:, None] + radius[:, None] * signs
    return torch.cat((torso[:, None], head[:, None], limb_quads(keypoints, LONGER)), dim=1)


def part_flow(affines: Tensor, part: Tensor) -> Tensor:
    """Where each pixel of the target comes from.

    Args:
        affines: B x 10 x 2 x 3, target to condition, in pixels.
        part: int64, B x H x W, -1 = none.

    Returns:
        float32, B x H x W x 2, (x, y), -1..1 from the first to the last pixel; -2 = from nowhere.
    """
    batch, height, width = part.shape
    y = torch.arange(height, device=part.device, dtype=affines.dtype)[:, None].expand(-1, width)
    x = torch.arange(width, device=part.device, dtype=affines.dtype).expand(height, -1)
    chosen = affines.flatten(2).gather(1, part.clamp(min=0).flatten(1)[..., None].expand(-1, -1, 6))
    chosen = chosen.view(batch, height, width, 2, 3)
    points = chosen[..., 0] * x[..., None] + chosen[..., 1] * y[..., None] + chosen[..., 2]
    scaled = points / torch.tensor([width - 1, height - 1], device=part.device, dtype=affines.dtype) * 2 - 1
    known = (part >= 0) & (chosen[..., 0, 2] != NOWHERE) & (scaled.abs() <= 1 + SLACK).all(-1)
    return torch.where(known[..., None], scaled, OUTSIDE).float()


def shrink_background(background: Tensor, pixels: int) -> Tensor:
    """B x 1 x H x W, 1 = background -> the same, eroded by a square; outside of the image is background."""
    return 1 - F.max_pool2d(1 - background, pixels, 1, pixels // 2)


def initialise(module: nn.Module) -> None:
    """The authors' first weights: convolutions N(0, 0.02), biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _layer(convolution: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.InstanceNorm2d(convolution.out_channels, affine=True), nn.ReLU())


def _halving(channels: int, out_channels: int) -> nn.Sequential:
    return _layer(nn.Conv2d(channels, out_channels, 3, stride=2, padding=1, bias=False))


def _doubling(channels: int, out_channels: int) -> nn.Sequential:
    return _layer(nn.ConvTranspose2d(channels, out_channels, 3, 2, padding=1, output_padding=1, bias=False))
