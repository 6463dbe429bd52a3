"""The backbones of a baseline, by name. A new one needs a file and one entry here."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from reid_baseline import efficientnet, resnet
from reid_baseline.augmentation import IMAGENET_COLOURS, Colours
from reid_baseline.convolution import multiply_matrices
from reid_baseline.depthwise import speed_up_depthwise
from reid_baseline.errors import ReIDError
from reid_baseline.packaged import PackagedFile


@dataclass(frozen=True)
class Backbone:
    """How to build a network that maps (B, 3, H, W) normalised images to (B, width) pooled features.

    The network has an attribute ``width``. Its method ``lay_out(device, precision)``, if it has one, moves the weights
    into the memory format that is fastest on that device in "fp32" or "bf16"; without one it is channels last.

    At inference an `nn.BatchNorm2d` is folded into the `nn.Conv2d` that is defined right before it in the same module:
    define them in this order only if the norm takes the output of the convolution.
    """

    build: Callable[[int], nn.Module]  # from the stride of the last stage, 1 or 2
    imagenet_url: Callable[[], str] | None = None  # of a file as torchvision names them, ending in part of its SHA-256
    imagenet_file: PackagedFile | None = None  # instead of a URL
    rename: Callable[[str], str] = str  # from the name of a tensor in a file to that in the network
    colours: Colours = IMAGENET_COLOURS  # by which the images are normalised


BACKBONES = {
    "resnet50": Backbone(resnet.resnet50, resnet.resnet50_url),
    "resnet18": Backbone(resnet.resnet18, resnet.resnet18_url),
    "tf_efficientnet_lite0": Backbone(
        efficientnet.tf_efficientnet_lite0,
        imagenet_file=efficientnet.IMAGENET,
        rename=efficientnet.timm_name,
        colours=efficientnet.COLOURS,
    ),
}

ARCHS = tuple(BACKBONES)


def build_backbone(arch: str, last_stride: int) -> nn.Module:
    """Returns the network, untrained.

    Raises:
        ReIDError: an unknown arch, or one whose package is not installed.
    """
    if arch not in BACKBONES:
        raise ReIDError(f"arch {arch!r} is unknown: expected {' or '.join(BACKBONES)}")
    network = BACKBONES[arch].build(last_stride)
    multiply_matrices(network)
    speed_up_depthwise(network)
    return network
