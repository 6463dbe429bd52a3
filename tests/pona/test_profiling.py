"""What a generator costs: counts that the way of generating does not change, and a generator left as it was."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pona import PoNAError, PoNAGenerator
from pona.profiling import count_macs, measure
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
