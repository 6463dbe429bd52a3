"""LWG-2D: LWG's parameters and network, and flow and maps from ten body parts."""

import re
import zlib

import pytest
import torch
from torch import Tensor, nn

from pona import PoNAError
from pona.generators.lwg2d import LWG2DConfig, LWG2DGenerator, body_map, move, part_flow, shrink_background
from pona.generators.parts import part_affines
from pona.objectives.lwg2d import PatchDiscriminator
from pona.profiling import count_macs, count_parameters
from tests.pona.generators.test_parts import pair, people

NAN = float("nan")


def test_parameters_are_those_of_lwg() -> None:
    """Table II prints 97.45 M; the parts are counted in the authors' network."""
    with torch.device("meta"):
        generator = LWG2DGenerator(LWG2DConfig())
        assert count_parameters(generator) == 97_452_736
        parts = (generator.background, generator.source, generator.transfer)
        assert [sum(p.numel() for p in part.parameters()) for part in parts] == [31_445_184, 33_003_776, 33_003_776]
        assert sum(p.numel() for p in PatchDiscriminator().parameters()) == 6_962_625
    assert PatchDiscriminator(2)(torch.zeros(1, 6, 128, 64)).shape == (1, 1, 6, 2)
    assert PatchDiscriminator(2)(torch.zeros(1, 6, 256, 256)).shape == (1, 1, 14, 14)
    with pytest.raises(PoNAError, match=r"64 x 32 .* at least 48"):
        PatchDiscriminator(2)(torch.zeros(1, 6, 64, 32))
    assert count_macs(LWG2DGenerator(LWG2DConfig(24)), (128, 64)) / 1e9 == pytest.approx(2.7, abs=0.1)


def theirs(name: str) -> str:
    """The authors' name of a tensor, with two residual blocks in each network."""
    if match := re.match(r"background\.(\d+)\.(.*)", name):
        index, rest = int(match[1]), match[2]
        if index < 4:  # convolution, norm, ReLU
            return f"bg_model.model.{3 * index + int(rest[0])}.{rest[2:]}"
        if index < 6:
            return f"bg_model.model.{8 + index}.main.{rest.removeprefix('layers.')}"
        if index < 9:
            return f"bg_model.model.{14 + 3 * (index - 6) + int(rest[0])}.{rest[2:]}"
        return f"bg_model.model.23.{rest}"
    name = name.replace("source.", "src_model.").replace("transfer.", "tsf_model.")
    name = re.sub(r"residuals\.(\d+)\.layers\.", r"resnets.\1.main.", name)
    name = name.replace("joiners.", "skippers.").replace("colour.", "img_reg.").replace(".mask.", ".attetion_reg.")
    return name


def fill(generator: nn.Module) -> None:
    state = generator.state_dict()
    for name, tensor in state.items():
        key = theirs(name)
        value = torch.sin(0.7 * torch.arange(tensor.numel(), dtype=torch.float64) + zlib.crc32(key.encode()) % 1000)
        value = 1 + 0.1 * value if tensor.ndim == 1 and key.endswith("weight") else 0.05 * value
        tensor.copy_(value.float().view(tensor.shape))


def test_the_network_is_that_of_the_authors() -> None:
    """Golden numbers of impersonator b041dd4 with these weights, inputs and flow."""
    generator = LWG2DGenerator(LWG2DConfig(8, 2)).eval()
    fill(generator)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")

    def image(channels: int, offset: int) -> Tensor:
        return torch.stack([torch.sin(0.1 * x + 0.07 * y + channel + offset) for channel in range(channels)])[None]

    places = torch.linspace(-1, 1, 32)
    down, across = torch.meshgrid(places, places, indexing="ij")
    flow = torch.stack((0.9 * across + 0.1 * down, 0.8 * down - 0.1), dim=-1)[None]
    with torch.no_grad():
        background = generator.background(image(4, 0))
        features = generator.source.encode(image(6, 1))
        colour, mask = generator.transfer(image(6, 2), features, flow)
    assert background[0, :, 5, 7].tolist() == pytest.approx([-0.08826, 0.105479, -0.011042], abs=2e-6)
    assert colour[0, :, 5, 7].tolist() == pytest.approx([-0.07242, 0.165839, -0.084613], abs=2e-6)
    assert mask[0, 0, 5, 7].item() == pytest.approx(0.514377, abs=2e-6)


