"""Convolutions as matrix products, against those of torch."""

import copy

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from reid_baseline.convolution import WIDE, Im2Col, MatrixConv2d, multiply_matrices


def as_matrices(conv):
    network = nn.Sequential(copy.deepcopy(conv))
    multiply_matrices(network)
    return network[0]


@settings(max_examples=25, deadline=None)
@given(
    kernel_and_padding=st.sampled_from([(1, 0), (3, 1), (3, 0), (5, 2), (7, 3)]),
    stride=st.integers(1, 3),
    size=st.tuples(st.integers(1, 8), st.integers(1, 4)),
    bias=st.booleans(),
    last=st.booleans(),
)
def test_gives_the_result_and_the_gradients_of_a_convolution(kernel_and_padding, stride, size, bias, last):
    kernel, padding = kernel_and_padding
    assume(min(size) + 2 * padding >= kernel)
    usual = nn.Conv2d(8, WIDE, kernel, stride, padding, bias=bias)
    matrix = as_matrices(usual)
    images = torch.randn(2, 8, *size)
    if last:
        images, matrix = (x.to(memory_format=torch.channels_last) for x in (images, matrix))
    results = []
    for layer, precision in ((usual, "fp32"), (matrix, "bf16")):
        inputs = images.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            out = layer(inputs)
        weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
        (out.float() * weights).sum().backward()
        results.append([out.float(), inputs.grad, *(parameter.grad for parameter in layer.parameters())])
    for expected, actual in zip(*results, strict=True):
        assert actual.shape == expected.shape
        assert (actual - expected).norm() <= 0.01 * expected.norm()  # bfloat16 has 8 bits


def test_sums_the_gradient_of_a_pixel_over_the_taps_in_float32():
    generator = torch.Generator().manual_seed(0)
    images, weights, gradient = (
        torch.randn(size, generator=generator).bfloat16().float()
        for size in ((8, 64, 8, 4), (WIDE, 64, 3, 3), (8, WIDE, 8, 4))
    )
    results = []
    for layer in (usual := nn.Conv2d(64, WIDE, 3, padding=1, bias=False), as_matrices(usual)):
        layer.weight.data = weights
        inputs = images.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=layer is not usual):
            layer(inputs).backward(gradient.to(torch.float32 if layer is usual else torch.bfloat16))
        results.append(inputs.grad)
    assert (results[1] - results[0]).norm() <= 0.003 * results[0].norm()  # 0.004 where each tap's sum is rounded


def test_im2col_has_its_exact_gradient():
    pixels = torch.randn(2, 4, 5, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Im2Col.apply(x, 3, 2, 1), (pixels,))


@pytest.mark.parametrize("bias", [True, False])
def test_multiplies_matrices_under_bfloat16_only(monkeypatch, bias):
    convolved = []
    usual = nn.Conv2d.forward
    monkeypatch.setattr(nn.Conv2d, "forward", lambda layer, images: convolved.append(layer) or usual(layer, images))
    small, large = torch.randn(1, 4, 8, 4), torch.randn(1, 4, 8, 5)
    wide, narrow = (as_matrices(nn.Conv2d(4, width, 3, padding=1, bias=bias)) for width in (WIDE, WIDE - 1))
    half = as_matrices(nn.Conv2d(4, WIDE, 3, 2, padding=1, bias=bias))
    one_tap, padded = (as_matrices(nn.Conv2d(4, 4, 1, padding=padding, bias=bias)) for padding in (0, 1))
    cases = [(wide, small, 0), (wide, large, 1), (narrow, small, 1), (one_tap, large, 0), (padded, large, 1)]
    cases += [(half, torch.randn(1, 4, 16, 8), 0), (half, torch.randn(1, 4, 16, 9), 1), (wide, small[:0], 0)]
    for layer, images, convolutions in cases:
        exact = layer(images)
        assert convolved.pop() is layer
        with torch.autocast("cpu", torch.bfloat16):
            assert (layer(images) - exact).norm() <= 0.01 * exact.norm()
        assert len(convolved) == convolutions
        convolved.clear()


def test_a_network_keeps_its_weights():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1)))
    before = dict(network.named_parameters())
    multiply_matrices(network)
    assert all(isinstance(layer, MatrixConv2d) for layer in (network[0], network[1][1]))
    after = dict(network.named_parameters())
    assert list(after) == list(before) and all(after[name] is before[name] for name in before)
    assert all(parameter.dtype == torch.double for parameter in network.double().parameters())


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        (1, {"groups": 2}),
        (3, {"groups": 2, "padding": 1}),
        (3, {"dilation": 2, "padding": 2}),
        ((3, 1), {"padding": (1, 0)}),
        (1, {"stride": (2, 1)}),
        (3, {"padding": (1, 0)}),
        (3, {"padding": "same"}),
        (3, {"padding": 1, "padding_mode": "circular"}),
    ],
)
def test_leaves_alone_what_is_no_such_product(kernel, options):
    usual = nn.Conv2d(8, WIDE, kernel, **options)
    layer, images = as_matrices(usual), torch.randn(2, 8, 8, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(images), usual(images))
    assert type(layer) is nn.Conv2d
