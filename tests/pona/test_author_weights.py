"""Weights of the authors' code give the images of their network.

The network here is a second, minimal implementation with the module names of the authors' state dict, and with
attention written out as a map.
"""

import pytest
import torch
from torch import Tensor, nn

from pona import PoNAError, generator_from_author_weights
from tests.factories import generator_inputs, wake


def reference_conv(channels: int, out_channels: int, norm: type[nn.Module]) -> nn.Module:
    holder = nn.Module()
    holder.conv = nn.Sequential(
        nn.Conv2d(channels, channels, 3, 1, 1), norm(channels), nn.ReLU(), nn.Dropout(0.5),
        nn.Conv2d(channels, out_channels, 3, 1, 1), norm(out_channels), nn.ReLU(),
    )  # fmt: skip
    return holder


def reference_map(module: nn.Module, x: Tensor) -> Tensor:
    energy = torch.einsum("bdi,bdj->bij", module.query_conv(x).flatten(2), module.key_conv(x).flatten(2))
    return torch.softmax(energy, dim=2)


class ReferenceAttention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(channels, channels // 8, 1)
        self.key_conv = nn.Conv2d(channels, channels // 8, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))


class ReferenceBlock(ReferenceAttention):
    def __init__(self, channels: int, norm: type[nn.Module]) -> None:
        super().__init__(channels)
        self.conv, self.conv2 = reference_conv(channels, channels, norm), reference_conv(channels, channels, norm)
        self.dconv = reference_conv(2 * channels, 2 * channels, norm)
        self.dconv2 = reference_conv(2 * channels, channels, norm)
        self.att2 = ReferenceAttention(2 * channels)
        self.att2.beta = nn.Parameter(torch.zeros(1))

    def forward(self, image: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        fused = torch.cat([image, pose], 1)
        moved = torch.einsum("bij,bcj->bci", reference_map(self.att2, fused), self.att2.value_conv(fused).flatten(2))
        fused = self.att2.gamma * moved.reshape(fused.shape) + self.att2.beta * fused + fused
        pose = self.dconv2.conv(fused + self.dconv.conv(fused))
        image = image + self.conv.conv(image)
        image = image + self.conv2.conv(image)
        moved = torch.einsum("bij,bcj->bci", reference_map(self, pose), self.value_conv(image).flatten(2))
        return self.gamma * moved.reshape(image.shape) + image, pose


class Reference(nn.Module):
    def __init__(self, width: int, blocks: int, norm: type[nn.Module], block_norm: type[nn.Module]) -> None:
        super().__init__()
        bias = norm is nn.InstanceNorm2d

        def down(channels: int) -> nn.Sequential:
            return nn.Sequential(
                nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7, bias=bias), norm(width), nn.ReLU(),
                nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias), norm(2 * width), nn.ReLU(),
                nn.Conv2d(2 * width, 4 * width, 3, 2, 1, bias=bias), norm(4 * width), nn.ReLU(),
            )  # fmt: skip

        self.stream1_down, self.stream2_down = down(3), down(36)
        self.att = nn.ModuleList(ReferenceBlock(4 * width, block_norm) for _ in range(blocks))
        self.stream1_up = nn.Sequential(
            nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1, bias=bias), norm(2 * width), nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1, bias=bias), norm(width), nn.ReLU(),
            nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh(),
        )  # fmt: skip

    def forward(self, image: Tensor, condition: Tensor, target: Tensor) -> Tensor:
        image, pose = self.stream1_down(image), self.stream2_down(torch.cat([condition, target], 1))
        for block in self.att:
            image, pose = block(image, pose)
        return self.stream1_up(image)


NORMS = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}


@pytest.mark.parametrize("prefix", ["model.", "module.model.", ""])
@pytest.mark.parametrize(("norm", "block_norm"), [("batch",) * 2, ("instance",) * 2, ("batch", "instance")])
def test_author_weights_give_the_same_images(prefix: str, norm: str, block_norm: str) -> None:
    torch.manual_seed(0)
    reference = wake(Reference(8, 2, NORMS[norm], NORMS[block_norm]))
    generator = generator_from_author_weights({prefix + name: t for name, t in reference.state_dict().items()})
    assert not generator.training
    assert (generator.config.width, len(generator.blocks)) == (8, 2)
    with torch.no_grad():
        expected, generated = reference(*generator_inputs()), generator(*generator_inputs())
    assert expected.std() > 0.1
    torch.testing.assert_close(generated, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("broken", ["empty", "foreign", "missing", "shape"])
def test_other_weights_are_refused_in_one_line(broken: str) -> None:
    state = Reference(8, 1, nn.BatchNorm2d, nn.BatchNorm2d).state_dict()
    if broken == "empty":
        state = {}
    elif broken == "foreign":
        state = nn.Linear(2, 2).state_dict()
    elif broken == "missing":
        del state["att.0.gamma"], state["stream1_up.7.bias"]
    else:
        state["stream1_up.7.bias"] = torch.zeros(4)
    with pytest.raises(PoNAError, match="authors") as caught:
        generator_from_author_weights(state)
    assert "\n" not in str(caught.value) and "state_dict for" not in str(caught.value)
