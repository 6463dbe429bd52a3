"""What a generator costs: counts that the way of generating does not change, and a generator left as it was."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pona import PoNAError, PoNAGenerator
from pona.profiling import count_macs, count_parameters, measure
from tests.factories import wake

CPU = torch.device("cpu")


def test_multiply_adds_are_those_of_the_forward_pass() -> None:
    generator = PoNAGenerator(width=4, blocks=2)
    maps = torch.zeros(1, 18, 32, 16)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        generator.eval()(torch.zeros(1, 3, 32, 16), maps, maps)
    assert count_macs(generator, (32, 16)) == counter.get_total_flops() // 2 > 0


def test_multiply_adds_grow_with_the_image() -> None:
    generator = PoNAGenerator(width=4, blocks=1, self_attention=False, cross_attention=False)
    assert count_macs(generator, (64, 32)) == 4 * count_macs(generator, (32, 16))


def test_measuring_leaves_the_generator_as_it_was() -> None:
    generator = wake(PoNAGenerator(width=4, blocks=1)).train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    assert len(measure(generator, (32, 16), 2, CPU, seconds=0)) == 3
    assert generator.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


@pytest.mark.parametrize("size", [(30, 16), (32, 18), (4, 16)])
def test_sizes_that_do_not_fit_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(PoNAError, match=f"{size[0]} x {size[1]}.*multiples of 4"):
        measure(PoNAGenerator(width=4, blocks=1), size, 1, CPU)


def test_parameters_of_the_paper() -> None:
    """34.33 M in Table II is the network with IN; with BN in all layers it has 34,347,340."""
    assert count_parameters(PoNAGenerator()) == 34_347_340
    assert count_parameters(PoNAGenerator(norm="instance")) == 34_329_356


def test_multiply_adds_are_those_of_convolutions_and_attention() -> None:
    generator, macs = PoNAGenerator(width=8, blocks=2), 0

    def count(layer: nn.Conv2d | nn.ConvTranspose2d, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal macs
        grid = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        macs += layer.weight.numel() * grid.shape[2] * grid.shape[3]

    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)  # type: ignore[arg-type]
    maps = torch.zeros(1, 18, 32, 16)
    generator.eval()(torch.zeros(1, 3, 32, 16), maps, maps)
    expected = macs
    positions = 8 * 4  # of a code; self-attention is over 64 channels, cross attention over 32, queries over an eighth
    expected += 2 * positions * positions * (64 // 8 + 64 + 32 // 8 + 32)
    assert count_macs(generator, (32, 16)) == expected


def test_every_way_of_a_batch_is_timed() -> None:
    costs = measure(PoNAGenerator(width=4, blocks=1), (32, 16), 2, CPU, seconds=0)
    assert [cost.way for cost in costs] == ["fp32 eager", "fast", "fast, one person"]
    assert all(cost.milliseconds > 0 and cost.images_per_second == 1000 / cost.milliseconds for cost in costs)
    assert all(cost.memory is None or cost.memory >= 0 for cost in costs)
    assert len(measure(PoNAGenerator(width=4, blocks=1), (32, 16), 1, CPU, seconds=0)) == 2
