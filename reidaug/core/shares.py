"""The share of the work that this process does, from the variables of torchrun and SLURM."""

import logging
from collections.abc import Mapping

from reidaug.core.errors import ReidAugError

_LOG = logging.getLogger("reidaug")


def is_first(environment: Mapping[str, str]) -> bool:
    """Whether this is the only process, or the first that torchrun or srun has started; imports no torch."""
    return environment.get("RANK", environment.get("SLURM_PROCID", "0")) == "0"


def shard_from_environment(environment: Mapping[str, str]) -> tuple[int, int]:
    """This process's rank and the number of processes, from torchrun or SLURM.

    Returns:
        (rank, world): torchrun's RANK and WORLD_SIZE, else the position in a SLURM job array and among the tasks that
        srun has started. SLURM_NTASKS is ignored: tasks that a job only asked for do no work.

    Raises:
        ReidAugError: variables that are not numbers or contradict each other, or a SLURM array with gaps.
    """
    try:
        if "WORLD_SIZE" in environment:
            rank, world = int(environment.get("RANK", "0")), int(environment["WORLD_SIZE"])
        else:
            first = int(environment.get("SLURM_ARRAY_TASK_MIN", "0"))
            step = int(environment.get("SLURM_ARRAY_TASK_STEP", "1"))
            job = (int(environment.get("SLURM_ARRAY_TASK_ID", first)) - first) // step
            jobs = int(environment.get("SLURM_ARRAY_TASK_COUNT", "1"))
            if (int(environment.get("SLURM_ARRAY_TASK_MAX", first + (jobs - 1) * step)) - first) // step + 1 != jobs:
                raise ReidAugError(
                    "the SLURM array has gaps, so the shares are unknown: send the whole array again; finished work "
                    "is skipped"
                )
            task, tasks = int(environment.get("SLURM_PROCID", "0")), int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
            rank, world = job * tasks + task, jobs * tasks
    except ValueError as error:
        raise ReidAugError(f"RANK, WORLD_SIZE or the SLURM variables are not numbers ({error})") from None
    if not 0 <= rank < world:
        raise ReidAugError(f"rank {rank} of {world} processes is impossible: check RANK/WORLD_SIZE or the SLURM array")
    if world > 1:
        names = ("WORLD_SIZE",) if "WORLD_SIZE" in environment else ("SLURM_ARRAY_TASK_COUNT", "SLURM_STEP_NUM_TASKS")
        because = " and ".join(f"{name} is {environment[name]}" for name in names if environment.get(name, "1") != "1")
        _LOG.warning("this process takes share %d of %d, because %s", rank + 1, world, because)
    return rank, world
