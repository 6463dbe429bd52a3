"""The device and the precision of a network."""

import os
import subprocess
import sys

import pytest
import torch

from reid_baseline import ReIDError
from reid_baseline.device import autocast, choose_precision, pick_device


def have(monkeypatch, gpus, mps):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize("name", ["abacus", "", "cuda:x", "cuda:2", "mps", "xpu", "hpu", "meta", "cpu:1"])
def test_a_device_that_cannot_be_used_is_named_with_those_that_can(monkeypatch, name):
    have(monkeypatch, gpus=2, mps=False)
    with pytest.raises(ReIDError, match=f"device '{name}' cannot be used: .* what is there: cpu, cuda:0, cuda:1$"):
        pick_device(name)


def test_mps_is_taken_by_name_where_it_is(monkeypatch):
    have(monkeypatch, gpus=0, mps=True)
    assert (pick_device("mps"), pick_device("auto")) == (torch.device("mps"), torch.device("cpu"))
    with pytest.raises(ReIDError, match=r"'cuda' cannot be used: .* there: cpu, mps$"):
        pick_device("cuda")


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


@pytest.mark.parametrize("taken", [False, True])
def test_bfloat16_is_chosen_where_the_processor_has_it_and_onednn_takes_it(monkeypatch, taken):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: taken)
    assert choose_precision(torch.device("cpu")) == ("bf16" if taken else "fp32")


def test_a_limit_on_the_instructions_of_onednn_holds_for_the_precision():
    code = (
        "import torch; from reid_baseline.device import choose_precision; print(choose_precision(torch.device('cpu')))"
    )
    limited = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    chosen = subprocess.run([sys.executable, "-c", code], env=limited, capture_output=True, text=True, check=True)
    assert chosen.stdout == "fp32\n"
