"""The PoNA generator: two encoders, pose-guided non-local attention blocks, one decoder."""

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from pona.attention import CrossAttention, SelfAttention
from pona.errors import PoNAError
from pona.generators.generator import Generator, check_fields
from pona.keypoints import render_heatmaps
from pona.layers import HalfDropout, initialise, norm_layer
from pona.objectives.adversarial import AdversarialObjective
from pona.train_config import TrainConfig

IMAGE_CHANNELS = 3
POSE_CHANNELS = 2 * 18  # condition and target heatmaps


@dataclass(frozen=True)
class GeneratorConfig:
    """The architecture of a `PoNAGenerator`, and the heatmaps that it expects."""

    width: int = 64  # channels after the first convolution; a block has four times as many
    blocks: int = 3  # 1-5 in Table III of the paper
    norm: str = "batch"  # "batch" for Market-1501, "instance" for DeepFashion
    fusion: str = "head"  # where image and pose code are concatenated: "head", "middle", "tail", "none" (Table V)
    self_attention: bool = True  # on the fused code (Table IV)
    cross_attention: bool = (
        True  # of the image code, guided by the pose code (Table IV); without it the pose does nothing
    )
    block_norm: str | None = None  # norm inside the blocks; None = `norm`, "instance" = always, as in the authors' code
    sigma: float | None = 6.0  # of the heatmaps, pixels; None = one-pixel impulses (the authors' DeepFashion heatmaps)

    def __post_init__(self) -> None:
        check_fields(self)
        _check_choice("norm", self.norm, ("batch", "instance"))
        _check_choice("block_norm", self.block_norm, ("batch", "instance", None))
        _check_choice("fusion", self.fusion, ("head", "middle", "tail", "none"))
        if self.width < 2 or self.width % 2:
            raise PoNAError(f"width is {self.width}, expected an even number of at least 2")
        if self.blocks < 1:
            raise PoNAError(f"blocks is {self.blocks}, expected at least 1")


_MARKET = TrainConfig()

PRESETS: dict[str, TrainConfig] = {
    "market": _MARKET,
    "deepfashion": replace(
        _MARKET,
        preset="deepfashion",
        norm="instance",
        sigma=None,
        adversarial="lsgan",
        l1_weight=1.0,
        perceptual_weight=1.0,
        batch_size=7,
        iterations=400_400,  # 700 epochs of 572; in the authors' code the last batch of an epoch has 3 pairs
        pool_size=0,
    ),
    # For about an hour on two CPU cores. Differences from the paper are for speed, or because the run is short.
    "mini": replace(
        _MARKET,
        preset="mini",
        width=24,
        discriminator_width=16,
        discriminator_norm="none",  # with BN (see `Discriminator`) they still guess after 1,000 iterations
        gan_weight=1.0,  # such discriminators learn fast: at 5 they drive the generator away from the true image
        perceptual="optional",
        batch_size=16,
        iterations=4_000,
        dropout=False,  # which would take a quarter more iterations for the same L1 on unseen people
        decay=0.5,
        rate_steps=None,
        initialisation="normal",  # with which the values here were chosen
        attention_rate=20.0,  # gammas grow slowly: 87,500 iterations are enough for them, a short run is not
        flip=True,
        ema=0.998,
        half=True,
        validate_every=250,
    ),
}


class PoseInputs(NamedTuple):
    """What PoNA and PATN work on; channels last."""

    condition_image: Tensor  # B x 3 x H x W, -1..1
    condition_heatmaps: Tensor  # B x 18 x H x W, 0..1
    target_heatmaps: Tensor  # B x 18 x H x W, 0..1


