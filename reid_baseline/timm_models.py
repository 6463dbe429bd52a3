"""Any model of timm as a backbone (Wightman, "PyTorch Image Models", 2019)."""

import re
import sys
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from reid_baseline.augmentation import Colours
from reid_baseline.errors import ReIDError

INSTALL = "pip install 'reidaug[timm]'"
SIZES = ((256, 128), (128, 64))  # (height, width) of the recipes
_OF_IMAGENET = re.compile(r"in(1|12|21|22)k").search  # in the tag of weights


def is_timm_model(arch: str) -> bool:
    """Whether timm is installed and knows the model, with or without the tag of its weights (``resnet50.a1_in1k``)."""
    try:
        import timm

        return bool(timm.is_model(arch) and timm.get_pretrained_cfg(arch, allow_unregistered=True))
    except (ImportError, RuntimeError):  # the second: no such tag
        return False


def timm_names() -> list[str]:
    """All models of timm; none if it is not installed."""
    try:
        import timm
    except ImportError:
        return []
    return timm.list_models()


def timm_model(last_stride: int, arch: str) -> nn.Module:
    """Maps (B, 3, H, W) normalised images to (B, width) features, as the model pools them before its classifier.

    A model that takes images of one size only has them stretched to that size.

    Args:
        last_stride: 1: the last map is a 16th of the image instead of a 32nd, by dilation, if the model can do that.
        arch: its name.

    Raises:
        ReIDError: a model that gives no features of an image.
    """
    trial, options = _trial(arch, last_stride)
    own_size = tuple(trial.pretrained_cfg["input_size"][1:])
    answers = [_answer(trial, size) for size in SIZES]
    any_size = all(answers)
    if any(answer != (2, trial.head_hidden_size) for answer in (answers if any_size else [_answer(trial, own_size)])):
        raise ReIDError(f"timm's {arch} gives no features of an image: choose another arch")
    network = _create(arch, **options)
    network.width = trial.head_hidden_size
    if not any_size:
        network.register_forward_pre_hook(partial(_stretch, size=own_size))
    return network


def timm_colours(arch: str) -> Colours:
    """By which the images of a model are normalised."""
    import timm

    config = timm.get_pretrained_cfg(arch)
    return Colours(mean=config.mean, std=config.std)


def imagenet_state(arch: str) -> dict[str, torch.Tensor]:
    """The weights that timm has for a model, fetched from huggingface.co if they were not before.

    Raises:
        ReIDError: they are not of ImageNet, or cannot be fetched.
    """
    import timm

    if not _OF_IMAGENET(timm.get_pretrained_cfg(arch).tag):
        others = list(filter(_OF_IMAGENET, timm.list_pretrained(f"{arch.split('.')[0]}.*")))
        other = f", or --arch {others[0]}" if others else ""
        raise ReIDError(f"timm has no ImageNet weights of {arch}: expected weights none, or a file of weights{other}")
    try:
        return _create(arch, pretrained=True).state_dict()
    except Exception as error:  # no network, a full disk, a file that is gone: a dozen kinds
        raise ReIDError(
            f"the ImageNet weights of {arch} cannot be fetched ({type(error).__name__}): get the file of timm/{arch}"
            " from huggingface.co elsewhere and give it as weights, or train from scratch with weights none"
        ) from error


def convert(state: dict[str, torch.Tensor], network: Any) -> dict[str, torch.Tensor]:
    """Brings a file of weights to the names and shapes of today's timm, without the classifier."""
    rename = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if rename:
        state = rename(state, network)
    heads: Any = network.pretrained_cfg["classifier"]  # one or several names of layers
    heads = (heads,) if isinstance(heads, str) else heads
    return {name: tensor for name, tensor in state.items() if not name.startswith(tuple(f"{head}." for head in heads))}


def _create(arch: str, **options: Any) -> Any:
    import timm

    return timm.create_model(arch, num_classes=0, **options)


def _trial(arch: str, last_stride: int) -> tuple[Any, dict[str, Any]]:
    """The model without numbers, which computes shapes only, and the options that it was created with.

    They are those by which it takes images of any size and has the last stride, if it knows them.
    """
    strides: list[dict[str, Any]] = [{"output_stride": 16}] if last_stride == 1 else []
    sizes: list[dict[str, Any]] = [{"dynamic_img_size": True, "dynamic_img_pad": True}, {"strict_img_size": False}]
    for stride in (*strides, {}):
        for size in (*sizes, {}):
            try:
                with torch.device("meta"):
                    return _create(arch, **stride, **size).eval(), stride | size
            except (TypeError, AssertionError, NotImplementedError):  # it does not know an option, or the value
                continue
    raise ReIDError(f"timm's {arch} cannot be built: choose another arch")


def _answer(trial: nn.Module, size: tuple[int, int]) -> tuple[int, ...] | None:
    """The shape of what a model gives for two images; None if it takes no images of this size."""
    try:
        with torch.no_grad():
            return tuple(trial(torch.empty(2, 3, *size, device="meta")).shape)
    except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError):
        return None


def _stretch(network: nn.Module, inputs: tuple[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(inputs[0], size, mode="bilinear", antialias=True)
