"""Where a network runs: by name, and one GPU for each process of a machine."""

import pytest
import torch

from reid_baseline import ReIDError
from reidaug.core.device import is_slow, pick_device


def have_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    for name in ("LOCAL_RANK", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    have_gpus(monkeypatch, 0)
    assert pick_device() == torch.device("cpu")
    have_gpus(monkeypatch, 2)
    assert pick_device() == pick_device("cuda") == torch.device("cuda:0")
    assert (pick_device("cuda:1"), pick_device("cpu")) == (torch.device("cuda:1"), torch.device("cpu"))


@pytest.mark.parametrize(
    ("environment", "index"),
    [
        ({"LOCAL_RANK": "1"}, 1),
        ({"LOCAL_RANK": "5"}, 2),  # more processes than GPUs
        ({"SLURM_LOCALID": "2"}, 2),
        ({"LOCAL_RANK": "0", "SLURM_LOCALID": "2"}, 0),
    ],
)
def test_each_process_has_its_gpu(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], index: int) -> None:
    have_gpus(monkeypatch, 3)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert pick_device("cuda") == torch.device("cuda", index)
    assert pick_device("cuda:1") == torch.device("cuda:1")  # asked for by number


@pytest.mark.parametrize("name", ["meta", "cuda:9"])
def test_a_device_that_cannot_be_used_is_refused(name: str) -> None:
    with pytest.raises(ReIDError, match=f"device '{name}' cannot be used"):
        pick_device(name)


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_a_cpu_without_bfloat16_is_slow_and_a_gpu_never(monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool) -> None:
    have_gpus(monkeypatch, 1)
    monkeypatch.setattr("reid_baseline.device.choose_precision", lambda *_: "bf16" if has_bfloat16 else "fp32")
    assert is_slow("cpu") is not has_bfloat16
    assert not is_slow("cuda")
