"""MoveNet SinglePose Lightning, version 4, with its weights in this folder: joints without any download.

Votel, Li, Oerlemans, Chen and Belletti (Google), "MoveNet SinglePose" model card, 2021: a MobileNetV2 (Sandler et al.,
CVPR 2018) with a feature pyramid, and heads as CenterNet's (Zhou et al., 2019, arXiv:1904.07850). The weights are
Google's, see movenet-NOTICE.txt; the network is written after their graph. It was trained for one person near the
middle of the image, and finds hidden joints too.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from reidaug.core.device import pick_device
from reidaug.datasets.estimators.estimator import PoseEstimator

SIZE = 192  # height and width in pixels of what the network sees
CELLS = 48  # height and width of its maps
JOINTS = 17  # of COCO
NEAR = 1.8  # cells; a joint's confidence counts 1 / (distance + NEAR) when its place is chosen
WEIGHTS = Path(__file__).with_name("movenet.pt")

_STAGES = (  # of MobileNetV2: expansion, channels, blocks, stride of the first one
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
_LATERAL = {2: 24, 5: 32, 9: 64}  # blocks whose output the pyramid takes, and their channels: strides 4, 8, 16


class MoveNet(PoseEstimator):
    """MoveNet Lightning ready for use; ``MoveNet.load()`` makes one.

    An image is enlarged or shrunk to 192 pixels on its longer side and stands in the middle of a black square.
    """

    def __init__(self, network: "Network", device: torch.device) -> None:
        self.network, self.device = network, device

    @classmethod
    def load(cls, device: "str | torch.device" = "auto") -> "MoveNet":
        """Read the weights in this folder.

        Args:
            device: auto, cpu, cuda, cuda:N, mps, or a `torch.device`.

        Raises:
            ReIDError: no such device.
        """
        device = pick_device(device)
        network = Network()
        state = torch.load(WEIGHTS, map_location="cpu", weights_only=True)
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        return cls(network.eval().to(device), device)

    @torch.inference_mode()
    def find(self, images: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        squares, shares, corners = zip(*map(_square, images), strict=True)
        batch = torch.stack(squares).to(self.device, memory_format=torch.channels_last) / 127.5 - 1
        # One by one a CPU is faster, and the batch size changes no bit.
        parts = [self.network(part) for part in batch.split(1 if self.device.type == "cpu" else len(batch))]
        points, scores = (torch.cat(tensors).cpu().numpy() for tensors in zip(*parts, strict=True))
        pixels = points * (SIZE / CELLS)
        return (pixels - np.stack(corners)[:, None]) / np.stack(shares)[:, None], scores


def _square(image: np.ndarray) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """What the network sees of an (H, W, 3) uint8 image.

    Returns:
        ((3, SIZE, SIZE) float32, 0..255; its pixels per pixel of the image, (x, y); the image's corner in it, (x, y)).
    """
    longer = max(image.shape[:2])
    height, width = (max(1, round(SIZE * length / longer)) for length in image.shape[:2])
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(pixels, (height, width), mode="bilinear", antialias=True)[0]
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    square = F.pad(resized, (left, SIZE - width - left, top, SIZE - height - top))
    share = np.array([width / image.shape[1], height / image.shape[0]], dtype=np.float32)
    return square, share, np.array([left, top], dtype=np.float32)


class Network(nn.Module):
    """Maps (B, 3, SIZE, SIZE) images in -1..1 to the joints of the person nearest to the middle.

    Batch norms of the trained network are folded into its convolutions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for expansion, width, count, stride in _STAGES:
            for number in range(count):
                blocks.append(Block(channels, expansion, width, 1 if number else stride))
                channels = width
        self.blocks = nn.ModuleList(blocks)
        self.top = Convolution(channels, 1280)
        self.reduce = Convolution(1280, 64)
        self.laterals = nn.ModuleList(Convolution(width, width) for width in _LATERAL.values())
        self.smooth = nn.ModuleList([Separable(64, 32), Separable(32, 24), Separable(24, 24)])
        self.heatmap, self.regress = Head(JOINTS), Head(2 * JOINTS)
        self.center, self.offset = Head(1), Head(2 * JOINTS)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns ((B, 17, 2) joints (x, y) in cells of the maps, (B, 17) confidences in 0..1)."""
        maps = self.features(images)
        heatmaps = self.heatmap(maps).sigmoid()
        grid = torch.arange(CELLS, device=images.device, dtype=heatmaps.dtype)
        ys, xs = grid[:, None], grid[None]
        middle = ((ys - CELLS // 2) ** 2 + (xs - CELLS // 2) ** 2).sqrt() + NEAR
        person = _highest(self.center(maps).sigmoid() / middle)  # (B, 1)
        y, x = (_at(self.regress(maps), person) + torch.cat([person // CELLS, person % CELLS], 1)[:, None]).unbind(2)
        distance = ((ys - y[..., None, None]) ** 2 + (xs - x[..., None, None]) ** 2).sqrt() + NEAR
        cells = _highest(heatmaps / distance)  # (B, 17)
        places = cells[:, :, None]
        offsets = self.offset(maps).unflatten(1, (JOINTS, 2)).flatten(3)  # (B, 17, 2, cells): y, x
        off_y, off_x = offsets.gather(3, places[..., None].expand(-1, -1, 2, 1))[..., 0].unbind(2)
        points = torch.stack([cells % CELLS + off_x, cells // CELLS + off_y], dim=2)
        return points, heatmaps.flatten(2).gather(2, places)[..., 0]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (B, 3, SIZE, SIZE) to (B, 24, CELLS, CELLS)."""
        maps = F.relu6(self.stem(images))
        skipped: list[torch.Tensor] = []
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number in _LATERAL:
                skipped.append(self.laterals[len(skipped)](maps))
        maps = self.reduce(F.relu6(self.top(maps)))
        for lateral, smooth in zip(reversed(skipped), self.smooth, strict=True):
            maps = smooth(F.interpolate(maps, scale_factor=2, mode="bilinear") + lateral)
        return maps


class Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow's "same": with a stride of 2, right and below only."""

    def __init__(
        self, channels: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(channels, width, kernel, stride, kernel // 2 * (stride == 1), groups=groups, bias=bias)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return super().forward(maps if self.stride == (1, 1) else F.pad(maps, (0, 1, 0, 1)))


class Block(nn.Module):
    """MobileNetV2's inverted residual."""

    def __init__(self, channels: int, expansion: int, width: int, stride: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.expand = Convolution(channels, inner) if expansion > 1 else None
        self.depthwise = Convolution(inner, inner, 3, stride, groups=inner)
        self.project = Convolution(inner, width)
        self.adds = stride == 1 and channels == width

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        inner = maps if self.expand is None else F.relu6(self.expand(maps))
        result = self.project(F.relu6(self.depthwise(inner)))
        return maps + result if self.adds else result


class Separable(nn.Module):
    """A 3 x 3 convolution of each channel, then one of 1 x 1, with ReLU."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.depthwise = Convolution(channels, channels, 3, groups=channels, bias=False)
        self.pointwise = Convolution(channels, width)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return F.relu(self.pointwise(self.depthwise(maps)))


class Head(nn.Sequential):
    """Maps the features to ``width`` maps."""

    def __init__(self, width: int) -> None:
        super().__init__(Separable(24, 96), Convolution(96, width))


def _highest(maps: torch.Tensor) -> torch.Tensor:
    """(B, C, CELLS, CELLS) -> (B, C): the number of the highest cell of each map."""
    return maps.flatten(2).argmax(2)


def _at(maps: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """(B, 2 * JOINTS, CELLS, CELLS) and (B, 1) cells -> (B, JOINTS, 2): the values there, (y, x)."""
    flat = maps.flatten(2)
    return flat.gather(2, cell[..., None].expand(-1, flat.shape[1], 1))[..., 0].unflatten(1, (JOINTS, 2))
