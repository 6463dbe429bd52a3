"""Training data in memory: all images in one uint8 tensor, pairs drawn on the device."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pona.errors import PoNAError
from pona.keypoints import JOINTS, flip_keypoints


@dataclass(frozen=True)
class PoseImages:
    """Images with keypoints, and the pairs to train or validate on.

    Raises:
        PoNAError: for shapes or types other than these, or where no pair is left.
    """

    images: Tensor  # uint8, N x 3 x H x W, RGB
    keypoints: Tensor  # float32, N x 18 x 2, (x, y) in pixels, NaN = missing
    pairs: Tensor  # int64, M x 2, (condition, target) rows of `images`

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise PoNAError(f"images are {_shape(self.images)}, expected uint8 (N, 3, H, W)")
        if self.images.shape[2] % 4 or self.images.shape[3] % 4:
            raise PoNAError(f"images are {_shape(self.images)}, expected a height and width that 4 divides")
        if self.keypoints.shape != (count, len(JOINTS), 2):
            raise PoNAError(f"keypoints are {_shape(self.keypoints)}, expected ({count}, 18, 2)")
        if self.pairs.ndim != 2 or self.pairs.shape[1:] != (2,) or self.pairs.dtype != torch.int64:
            raise PoNAError(f"pairs are {_shape(self.pairs)}, expected int64 (M, 2)")
        if len(self.pairs) == 0:
            raise PoNAError("no pairs: every identity needs two images with both shoulders and both hips seen")
        if self.pairs.min() < 0 or self.pairs.max() >= count:
            raise PoNAError(f"pairs name image {int(self.pairs.max())}, expected rows 0 to {count - 1}")

    def to(self, device: torch.device) -> "PoseImages":
        """Copies the data to a device."""
        return replace(
            self, images=self.images.to(device), keypoints=self.keypoints.to(device), pairs=self.pairs.to(device)
        )


@dataclass(frozen=True)
class Batch:
    """The pairs of one training step; images -1..1, keypoints (x, y) in pixels, NaN = missing."""

    condition_image: Tensor  # B x 3 x H x W
    condition_keypoints: Tensor  # B x 18 x 2
    target_image: Tensor  # B x 3 x H x W
    target_keypoints: Tensor  # B x 18 x 2

    def of_targets(self) -> "Batch":
        """The same targets as their own condition images."""
        return Batch(self.target_image, self.target_keypoints, self.target_image, self.target_keypoints)


def draw_pairs(data: PoseImages, count: int, generator: torch.Generator) -> Tensor:
    """Draws pairs with replacement: count x 2, on the device of the data and of `generator`."""
    rows = torch.randint(len(data.pairs), (count,), generator=generator, device=data.pairs.device)
    return data.pairs[rows]


def draw_colors(count: int, strength: float, generator: torch.Generator) -> Tensor:
    """Draws colour changes as torchvision's ColorJitter makes them, each as one affine map of RGB -1..1.

    Args:
        count: how many.
        strength: 0..1. Hue turns by up to 180 degrees times it; saturation, contrast and brightness (gain) change by
            up to this share. 0.2 to 0.4 are usable: near 1, gain and contrast can be 0, which makes a pair black or
            grey.
        generator: random source; its device is that of the maps.

    Returns:
        count x 3 x 4: a 3 x 3 matrix and an offset. The hue turns about the grey axis, without HSV's clipping.
    """
    drawn = torch.rand(4, count, generator=generator, device=generator.device) * 2 - 1
    angle, (saturation, contrast, gain) = drawn[0] * strength * math.pi, 1 + strength * drawn[1:]
    eye, grey = torch.eye(3, device=drawn.device), torch.full((3, 3), 1 / 3, device=drawn.device)
    turn = eye.roll(1, 0)  # red to green to blue; created on the device, as a copy would wait for the previous step
    cross = (turn - turn.T) / math.sqrt(3)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    # Rodrigues' rotation about (1, 1, 1); saturation scales its part orthogonal to the grey axis.
    orthogonal = cosine * (eye - grey) + sine * cross
    matrix = (contrast * gain)[:, None, None] * (grey + saturation[:, None, None] * orthogonal)
    # Contrast is about mid-grey, which is 0 in -1..1; the gain is about black, which is -1.
    offset = (gain - 1)[:, None, None].expand(count, 3, 1)
    return torch.cat((matrix, offset), dim=2)


def make_batch(data: PoseImages, pairs: Tensor, flip: Tensor | None = None, colors: Tensor | None = None) -> Batch:
    """Makes a batch on the device of the data.

    Args:
        data: images and keypoints.
        pairs: int64, B x 2.
        flip: bool, B: the pairs to mirror, both images of a pair alike. None = no pair.
        colors: B x 3 x 4 of `draw_colors`, for both images of a pair alike. None = no change.
    """
    images, keypoints = data.images[pairs.flatten()], data.keypoints[pairs.flatten()]
    if flip is not None:
        # Mirroring bytes and points is an eighth of the work of mirroring floats.
        mirrored = torch.stack((flip, flip), dim=1).flatten()[:, None, None]
        images = torch.where(mirrored[..., None], images.flip(3), images)
        keypoints = torch.where(mirrored, flip_keypoints(keypoints, images.shape[3]), keypoints)
    images = to_float(images)
    if colors is not None:
        maps = colors.repeat_interleave(2, dim=0)
        images = torch.baddbmm(maps[:, :, 3:], maps[:, :, :3], images.flatten(2)).clamp_(-1, 1).view_as(images)
    return Batch(
        condition_image=_channels_last(images[0::2]),
        condition_keypoints=keypoints[0::2],
        target_image=_channels_last(images[1::2]),
        target_keypoints=keypoints[1::2],
    )


def to_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 -1..1."""
    return images.float().div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """-1..1 -> uint8 0..255, rounded."""
    return images.float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _shape(x: Tensor) -> str:
    return f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
