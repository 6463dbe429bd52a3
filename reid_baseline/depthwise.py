"""Depthwise convolutions with fast gradients, where torch's are slow: in bfloat16 on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from reid_baseline.convolution import in_bfloat16

PART = 3  # height and width of the largest kernel whose gradient oneDNN computes fast


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution with gradients of its own under a CPU's bfloat16 autocast, and torch's elsewhere.

    There, measured on a CPU without AMX, oneDNN takes 6 to 250 times as long as in float32 for the gradient of the
    input of a layer with a stride, and 3 to 7 times as long for that of a kernel larger than 3 x 3. So the first is
    computed in float32, and the second is put together from those of the kernel's 3 x 3 parts.

    Only for convolutions that `speed_up_depthwise` changes.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (B, C, H, W) to (B, C, H', W')."""
        if self.bias is not None or not in_bfloat16(images.device):
            return super().forward(images)
        low = (images.to(torch.bfloat16), self.weight.to(torch.bfloat16))
        return Depthwise.apply(*low, self.stride[0], int(self.padding[0]))


def speed_up_depthwise(network: nn.Module) -> None:
    """Turns a network's depthwise convolutions into `DepthwiseConv2d`, all but those that it cannot compute.

    It can with no bias, no dilation, zero padding, an odd kernel from 3 x 3, and kernel, stride and padding equal in
    height and width.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and _is_depthwise(layer):
            layer.__class__ = DepthwiseConv2d


def _is_depthwise(layer: nn.Conv2d) -> bool:
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        return False
    square = all(height == width for height, width in (layer.kernel_size, layer.stride, layer.padding))
    odd = layer.kernel_size[0] >= PART and layer.kernel_size[0] % 2 == 1
    one_each = layer.groups == layer.in_channels == layer.out_channels > 1
    return square and odd and one_each and layer.bias is None and layer.dilation == (1, 1)


class Depthwise(torch.autograd.Function):
    """(B, C, H, W) and a (C, 1, K, K) kernel -> (B, C, H', W')."""

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, kernel: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
        ctx.save_for_backward(images, kernel)
        ctx.window = (stride, padding)
        return F.conv2d(images, kernel, None, stride, padding, groups=len(kernel))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        images, kernel = ctx.saved_tensors
        of_images = of_kernel = None
        if ctx.needs_input_grad[0]:
            of_images = _slope_of_images(slope, images, kernel, *ctx.window)
        if ctx.needs_input_grad[1]:
            of_kernel = _slope_of_kernel(slope, images, kernel, *ctx.window)
        return of_images, of_kernel, None, None


def _slope_of_images(
    slope: torch.Tensor, images: torch.Tensor, kernel: torch.Tensor, stride: int, padding: int
) -> torch.Tensor:
    tensors = (slope, images, kernel)
    if stride > 1:
        tensors = (slope.float(), images.float(), kernel.float())
    return _backward(*tensors, stride, padding, (True, False, False))[0].to(images.dtype)


def _slope_of_kernel(
    slope: torch.Tensor, images: torch.Tensor, kernel: torch.Tensor, stride: int, padding: int
) -> torch.Tensor:
    """Its parts overlap by a row and a column, whose values are the same in both."""
    padded = F.pad(images, (padding,) * 4)  # a tap that sees padding alone then needs no special case
    height, width = (stride * (length - 1) + PART for length in slope.shape[2:])  # what a part sees
    whole, part = torch.empty_like(kernel), kernel[:, :, :PART, :PART].contiguous()
    starts = range(0, kernel.shape[2] - PART + 1, PART - 1)
    for y in starts:
        for x in starts:
            seen = padded[:, :, y : y + height, x : x + width].contiguous(memory_format=torch.channels_last)
            slope_of_part = _backward(slope, seen, part, stride, 0, (False, True, False))[1]
            whole[:, :, y : y + PART, x : x + PART] = slope_of_part
    return whole


def _backward(
    slope: torch.Tensor,
    images: torch.Tensor,
    kernel: torch.Tensor,
    stride: int,
    padding: int,
    wanted: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """torch's gradients of the input, the kernel and the bias, as far as wanted."""
    window = ([stride, stride], [padding, padding], [1, 1])
    return torch.ops.aten.convolution_backward(
        slope, images, kernel, None, *window, False, [0, 0], len(kernel), list(wanted)
    )
