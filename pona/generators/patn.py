"""PATN, pose-attentional transfer (Zhu et al., CVPR 2019): on its encoders, decoder and training PoNA is built."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pona.errors import PoNAError
from pona.generators import pona
from pona.generators.generator import Generator, check_fields
from pona.generators.pona import IMAGE_CHANNELS, POSE_CHANNELS, PoseInputs, decoder, encoder, pose_inputs
from pona.layers import HalfDropout, initialise, norm_layer
from pona.objectives.adversarial import AdversarialObjective


@dataclass(frozen=True)
class PATNConfig:
    """The architecture of a `PATNGenerator`, and the heatmaps that it expects."""

    width: int = 64  # channels after the first convolution; a block has four times as many
    blocks: int = 9
    norm: str = "batch"  # "batch" for Market-1501, "instance" for DeepFashion
    sigma: float | None = 6.0  # of the heatmaps, pixels; None = one-pixel impulses (the authors' DeepFashion heatmaps)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.norm not in ("batch", "instance"):
            raise PoNAError(f"norm is {self.norm!r}, expected 'batch' or 'instance'")
        if self.width < 1 or self.blocks < 1:
            raise PoNAError(f"width is {self.width} and blocks {self.blocks}, expected at least 1")


# The paper's settings are PoNA's, which took them over; PATN's discriminators have no spectral norm.
PRESETS = {
    name: replace(config, architecture="PATNGenerator", blocks=9, discriminator_variant="plain")
    for name, config in pona.PRESETS.items()
}


class PATNGenerator(Generator[PATNConfig]):
    """Generates the person of the condition image in the target pose, in nine pose-attentional blocks."""

    method = "PATN"
    config_class = PATNConfig
    size_multiple = 4
    presets = PRESETS
    objective = AdversarialObjective

    def __init__(self, config: PATNConfig) -> None:
        super().__init__()
        self.config = config
        width, norm = config.width, config.norm
        self.image_encoder = encoder(IMAGE_CHANNELS, width, norm)
        self.pose_encoder = encoder(POSE_CHANNELS, width, norm)
        self.blocks = nn.ModuleList(PATNBlock(4 * width, norm, first=not index) for index in range(config.blocks))
        self.decoder = decoder(width, norm)
        self.apply(initialise)

    def prepare(self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor) -> PoseInputs:
        """See `Generator.prepare`: heatmaps of both poses."""
        return pose_inputs(condition_images, condition_keypoints, target_keypoints, self.config.sigma)

    def forward(self, condition_image: Tensor, condition_heatmaps: Tensor, target_heatmaps: Tensor) -> Tensor:
        """Generates images; arguments as in `PoNAGenerator.forward`."""
        image_code = self.image_encoder(condition_image)
        pose_code = self.pose_encoder(torch.cat((condition_heatmaps, target_heatmaps), dim=1))
        for block in self.blocks:
            image_code, pose_code = block(image_code, pose_code)
        return self.decoder(image_code)


class PATNBlock(nn.Module):
    """The pose path decides by a sigmoid which parts of the image path are added to the image code.

    The pose path sees the updated image code of the block before, so it has twice the channels in all but the first.
    """

    def __init__(self, channels: int, norm: str, first: bool) -> None:
        super().__init__()
        self.image_path = nn.Sequential(*_path(channels, channels, norm), norm_layer(norm, channels))
        self.pose_path = nn.Sequential(*_path(channels if first else 2 * channels, channels, norm))

    def forward(self, image_code: Tensor, pose_code: Tensor) -> tuple[Tensor, Tensor]:
        """B x C x H x W image code, and B x C (first block) or 2C x H x W pose code -> both for the next block."""
        attention = self.pose_path(pose_code)
        image_code = image_code + self.image_path(image_code) * attention.sigmoid()
        return image_code, torch.cat((attention, image_code), dim=1)


def _path(channels: int, out_channels: int, norm: str) -> list[nn.Module]:
    """Two reflection-padded 3 x 3 convolutions, with norm, ReLU and dropout 0.5 between."""
    bias = norm == "instance"
    return [
        nn.ReflectionPad2d(1),
        nn.Conv2d(channels, channels, 3, bias=bias),
        norm_layer(norm, channels),
        nn.ReLU(inplace=True),
        HalfDropout(),
        nn.ReflectionPad2d(1),
        nn.Conv2d(channels, out_channels, 3, bias=bias),
    ]
