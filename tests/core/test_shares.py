"""Shares of the work, from the variables of torchrun and SLURM."""

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.core.shares import is_first, shard_from_environment


def array_task(**values: int) -> dict[str, str]:
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1)),
        ({"RANK": "2", "WORLD_SIZE": "4"}, (2, 4)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "3"}, (1, 3)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, (0, 1)),  # sbatch --ntasks=4, and no srun starts the others
        (array_task(ID=12, MIN=10, COUNT=4), (2, 4)),
        (array_task(ID=1, MIN=0, COUNT=2) | {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3"}, (5, 6)),
        (array_task(ID=4, MIN=0, COUNT=4, STEP=2, MAX=6), (2, 4)),
    ],
)
def test_shard_from_environment(environment: dict[str, str], expected: tuple[int, int]) -> None:
    assert shard_from_environment(environment) == expected


@pytest.mark.parametrize("environment", [{"RANK": "x", "WORLD_SIZE": "2"}, {"RANK": "2", "WORLD_SIZE": "2"}])
def test_impossible_shard_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ReidAugError):
        shard_from_environment(environment)


def test_an_array_with_gaps_is_to_be_sent_whole() -> None:
    for task in (2, 5):  # sbatch --array=2,5
        with pytest.raises(ReidAugError, match="send the whole array again"):
            shard_from_environment(array_task(ID=task, MIN=2, MAX=5, COUNT=2, STEP=1))


def test_a_share_is_said_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    shard_from_environment({"WORLD_SIZE": "4"})
    shard_from_environment(array_task(ID=12, MIN=10, COUNT=4) | {"SLURM_STEP_NUM_TASKS": "1"})
    shard_from_environment({"WORLD_SIZE": "1"})
    assert [record.getMessage() for record in caplog.records] == [
        "this process takes share 1 of 4, because WORLD_SIZE is 4",
        "this process takes share 3 of 4, because SLURM_ARRAY_TASK_COUNT is 4",
    ]


def test_the_first_process_is_known_without_torch() -> None:
    assert all(is_first(environment) for environment in ({}, {"RANK": "0", "SLURM_PROCID": "3"}, {"SLURM_PROCID": "0"}))
    assert not any(is_first(environment) for environment in ({"RANK": "1"}, {"SLURM_PROCID": "2"}))
