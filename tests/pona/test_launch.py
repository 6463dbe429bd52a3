"""Which processes a run has, and what is refused before they start."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric.plugins.environments import TorchElasticEnvironment
from lightning_fabric.utilities.rank_zero import rank_zero_only

from pona import PoNAError
from pona.errors import StoppedElsewhere
from pona.launch import is_first_process, launch, said_once
from tests.factories import TINY


def test_one_process_in_a_job_of_several_tasks_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "job", "SLURM_JOB_ID": "1"}.items():
        monkeypatch.setenv(name, value)
    assert launch(TINY, "cpu").count == 1


def test_tasks_that_see_one_gpu_each_are_told_how_to_see_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(PoNAError, match=r"1 GPUs.*srun --gpus-per-node 4"):
        launch(TINY, "cuda")


@pytest.mark.parametrize(
    ("devices", "batch", "message"),
    [
        (10_000, 20_000, "10000 devices.*this machine has"),
        (2, 5, "multiple of the 2 devices.*try 4"),
        (-1, 4, "at least 1"),
    ],
)
def test_impossible_numbers_are_refused_before_anything_starts(devices: int, batch: int, message: str) -> None:
    with pytest.raises(PoNAError, match=message):
        launch(replace(TINY, batch_size=batch), "cpu", devices)


@pytest.mark.parametrize("device", ["tpu", "cpu:0", "cuda:x", "", "mps", "meta", "xpu"])
def test_unknown_devices_are_refused_by_name(device: str) -> None:
    with pytest.raises(PoNAError, match=f"{device!r}.*'auto', 'cpu'"):
        launch(TINY, device)


def test_a_gpu_by_number_is_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device, devices in (("cuda:0", 2), ("cuda:2", 1)):
        with pytest.raises(PoNAError, match=r"cuda:\d.*2 GPUs.*'cuda'"):
            launch(TINY, device, devices)


def test_torchrun_decides_the_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TorchElasticEnvironment, "detect", lambda: True)
    for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    with pytest.raises(PoNAError, match=r"3 devices.*2 processes.*leave devices out"):
        launch(TINY, "cpu", 3)


def test_errors_before_the_processes_are_connected_are_raised_by_the_first_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for rank, kind in ((0, ValueError), (1, StoppedElsewhere)):
        monkeypatch.setattr(rank_zero_only, "rank", rank, raising=False)
        monkeypatch.setenv("NODE_RANK", "0")
        assert is_first_process() == (rank == 0)
        with pytest.raises(ValueError, match="wrong") as caught, said_once():
            raise ValueError("wrong")
        assert type(caught.value) is kind


def test_a_rank_that_is_left_over_makes_no_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    monkeypatch.delenv("NODE_RANK", raising=False)
    assert is_first_process()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    assert not is_first_process()