class PoNAGenerator(Generator[GeneratorConfig]):
    """Generates the person of the condition image in the target pose (Li et al., PoNA, IEEE TIP 2020, section III).

    The arguments are the fields of `GeneratorConfig`.
    """

    method = "PoNA"
    config_class = GeneratorConfig
    size_multiple = 4
    presets = PRESETS
    objective = AdversarialObjective

    def __init__(
        self,
        width: int = 64,
        blocks: int = 3,
        norm: str = "batch",
        fusion: str = "head",
        self_attention: bool = True,
        cross_attention: bool = True,
        *,
        block_norm: str | None = None,
        sigma: float | None = 6.0,
    ) -> None:
        super().__init__()
        self.config = GeneratorConfig(
            width, blocks, norm, fusion, self_attention, cross_attention, block_norm=block_norm, sigma=sigma
        )
        self.image_encoder = encoder(IMAGE_CHANNELS, width, norm)
        self.pose_encoder = encoder(POSE_CHANNELS, width, norm)
        self.blocks = nn.ModuleList(
            PoNABlock(4 * width, block_norm or norm, fusion, self_attention, cross_attention) for _ in range(blocks)
        )
        self.decoder = decoder(width, norm)
        self.apply(initialise)

    @classmethod
    def from_config(cls, config: GeneratorConfig) -> Self:
        """Builds a generator with fresh weights."""
        return cls(**asdict(config))

    def prepare(self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor) -> PoseInputs:
        """See `Generator.prepare`: heatmaps of both poses."""
        return pose_inputs(condition_images, condition_keypoints, target_keypoints, self.config.sigma)

    def forward(self, condition_image: Tensor, condition_heatmaps: Tensor, target_heatmaps: Tensor) -> Tensor:
        """Generates images.

        Args:
            condition_image: B x 3 x H x W, -1..1; H and W are multiples of 4.
            condition_heatmaps: B x 18 x H x W, 0..1.
            target_heatmaps: B x 18 x H x W, 0..1.

        Returns:
            B x 3 x H x W, -1..1.
        """
        return self._transfer(self.image_encoder(condition_image), None, condition_heatmaps, target_heatmaps)

    def generate(
        self,
        condition_images: Tensor,
        condition_keypoints: Tensor,
        target_keypoints: Tensor,
        of: Tensor | None = None,
    ) -> Tensor:
        """See `Generator.generate`. What does not depend on the target pose is computed once per condition image."""
        size = (condition_images.shape[2], condition_images.shape[3])
        image_code = self.image_encoder(condition_images)
        updated = self.blocks[0].update_image(image_code)  # type: ignore[operator]
        conditions = render_heatmaps(condition_keypoints, size, self.config.sigma)
        if of is not None:
            image_code, updated, conditions = image_code[of], updated[of], conditions[of]
        targets = render_heatmaps(target_keypoints, size, self.config.sigma)
        return self._transfer(image_code, updated, conditions, targets)

    def _transfer(
        self, image_code: Tensor, updated: Tensor | None, condition_heatmaps: Tensor, target_heatmaps: Tensor
    ) -> Tensor:
        """From the image code to the image; `updated` is the first block's `update_image`, where already computed."""
        pose_code = self.pose_encoder(torch.cat((condition_heatmaps, target_heatmaps), dim=1))
        for block in self.blocks:
            image_code, pose_code = block(image_code, pose_code, updated)
            updated = None
        return self.decoder(image_code)


def pose_inputs(
    condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor, sigma: float | None
) -> PoseInputs:
    """Images with the heatmaps of both poses; sigma in pixels, None = impulses."""
    size = (condition_images.shape[2], condition_images.shape[3])
    condition, target = (render_heatmaps(poses, size, sigma) for poses in (condition_keypoints, target_keypoints))
    return PoseInputs(*(x.contiguous(memory_format=torch.channels_last) for x in (condition_images, condition, target)))


