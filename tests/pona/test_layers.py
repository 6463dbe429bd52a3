"""Layers and their first weights."""

import pytest
import torch
from torch import nn

from pona.layers import HalfDropout, initialise, norm_layer, zero_biases


def test_dropout_keeps_half_and_doubles_it() -> None:
    torch.manual_seed(0)
    x = torch.ones(4, 8, 32, 31, requires_grad=True)
    y = HalfDropout()(x)
    assert set(y.unique().tolist()) == {0, 2}
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())  # type: ignore[arg-type]
    assert torch.equal(HalfDropout().eval()(x), x)


def test_first_weights_are_the_authors() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(64, 64, 3), nn.ConvTranspose2d(64, 64, 3), nn.BatchNorm2d(64))
    biases = [network[0].bias.clone(), network[1].bias.clone()]
    network.apply(initialise)
    for layer, bias in zip(network[:2], biases, strict=True):
        assert layer.weight.mean().item() == pytest.approx(0, abs=5e-4)
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert torch.equal(layer.bias, bias) and bias.abs().max() > 0.01  # torch's default
    assert network[2].weight.mean().item() == pytest.approx(1, abs=0.01) and network[2].weight.std() > 0.01
    assert not network[2].bias.any()


def test_biases_of_convolutions_become_zero_and_nothing_else_changes() -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 3), nn.ConvTranspose2d(2, 2, 3, bias=False), nn.BatchNorm2d(2))
    nn.init.ones_(network[2].bias)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.apply(zero_biases)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, torch.zeros(2) if name == "0.bias" else before[name])


@pytest.mark.parametrize(("norm", "weights"), [("batch", 8), ("instance", 0), ("none", 0)])
def test_norms(norm: str, weights: int) -> None:
    layer = norm_layer(norm, 4)
    x = 3 * torch.randn(8, 4, 5, 5) + 2
    dims = (0, 2, 3) if norm == "batch" else (2, 3)
    assert sum(parameter.numel() for parameter in layer.parameters()) == weights
    if norm == "none":
        assert torch.equal(layer(x), x)
    else:
        torch.testing.assert_close(layer(x).mean(dim=dims), torch.zeros_like(x.mean(dim=dims)), rtol=0, atol=1e-5)
