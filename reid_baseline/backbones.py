"""The backbones of a baseline, by name. A new one needs a file and one entry here."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

import torch
from torch import nn

from reid_baseline import efficientnet, resnet, timm_models
from reid_baseline.augmentation import IMAGENET_COLOURS, Colours
from reid_baseline.convolution import multiply_matrices
from reid_baseline.depthwise import speed_up_depthwise
from reid_baseline.errors import ReIDError
from reid_baseline.packaged import PackagedFile

State = dict[str, torch.Tensor]  # the tensors of a network by name


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
    imagenet_state: Callable[[], State] | None = None  # instead of both
    convert: Callable[[State, nn.Module], State] = lambda state, network: state  # of a file to the network's names
    colours: Colours = IMAGENET_COLOURS  # by which the images are normalised
    package: str | None = None  # that builds it, if neither we nor torchvision do


BACKBONES = {
    "resnet50": Backbone(resnet.resnet50, resnet.resnet50_url),
    "resnet18": Backbone(resnet.resnet18, resnet.resnet18_url),
    "tf_efficientnet_lite0": Backbone(
        efficientnet.tf_efficientnet_lite0,
        imagenet_file=efficientnet.IMAGENET,
        convert=efficientnet.to_timm,
        colours=efficientnet.COLOURS,
        package="timm",
    ),
}

ARCHS = tuple(BACKBONES)


def find_backbone(arch: str) -> Backbone:
    """A backbone by name: an entry of `BACKBONES`, else any model of timm.

    Raises:
        ReIDError: an unknown name, or timm, which may know it, is not installed.
    """
    if arch in BACKBONES:
        return BACKBONES[arch]
    if timm_models.is_timm_model(arch):
        return Backbone(
            partial(timm_models.timm_model, arch=arch),
            imagenet_state=partial(timm_models.imagenet_state, arch),
            convert=timm_models.convert,
            colours=timm_models.timm_colours(arch),
            package="timm",
        )
    names = timm_models.timm_names()
    near = get_close_matches(arch, dict.fromkeys([*BACKBONES, *names]), n=5)
    meant = f", did you mean {' or '.join(near)}?" if near else ":"
    others = "a model of timm" if names else f"with {timm_models.INSTALL} a model of timm"
    raise ReIDError(f"arch {arch!r} is unknown{meant} expected {', '.join(BACKBONES)} or {others}")


def build_backbone(arch: str, last_stride: int) -> nn.Module:
    """Returns the network, untrained.

    Raises:
        ReIDError: an unknown arch, or one whose package is not installed.
    """
    network = find_backbone(arch).build(last_stride)
    multiply_matrices(network)
    speed_up_depthwise(network)
    return network
