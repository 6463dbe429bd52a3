"""Convolutions as matrix products, where that is faster: in bfloat16 on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

# A convolution with more than one tap is faster as a product from this many output channels, up to this many pixels.
WIDE, FEW_PIXELS = 512, 32
TAPS = 7  # height and width of the largest kernel whose inputs are gathered


class MatrixConv2d(nn.Conv2d):
    """A convolution that is a matrix product under a CPU's bfloat16 autocast, and torch's own elsewhere.

    With one tap, a map in channels-last memory already is a matrix. With more, and if the layer is wide and its map
    small, the inputs of each output pixel are gathered into a row (im2col). On CPUs without AMX, oneDNN's bfloat16
    convolutions reach a third to three quarters of the speed of its products there; with AMX it was not measured.

    Only for convolutions that `multiply_matrices` changes.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (B, in, H, W) to (B, out, H', W')."""
        stride = self.stride[0]
        one_tap = self.kernel_size == (1, 1) and self.padding == (0, 0)
        small = self.out_channels >= WIDE and images.shape[2:].numel() <= FEW_PIXELS * stride**2
        if not ((one_tap or small) and in_bfloat16(images.device)):
            return super().forward(images)
        pixels = images.to(torch.bfloat16).permute(0, 2, 3, 1)
        if one_tap:
            rows = pixels[:, ::stride, ::stride]
        else:
            rows = Im2Col.apply(pixels, self.kernel_size[0], stride, int(self.padding[0]))
        flat = rows.flatten(0, 2)
        matrix = self.weight.permute(0, 2, 3, 1).flatten(1).t()
        product = flat @ matrix if self.bias is None else torch.addmm(self.bias, flat, matrix)
        return product.unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)


def multiply_matrices(network: nn.Module) -> None:
    """Turns a network's convolutions into `MatrixConv2d`, all but those that it cannot compute.

    It can with one group, no dilation, zero padding, and kernel, stride and padding equal in height and width. Kernels
    larger than `TAPS` are left to torch, such as those that cut an image into patches for a transformer.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and _is_a_product(layer):
            layer.__class__ = MatrixConv2d


def _is_a_product(layer: nn.Conv2d) -> bool:
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        return False
    square = all(height == width for height, width in (layer.kernel_size, layer.stride, layer.padding))
    return square and layer.kernel_size[0] <= TAPS and layer.groups == 1 and layer.dilation == (1, 1)


def in_bfloat16(device: torch.device) -> bool:
    """Whether convolutions on the device run in bfloat16, and it is a CPU."""
    on = device.type == "cpu" and torch.is_autocast_enabled("cpu")
    return on and torch.get_autocast_dtype("cpu") == torch.bfloat16


class Im2Col(torch.autograd.Function):
    """(B, H, W, C) -> (B, H', W', taps * C): the inputs of each output pixel under a square kernel."""

    @staticmethod
    def forward(ctx: Any, pixels: torch.Tensor, kernel: int, stride: int, padding: int) -> torch.Tensor:
        padded = F.pad(pixels, (0, 0, padding, padding, padding, padding))
        ctx.window = (kernel, stride, padding, padded.shape)
        return torch.cat(_taps(padded, kernel, stride), dim=3)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, rows: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        kernel, stride, padding, shape = ctx.window
        padded = rows.new_zeros(shape, dtype=torch.promote_types(rows.dtype, torch.float32))  # a sum over the taps
        for view, tap in zip(_taps(padded, kernel, stride), rows.split(shape[3], 3), strict=True):
            view += tap
        inner = padded[:, padding : shape[1] - padding, padding : shape[2] - padding]
        return inner.to(rows.dtype), None, None, None


def _taps(padded: torch.Tensor, kernel: int, stride: int) -> list[torch.Tensor]:
    """For each tap a view of its inputs, (B, H', W', C)."""
    height, width = (length - kernel + 1 for length in padded.shape[1:3])
    return [padded[:, y : y + height : stride, x : x + width : stride] for y in range(kernel) for x in range(kernel)]
