"""Generating images in batches: uint8 in, uint8 out."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pona.data import to_float, to_uint8
from pona.errors import PoNAError
from pona.generator import PoNAGenerator
from pona.keypoints import render_heatmaps

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}  # of convolutions and products
PRECISIONS = ("auto", *DTYPES)


def fold_norms(generator: PoNAGenerator) -> PoNAGenerator:
    """A copy for generating only: every BN is folded into the convolution before it, the same images a fifth faster.

    Args:
        generator: unchanged; where it has IN, the copy has it too.
    """
    folded = copy.deepcopy(generator).eval()
    for sequence in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for place, (layer, norm) in enumerate(pairwise(list(sequence))):
            if isinstance(norm, nn.BatchNorm2d):
                transpose = isinstance(layer, nn.ConvTranspose2d)
                sequence[place] = fuse_conv_bn_eval(layer, norm, transpose=transpose)  # type: ignore[type-var]
                sequence[place + 1] = nn.Identity()
    return folded


@torch.inference_mode()
def generate_images(
    generator: PoNAGenerator,
    condition_images: Tensor,
    condition_keypoints: Tensor,
    target_keypoints: Tensor,
    *,
    of: Tensor | None = None,
    device: str | torch.device = "cpu",
    precision: str = "auto",
) -> Tensor:
    """Paints persons in new poses.

    Heatmaps have the sigma of `generator.config`. Dropout is off and BN uses its running statistics, so an image does
    not depend on the others in its batch, but for rounding where torch picks another kernel for another batch size.

    Args:
        generator: moved to `device` and set to eval mode if it is not.
        condition_images: uint8, B x 3 x H x W, RGB; with `of` any number of them.
        condition_keypoints: as many x 18 x 2, (x, y) in pixels, NaN = missing.
        target_keypoints: B x 18 x 2.
        of: int64, B, where there are fewer condition images than target poses: the place of each pose's condition
            image. Each is encoded once. None = one for each, in order.
        device: where to compute.
        precision: "fp32", "bf16", "fp16", or "auto" = bf16 where `prefers_bf16` says that it is faster.

    Returns:
        uint8, B x 3 x H x W, on the CPU.

    Raises:
        PoNAError: an unknown precision, or images whose height or width 4 does not divide.
    """
    if precision not in PRECISIONS:
        raise PoNAError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    device = torch.device(device)
    size = (condition_images.shape[2], condition_images.shape[3])
    if size[0] % 4 or size[1] % 4:
        raise PoNAError(f"images have {size[0]} x {size[1]} pixels (height x width), expected sides that 4 divides")
    generator = generator.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    sigma = generator.config.sigma
    images = to_float(condition_images.to(device)).contiguous(memory_format=torch.channels_last)
    with autocast(device, precision):
        codes = generator.encode(images)
        poses = render_heatmaps(condition_keypoints.to(device), size, sigma)
        if of is not None:
            codes, poses = (codes[0][of.to(device)], codes[1][of.to(device)]), poses[of.to(device)]
        targets = render_heatmaps(target_keypoints.to(device), size, sigma)
        generated = generator.paint(codes[0], poses, targets, codes[1])
    return to_uint8(generated).cpu()


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of a precision, as in `generate_images`."""
    dtype = DTYPES[resolve_precision(device, precision)]
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def resolve_precision(device: torch.device, precision: str) -> str:
    """What "auto" means there; any other as it is."""
    if precision != "auto":
        return precision
    return "bf16" if prefers_bf16(device) else "fp32"


def prefers_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32: on GPUs and CPUs with the instructions for it (AMX, AVX-512 BF16)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # not in every version of torch
    return device.type == "cpu" and any(getattr(torch.cpu, name, lambda: False)() for name in checks)
