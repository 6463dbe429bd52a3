"""Features of images, by which a baseline is tested."""

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from reid_baseline.augmentation import normalise
from reid_baseline.convolution import MatrixConv2d
from reid_baseline.depthwise import DepthwiseConv2d
from reid_baseline.device import autocast, choose_precision, pick_device
from reid_baseline.errors import ReIDError
from reid_baseline.model import BaselineNet
from reid_baseline.recipe import Recipe

PLAIN = (nn.Conv2d, MatrixConv2d, DepthwiseConv2d)  # convolutions, and nothing besides
CACHE_PIXELS = 2**18  # in a batch on a CPU: larger batches do not fit its caches, a ResNet-50 is up to 1.4 x slower


@torch.inference_mode()
def extract_features(
    model: BaselineNet,
    images: torch.Tensor,
    recipe: Recipe,
    device: str | torch.device = "auto",
    progress: Callable[[int, int], None] | None = None,
    *,
    batch_size: int | None = None,
    precision: str = "auto",
) -> torch.Tensor:
    """Returns f(image) + f(mirrored image), or f(image) alone if the recipe says so, scaled to length 1.

    The model is moved to ``device`` and put into evaluation mode.

    Args:
        model: a trained network.
        images: (N, 3, H, W) uint8 of the recipe's size.
        recipe: the one that the model was trained by.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        progress: called with (images done, all images) after each batch.
        batch_size: None = one that is fast. Changes the features by rounding at most.
        precision: "auto", "fp32" or "bf16".

    Returns:
        (N, width) float32 on the CPU.

    Raises:
        ReIDError: images of another size or type.
    """
    check_images(images, recipe)
    device = pick_device(device)
    precision = choose_precision(device, precision)
    model.lay_out(device, precision).eval()
    backbone = _folded(model.backbone)
    if batch_size is None:
        height, width = recipe.size
        batch_size = 128 if device.type != "cpu" else max(1, CACHE_PIXELS // (height * width))
    features = []
    for start in range(0, len(images), batch_size):
        batch = normalise(images[start : start + batch_size].to(device), model.colours)
        with autocast(device, precision):
            feature = model.neck(backbone(batch)).float()
            if recipe.flip_test:
                feature = feature + model.neck(backbone(batch.flip(3))).float()
        features.append(F.normalize(feature).cpu())
        if progress:
            progress(min(start + batch_size, len(images)), len(images))
    return torch.cat(features)


def _folded(backbone: nn.Module) -> nn.Module:
    """A copy in which BN is folded into the convolution defined before it, for networks in evaluation mode.

    Subclasses of either, which may do more than that, stay as they are.
    """
    folded = copy.deepcopy(backbone)
    for module in list(folded.modules()):
        for (name, layer), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(layer, nn.Conv2d) and type(layer) in PLAIN and type(norm) is nn.BatchNorm2d:
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
                setattr(module, norm_name, nn.Identity())
    return folded


def check_images(images: torch.Tensor, recipe: Recipe) -> None:
    """Raises ReIDError unless ``images`` are (N, 3, H, W) uint8 of the recipe's size, at least one."""
    if images.dtype != torch.uint8 or images.ndim != 4 or not len(images) or images.shape[1:] != (3, *recipe.size):
        raise ReIDError(
            f"images are {tuple(images.shape)} {images.dtype}: recipe {recipe.name} expects"
            f" (N, 3, {recipe.size[0]}, {recipe.size[1]}) torch.uint8"
        )
