"""Attention: the fused way, the plain way and a loop agree."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import pona.attention
from pona import PoNAError
from pona.attention import CrossAttention, SelfAttention, attend, attend_fused, attend_in_blocks, head_shape


def inputs(batch: int = 2, depth: int = 3, channels: int = 24, height: int = 4, width: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, c, height, width, generator=generator) for c in (depth, depth, channels)]


def naive(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Eqs. 4-6 as loops over places."""
    batch, _, height, width = query.shape
    out = torch.zeros_like(value).flatten(2)
    q, k, v = query.flatten(2).tolist(), key.flatten(2).tolist(), value.flatten(2)
    for b in range(batch):
        for i in range(height * width):
            scores = [
                math.exp(sum(row[i] * other[j] for row, other in zip(q[b], k[b], strict=True)))
                for j in range(height * width)
            ]
            weights = torch.tensor(scores) / sum(scores)
            out[b, :, i] = v[b] @ weights
    return out.unflatten(2, (height, width))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("way", [attend_fused, attend_in_blocks])
def test_both_ways_agree_with_loops(
    way: Callable[..., torch.Tensor], memory_format: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pona.attention, "BLOCK", 7)  # 20 places: the last block is smaller
    query, key, value = inputs()
    attended = way(*[x.contiguous(memory_format=memory_format) for x in (query, key, value)])
    torch.testing.assert_close(attended, naive(query, key, value), rtol=1e-4, atol=1e-5)


# Widths 24 and 64 of the generator, cross and self-attention: several heads, and one that 8 does not divide.
@pytest.mark.parametrize(("depth", "channels"), [(3, 24), (12, 96), (24, 192), (32, 256), (64, 512), (17, 136)])
def test_both_ways_have_the_same_gradients(depth: int, channels: int) -> None:
    results, gradients = [], []
    for way in (attend_fused, attend_in_blocks):
        leaves = [(x / depth**0.5).requires_grad_() for x in inputs(depth=depth, channels=channels)]
        results.append(way(*leaves))
        results[-1].square().sum().backward()
        gradients.append([leaf.grad for leaf in leaves])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", range(2, 130, 2))
def test_heads_fit_the_fused_kernels(width: int) -> None:
    for channels in (4 * width, 8 * width):
        heads, wide = head_shape(channels // 8, channels)
        assert heads * wide == channels and channels // 8 <= wide <= 128


def test_fused_kernels_get_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = torch.nn.functional.scaled_dot_product_attention

    def spy(*tensors: torch.Tensor, **options: float) -> torch.Tensor:
        seen.extend(tensors)
        return real(*tensors, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    for depth in (12, 17, 24):
        attend_fused(*inputs(depth=depth, channels=8 * depth))
    assert len(seen) == 9
    assert all(x.shape[3] % 8 == 0 and x.stride(3) == 1 and 0 not in x.stride() for x in seen)


class LargestTensor(TorchDispatchMode):
    """Notes the largest number of elements that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor) and "expand" not in str(func):
                self.elements = max(self.elements, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


@pytest.mark.parametrize("way", [attend_fused, attend_in_blocks])
def test_map_is_never_made_at_inference(way: Callable[..., torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = inputs(batch=1, depth=2, channels=16, height=32, width=16)
    with torch.inference_mode(), LargestTensor() as largest:
        way(query, key, value)
    assert 0 < largest.elements <= 512 * 512 / 4
    monkeypatch.setattr(pona.attention, "BLOCK", 512)
    with LargestTensor() as largest:  # the measure can see a map
        attend_in_blocks(query, key, value)
    assert largest.elements == 512 * 512


def test_modules_start_as_identity() -> None:
    x, pose = torch.randn(2, 2, 16, 4, 4)
    assert torch.equal(CrossAttention(16)(x, pose), x)
    assert torch.equal(SelfAttention(16)(x), x)


def test_gamma_and_beta_weigh_the_parts() -> None:
    x = torch.randn(2, 16, 4, 4)
    attention = SelfAttention(16)
    torch.nn.init.constant_(attention.gamma, 2.0)
    torch.nn.init.constant_(attention.beta, 3.0)
    attended = attend(attention.query(x), attention.key(x), attention.value(x))
    torch.testing.assert_close(attention(x), 2 * attended + 4 * x)


def test_pose_decides_where_and_image_what() -> None:
    attention = CrossAttention(16)
    torch.nn.init.constant_(attention.gamma, 1.0)
    image, pose = torch.randn(2, 2, 16, 4, 4)
    moved = attend(attention.query(pose), attention.key(pose), attention.value(image)) + image
    torch.testing.assert_close(attention(image, pose), moved)


def test_channels_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(PoNAError, match="multiple of 8"):
        SelfAttention(12)
