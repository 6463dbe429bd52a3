"""Non-local attention over all positions of a feature map, without the N x N map in memory."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.errors import PoNAError

REDUCTION = 8  # queries and keys have an eighth of the channels
BLOCK = 128  # queries at a time on a CPU
WIDEST_HEAD = 128  # channels that every fused kernel of torch accepts, forward and backward


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention over the positions of a feature map, without 1/sqrt(d) (eqs. 4-6 of the paper).

    torch's fused kernels need values as wide as the queries, and some also a width divisible by 8. Values are wider
    here, so they are split into as few heads as the kernels allow, and every head gets the same query and key, padded
    with zeros to its width: the same result, without the N x N map. Narrow heads would need no padding, but compute
    the softmax once per head. On a CPU plain matrix products over blocks of queries are 5 times faster than the fused
    kernel, forward and backward, and do not hold the whole map either (in training autograd keeps the blocks).

    Args:
        query: B x D x H x W.
        key: B x D x H x W.
        value: B x C x H x W, where D divides C.

    Returns:
        B x C x H x W.
    """
    return attend_in_blocks(query, key, value) if query.device.type == "cpu" else attend_fused(query, key, value)


def attend_fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    batch, channels, height, width = value.shape
    heads, depth = head_shape(query.shape[1], channels)
    padded = -(-depth // 8) * 8

    def as_heads(x: Tensor, count: int) -> Tensor:  # B x count*D x H x W -> B x count x HW x padded, last stride 1
        x = x.contiguous(memory_format=torch.channels_last).flatten(2).transpose(1, 2)
        x = x.unflatten(2, (count, -1)).transpose(1, 2)
        return F.pad(x, (0, padded - x.shape[3])) if x.shape[3] < padded else x

    q, k = (as_heads(x, 1).expand(-1, heads, -1, -1).contiguous() for x in (query, key))
    attended = F.scaled_dot_product_attention(q, k, as_heads(value, heads), scale=1.0)[..., :depth]
    # Channels last in memory, as the convolutions before and after it.
    return attended.transpose(1, 2).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def head_shape(depth: int, channels: int) -> tuple[int, int]:
    """(heads, width of a head) for values of `channels` and queries of `depth`: few wide heads, at least `depth` each.

    Flash, cuDNN and memory-efficient attention run forward and backward if query, key and value are equally wide, at
    most 128, and 8 divides the width (see torch's `sdp_utils.cpp`; flash pads to multiples of 8 by itself).
    """
    most = channels // depth
    heads = next((h for h in range(1, most) if channels % h == 0 and channels // h <= WIDEST_HEAD), most)
    return heads, channels // heads


def attend_in_blocks(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    keys, values = key.flatten(2), value.flatten(2).transpose(1, 2)
    blocks = []
    for queries in query.flatten(2).transpose(1, 2).split(BLOCK, dim=1):
        weights = torch.bmm(queries, keys).softmax(dim=-1)  # B x BLOCK x N
        blocks.append(torch.bmm(weights.to(values.dtype), values))
    return torch.cat(blocks, dim=1).transpose(1, 2).unflatten(2, value.shape[2:])


class _Attention(nn.Module):
    """The learnt maps to queries, keys and values, and the weight of what is attended to, 0 at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        depth = query_depth(channels)
        self.query = nn.Conv2d(channels, depth, 1)
        self.key = nn.Conv2d(channels, depth, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))


class CrossAttention(_Attention):
    """Pose-guided attention (eqs. 4-7): queries and keys come from the pose code, values from the image code.

    The result is gamma * attended + image code; gamma starts at 0.
    """

    def forward(self, image_code: Tensor, pose_code: Tensor) -> Tensor:
        """B x C x H x W, B x C x H x W -> B x C x H x W."""
        attended = attend(self.query(pose_code), self.key(pose_code), self.value(image_code))
        return self.gamma * attended + image_code


class SelfAttention(_Attention):
    """Self-attention of the authors' code: gamma * attended + beta * x + x; gamma and beta start at 0.

    After Zhang et al. (SAGAN, ICML 2019); beta is the authors' addition.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.beta = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> B x C x H x W."""
        return self.gamma * attend(self.query(x), self.key(x), self.value(x)) + self.beta * x + x


def query_depth(channels: int) -> int:
    """Channels of queries and keys.

    Raises:
        PoNAError: where `channels` is no multiple of 8.
    """
    if channels < REDUCTION or channels % REDUCTION:
        raise PoNAError(f"attention over {channels} channels, expected a multiple of {REDUCTION}: give an even width")
    return channels // REDUCTION