class PoNABlock(nn.Module):
    """Image-guided update of the pose code, then pose-guided update of the image code (section III-C).

    `fusion` is our reading of Figure 11, whose drawing is not in the text: "head" concatenates image and pose code
    before the pose path; "none" never does, so attention and convolutions see the pose code alone; "middle"
    concatenates after the first double convolution; "tail" after both, reduced to C channels by a 1 x 1 convolution.
    Self-attention stays first.
    """

    def __init__(self, channels: int, norm: str, fusion: str, self_attention: bool, cross_attention: bool) -> None:
        super().__init__()
        self.fusion = fusion
        first = 2 * channels if fusion == "head" else channels
        second = 2 * channels if fusion in ("head", "middle") else channels
        self.self_attention = SelfAttention(first) if self_attention else nn.Identity()
        self.pose_conv1 = double_conv(first, first, norm)
        self.pose_conv2 = double_conv(second, channels, norm)
        self.reduce = nn.Conv2d(2 * channels, channels, 1) if fusion == "tail" else nn.Identity()
        self.image_conv1 = double_conv(channels, channels, norm)
        self.image_conv2 = double_conv(channels, channels, norm)
        self.cross_attention = CrossAttention(channels) if cross_attention else None

    def forward(self, image_code: Tensor, pose_code: Tensor, updated: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Two B x C x H x W codes -> the new image code and the new pose code, B x C x H x W each.

        `updated` is `update_image(image_code)`, where already computed.
        """
        pose_code = self._update_pose(image_code, pose_code)
        image_code = self.update_image(image_code) if updated is None else updated
        if self.cross_attention is not None:
            image_code = self.cross_attention(image_code, pose_code)
        return image_code, pose_code

    def update_image(self, image_code: Tensor) -> Tensor:
        """The image path before cross attention; it does not depend on the poses. B x C x H x W -> the same."""
        image_code = image_code + self.image_conv1(image_code)
        return image_code + self.image_conv2(image_code)

    def _update_pose(self, image_code: Tensor, pose_code: Tensor) -> Tensor:
        if self.fusion == "head":
            # The authors' order: image code first.
            pose_code = torch.cat((image_code, pose_code), dim=1)
        pose_code = self.self_attention(pose_code)
        pose_code = pose_code + self.pose_conv1(pose_code)
        if self.fusion == "middle":
            pose_code = torch.cat((image_code, pose_code), dim=1)
        pose_code = self.pose_conv2(pose_code)
        if self.fusion == "tail":
            pose_code = torch.cat((image_code, pose_code), dim=1)
        return self.reduce(pose_code)


def double_conv(channels: int, out_channels: int, norm: str) -> nn.Sequential:
    """Two 3 x 3 convolutions with norm and ReLU, dropout between; only the second changes the number of channels."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1),
        norm_layer(norm, channels),
        nn.ReLU(inplace=True),
        HalfDropout(),
        nn.Conv2d(channels, out_channels, 3, padding=1),
        norm_layer(norm, out_channels),
        nn.ReLU(inplace=True),
    )


def encoder(channels: int, width: int, norm: str) -> nn.Sequential:
    """B x channels x H x W -> B x 4 width x H/4 x W/4."""
    bias = norm == "instance"
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        nn.Conv2d(channels, width, 7, bias=bias),
        norm_layer(norm, width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=bias),
        norm_layer(norm, 2 * width),
        nn.ReLU(inplace=True),
        nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1, bias=bias),
        norm_layer(norm, 4 * width),
        nn.ReLU(inplace=True),
    )


def decoder(width: int, norm: str) -> nn.Sequential:
    """B x 4 width x H/4 x W/4 -> B x 3 x H x W, -1..1."""
    bias = norm == "instance"
    return nn.Sequential(
        nn.ConvTranspose2d(4 * width, 2 * width, 3, stride=2, padding=1, output_padding=1, bias=bias),
        norm_layer(norm, 2 * width),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1, bias=bias),
        norm_layer(norm, width),
        nn.ReLU(inplace=True),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, IMAGE_CHANNELS, 7),
        nn.Tanh(),
    )


def _check_choice(name: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        raise PoNAError(f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}")
