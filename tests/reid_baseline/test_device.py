"""The device and the precision of a network."""

import pytest
import torch

from reid_baseline import ReIDError
from reid_baseline.device import autocast, choose_precision, pick_device


@pytest.mark.parametrize("name", ["abacus", "cuda:77"])
def test_a_device_that_cannot_be_used_is_named(name):
    with pytest.raises(ReIDError, match=name):
        pick_device(name)


def test_a_named_device_is_taken_and_auto_is_one_that_works():
    assert pick_device("cpu") == torch.device("cpu")
    assert torch.zeros(1, device=pick_device("auto")).item() == 0


def test_precision_is_what_is_asked_for():
    cpu = torch.device("cpu")
    assert [choose_precision(cpu, name) for name in ("fp32", "bf16")] == ["fp32", "bf16"]
    with pytest.raises(ReIDError, match="fp7"):
        choose_precision(cpu, "fp7")


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_sets_the_type_of_products(precision, dtype):
    with autocast(torch.device("cpu"), precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