def test_the_same_pose_flows_nowhere_else() -> None:
    pose = people(2)
    _, part = body_map(pose, (128, 64))
    flow = part_flow(part_affines(pose, pose), part)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 128), torch.linspace(-1, 1, 64), indexing="ij")
    body = part >= 0
    assert 0.15 < body.float().mean() < 0.6
    assert torch.allclose(flow[body], torch.stack((x, y), dim=-1).expand(2, -1, -1, -1)[body], atol=1e-5)
    assert (flow[~body] == -2).all()
    image = torch.rand(2, 3, 128, 64)
    moved = move(image, flow)
    assert torch.allclose(moved, image * body[:, None], atol=1e-4)


def test_a_joint_flows_from_itself() -> None:
    condition, target = pair()
    _, part = body_map(target, (128, 64))
    flow = part_flow(part_affines(condition, target), part)[0]
    for joint, number in ((3, 8), (6, 9), (12, 5)):  # elbows and a knee, within forearms and shins
        x, y = target[0, joint].int().tolist()
        assert part[0, y, x] == number
        place = (flow[y, x] + 1) / 2 * torch.tensor([63.0, 127.0])
        assert torch.allclose(place, condition[0, joint], atol=0.01)


def test_maps_say_part_and_place() -> None:
    pose = pair()[1]
    pose[0, 4] = NAN
    person, part = body_map(pose, (128, 64))
    assert torch.equal(person[0, 2] == 1, part[0] == -1) and 8 not in part.unique()  # no right forearm
    body = part[0] >= 0
    numbers = (person[0, 0] * 10)[body] - part[0][body]
    assert numbers.min() > -1e-5 and numbers.max() < 1 + 1e-5 and person.min() >= 0 and person.max() <= 1
    x, y = ((pose[0, 12] + pose[0, 13]) / 2).round().int().tolist()  # the middle of the left shin
    assert part[0, y, x] == 5 and person[0, 0, y, x] == pytest.approx(0.55, abs=0.02)
    assert person[0, 1, y, x] == pytest.approx(0.5, abs=0.1)
    nobody, none = body_map(torch.full((1, 18, 2), NAN), (128, 64))
    assert (none == -1).all() and nobody[0].flatten(1).mean(1).tolist() == [0, 0, 1]


def test_the_background_shrinks_but_not_from_the_border() -> None:
    background = torch.ones(1, 1, 9, 9)
    background[0, 0, 4, 4] = 0
    assert int((1 - shrink_background(background, 3)).sum()) == 9
    assert int((1 - shrink_background(background, 7)).sum()) == 49
    assert torch.equal(shrink_background(torch.ones(1, 1, 9, 9), 7), torch.ones(1, 1, 9, 9))


def test_a_smaller_flow_keeps_the_border_of_the_body() -> None:
    """Half of the image flows, the other half comes from nowhere; no feature is a mixture."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    flow = torch.where((x < 0)[..., None], torch.stack((x, y), dim=-1), -2.0)[None]
    features = torch.rand(1, 2, 8, 8) + 1
    moved = move(features, flow)
    assert torch.allclose(moved[..., :4], features[..., :4], atol=1e-5) and not moved[..., 4:].any()


def test_the_background_stays_the_condition_images() -> None:
    torch.manual_seed(0)
    generator = LWG2DGenerator(LWG2DConfig(4, 1)).eval()
    inputs = generator.prepare(torch.rand(2, 3, 64, 32), people(2) / 2, people(2).flip(0) / 2)
    image, reconstructed, mask, source_mask = generator(*inputs, everything=True)
    behind = generator.background(inputs.background)
    for made, weight in ((image, mask), (reconstructed, source_mask)):
        assert made.shape == (2, 3, 64, 32) and weight.shape == (2, 1, 64, 32)
        assert ((made - weight * behind).abs() <= (1 - weight) + 1e-6).all()
