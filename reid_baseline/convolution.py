"""Convolutions as products of matrices, where that is faster: in bfloat16 on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# A kernel of several taps is worth gathering what each tap sees if it has so many output channels, and so few pixels.
WIDE, FEW_PIXELS = 512, 32


class MatrixConv2d(nn.Conv2d):
    """A convolution that multiplies matrices under a CPU's bfloat16 autocast, and is a usual one elsewhere.

    With one tap, a map in channels-last memory is a matrix already. With several, what each output pixel sees is
    gathered into a row of one, if the layer is wide and its map small. There oneDNN's own bfloat16 kernels reach,
    without AMX, a third to three quarters of the speed of its product. With AMX it was not measured.

    Args:
        conv: the square one, neither grouped nor dilated, whose place and weights it takes.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        sizes = (conv.kernel_size, conv.stride, conv.padding)
        super().__init__(conv.in_channels, conv.out_channels, *sizes, bias=False, device="meta")  # type: ignore[arg-type]
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (B, in, H, W) to (B, out, H', W')."""
        stride = self.stride[0]
        one_tap = self.kernel_size == (1, 1) and self.padding == (0, 0)
        small = self.out_channels >= WIDE and images[0, 0].numel() <= FEW_PIXELS * stride**2
        if not (one_tap or small) or images.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(images)
        pixels = images.to(torch.get_autocast_dtype("cpu")).permute(0, 2, 3, 1)
        if one_tap:
            rows = pixels[:, ::stride, ::stride]
        else:
            rows = _Gather.apply(pixels, self.kernel_size[0], stride, int(self.padding[0]))
        flat = rows.flatten(0, 2)
        matrix = self.weight.permute(0, 2, 3, 1).flatten(1).t()
        found = flat @ matrix if self.bias is None else torch.addmm(self.bias, flat, matrix)
        return found.unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)


class _Gather(torch.autograd.Function):
    """(B, H, W, C) -> (B, H', W', taps * C): what each output pixel of a square kernel sees."""

    @staticmethod
    def forward(ctx: Any, pixels: torch.Tensor, kernel: int, stride: int, padding: int) -> torch.Tensor:
        padded = F.pad(pixels, (0, 0, padding, padding, padding, padding))
        ctx.window = (kernel, stride, padding, padded.shape)
        return torch.cat(_taps(padded, kernel, stride), dim=3)

    @staticmethod
    def backward(ctx: Any, rows: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        kernel, stride, padding, shape = ctx.window
        padded = rows.new_zeros(shape)
        for view, tap in zip(_taps(padded, kernel, stride), rows.split(shape[3], 3), strict=True):
            view += tap
        return padded[:, padding : shape[1] - padding, padding : shape[2] - padding], None, None, None


def _taps(padded: torch.Tensor, kernel: int, stride: int) -> list[torch.Tensor]:
    """Views of what each tap sees, (B, H', W', C)."""
    height, width = (length - kernel + 1 for length in padded.shape[1:3])
    return [padded[:, y : y + height : stride, x : x + width : stride] for y in range(kernel) for x in range(kernel)]


def multiply_matrices(network: nn.Module) -> None:
    """Puts a `MatrixConv2d` in the place of each convolution of a network; all must be ones that it can replace."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2d):
                setattr(parent, name, MatrixConv2d(layer))
