"""Depthwise convolutions with gradients of their own, against those of torch."""

import copy

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from reid_baseline.convolution import multiply_matrices
from reid_baseline.depthwise import DepthwiseConv2d, speed_up_depthwise

CHANNELS = 16


def depthwise(kernel, stride=1, **options):
    options = {"padding": kernel // 2, "groups": CHANNELS, "bias": False} | options
    return nn.Conv2d(CHANNELS, CHANNELS, kernel, stride, **options)


def sped_up(conv):
    network = nn.Sequential(copy.deepcopy(conv))
    speed_up_depthwise(network)
    return network[0]


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.sampled_from([3, 5, 7]),
    stride=st.integers(1, 3),
    padded=st.booleans(),
    size=st.tuples(st.integers(1, 9), st.integers(1, 5)),
    last=st.booleans(),
)
def test_gives_the_result_and_the_gradients_of_a_convolution(kernel, stride, padded, size, last):
    padding = kernel // 2 if padded else 0
    assume(min(size) + 2 * padding >= kernel)
    usual = depthwise(kernel, stride, padding=padding)
    fast = sped_up(usual)
    assert type(fast) is DepthwiseConv2d
    images = torch.randn(3, CHANNELS, *size)
    if last:
        images, fast = (x.to(memory_format=torch.channels_last) for x in (images, fast))
    results = []
    for layer, precision in ((usual, "fp32"), (fast, "bf16")):
        inputs = images.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            out = layer(inputs)
        weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
        (out.float() * weights).sum().backward()
        results.append([out.float(), inputs.grad, layer.weight.grad])
    for expected, actual in zip(*results, strict=True):
        assert actual.shape == expected.shape
        assert (actual - expected).norm() <= 0.01 * expected.norm()  # bfloat16 has 8 bits


def test_is_torchs_own_in_float32_and_with_a_folded_norm():
    usual = depthwise(5, 2)
    fast, images = sped_up(usual), torch.randn(2, CHANNELS, 8, 4)
    assert torch.equal(fast(images), usual(images))
    usual.bias = fast.bias = nn.Parameter(torch.randn(CHANNELS))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fast(images), usual(images))


@pytest.mark.parametrize("frozen", ["images", "weight"])
def test_gives_no_gradient_to_what_needs_none(frozen):
    layer, images = sped_up(depthwise(3)), torch.randn(2, CHANNELS, 8, 4, requires_grad=frozen != "images")
    layer.weight.requires_grad_(frozen != "weight")
    with torch.autocast("cpu", torch.bfloat16):
        layer(images).float().sum().backward()
    assert (images.grad is None, layer.weight.grad is None) == (frozen == "images", frozen == "weight")


@pytest.mark.parametrize(
    "conv",
    [
        depthwise(3, groups=4),
        depthwise(3, groups=1),
        depthwise(1),
        depthwise(4),
        depthwise(3, bias=True),
        depthwise(3, dilation=2),
        depthwise(3, (2, 1)),
        depthwise(3, padding="same"),
        depthwise(3, padding=1, padding_mode="circular"),
        nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, groups=CHANNELS, bias=False),
    ],
)
def test_leaves_alone_what_is_none_or_another_kind(conv):
    assert type(sped_up(conv)) is nn.Conv2d


def test_is_no_product_of_matrices():
    network = nn.Sequential(depthwise(3))
    multiply_matrices(network)
    assert type(network[0]) is nn.Conv2d
