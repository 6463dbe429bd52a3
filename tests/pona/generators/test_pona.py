"""The generator: counts, shapes and ablations."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pona import PoNAError, PoNAGenerator
from pona.generators.pona import GeneratorConfig
from pona.train import train
from tests.factories import RECORD, TINY, generator_inputs, small_data, wake


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("blocks", "norm", "block_norm", "expected"),
    [
        (3, "batch", None, 34_347_340),  # the paper prints 34.33 M
        (3, "instance", None, 34_329_356),
        (2, "batch", None, 23_311_497),  # the paper prints 23.31 M
        (2, "instance", None, 23_299_145),
        (3, "batch", "instance", 34_330_444),  # the authors' published BN option
    ],
)
def test_number_of_parameters(blocks: int, norm: str, block_norm: str | None, expected: int) -> None:
    with torch.device("meta"):
        assert count(PoNAGenerator(blocks=blocks, norm=norm, block_norm=block_norm)) == expected


def test_output_is_an_image_of_the_same_size() -> None:
    generated = PoNAGenerator(width=4).eval()(*generator_inputs(height=24, width=20))
    assert generated.shape == (2, 3, 24, 20)
    assert generated.abs().max() <= 1


@pytest.mark.parametrize("fusion", ["head", "middle", "tail", "none"])
@pytest.mark.parametrize("self_attention", [True, False])
def test_every_ablation_follows_image_and_pose(fusion: str, self_attention: bool) -> None:
    generator = wake(PoNAGenerator(width=4, blocks=2, fusion=fusion, self_attention=self_attention))
    image, condition, target = generator_inputs()
    base = generator(image, condition, target)
    assert not torch.equal(base, generator(-image, condition, target))
    assert not torch.equal(base, generator(image, condition, 1 - target))
    assert not torch.equal(base, generator(image, 1 - condition, target))


def test_without_cross_attention_the_pose_is_not_heard() -> None:
    generator = wake(PoNAGenerator(width=4, cross_attention=False))
    image, condition, target = generator_inputs()
    assert torch.equal(generator(image, condition, target), generator(image, condition, 1 - target))


@pytest.mark.parametrize("blocks", [1, 5])
def test_blocks(blocks: int) -> None:
    assert len(PoNAGenerator(width=2, blocks=blocks).blocks) == blocks


def test_fusion_none_keeps_the_image_out_of_the_pose_code() -> None:
    image, pose = torch.randn(2, 1, 16, 4, 4)
    for fusion, hears in [("none", False), ("head", True), ("middle", True), ("tail", True)]:
        block = wake(PoNAGenerator(width=4, blocks=1, fusion=fusion)).blocks[0]
        changed = not torch.equal(block(image, pose)[1], block(-image, pose)[1])
        assert changed == hears, fusion


def test_initial_weights() -> None:
    torch.manual_seed(0)
    generator = PoNAGenerator(width=16)
    weight = generator.blocks[0].pose_conv1[0].weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)
    norms = torch.cat([m.weight for m in generator.modules() if isinstance(m, nn.BatchNorm2d)])
    assert norms.mean().item() == pytest.approx(1, abs=0.005)
    assert norms.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    "wrong", [{"norm": "layer"}, {"fusion": "neck"}, {"width": 3}, {"width": 0}, {"blocks": 0}, {"block_norm": "no"}]
)
def test_wrong_configuration_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PoNAError, match="expected"):
        GeneratorConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "total", "first"),
    [
        ({}, 1283.7422, 0.19229759),
        ({"flip": True, "dropout": True, "color_jitter": 0.3, "gan_weight": 5.0}, 1285.0008, 0.38796558),
        ({"norm": "instance", "adversarial": "lsgan", "sigma": None}, 884.15345, -0.13738694),
    ],
)
def test_a_seed_gives_the_weights_that_it_gave_before_there_were_other_generators(
    changes: dict[str, Any], total: float, first: float, tmp_path: Path
) -> None:
    """Sums of the weights after six iterations, stored before the move; bit for bit the same on one processor."""
    config = replace(TINY, precision="fp32", half=False, **changes)
    train(small_data(6, 32, 16), config, tmp_path / "g.pt", trained_on=RECORD, device="cpu")
    state = torch.load(tmp_path / "g.pt", weights_only=True)["state"]
    assert sum(tensor.double().abs().sum().item() for tensor in state.values()) == pytest.approx(total, rel=1e-5)
    assert state["decoder.7.weight"].double().sum().item() == pytest.approx(first, rel=1e-2)
