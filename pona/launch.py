"""Starts the processes of a training run: on one device, on several, under torchrun or SLURM."""

import atexit
import inspect
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_only
from torch.nn.parallel import DistributedDataParallel

from pona.errors import PoNAError, StoppedElsewhere
from pona.generators import generator_class
from pona.precision import resolve_precision
from pona.processes import Processes
from pona.train_config import TrainConfig


def launch(config: TrainConfig, device: str = "auto", devices: int | None = None) -> Processes:
    """Starts and connects the processes of a run, one per device.

    Under torchrun, or in an srun step of several tasks, the processes have already been started. Otherwise, for several
    devices, lightning-fabric starts the others by running the current program again for each, with the same arguments
    and `LOCAL_RANK` set; they run up to this call and continue from here as the first one does. So call it only once.

    Args:
        config: decides the precision; its batch is shared by the processes.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        devices: processes on this machine; None = as many as torchrun or SLURM started, else one. They communicate
            over gloo on CPUs and over NCCL on GPUs.

    Raises:
        PoNAError: for an unknown or missing device, more devices than the machine has, or a batch that they cannot
            share.
    """
    kind, index = _resolve(device)
    try:
        local, nodes, environment = _layout(devices)
    except (KeyError, ValueError, RuntimeError) as error:  # of fabric, or a wrong variable
        raise PoNAError(f"the environment does not say which processes this run has: {error}") from None
    _check(config, kind, index, local, local * nodes, environment)
    # The plugin and not its name, for which fabric prints a line.
    name = resolve_precision(torch.device(kind), config.precision)
    precision = {
        "fp32": Precision,
        "bf16": lambda: MixedPrecision("bf16-mixed", kind),
        "fp16": lambda: MixedPrecision("16-mixed", kind),  # scales the losses
    }[name]()
    if local * nodes == 1:
        chosen = [index] if index is not None else 1
        # The environment is given, because in a SLURM job fabric would wait for other tasks.
        return Processes(Fabric(accelerator=kind, devices=chosen, plugins=[precision, environment]))
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it logs four lines at the start
    strategy = DDPStrategy(**_ddp_options(config))
    fabric = Fabric(
        accelerator=kind, devices=local, num_nodes=nodes, strategy=strategy, plugins=[precision, environment]
    )
    fabric.launch()
    # Fabric does so for NCCL only. Threads of gloo that outlive Python sometimes abort a finished process.
    atexit.register(_disconnect)
    return Processes(fabric)


def is_first_process() -> bool:
    """Whether this process is the one that reports; known from the environment, so before `launch` too.

    A RANK that is left over in the environment of a process that nobody started as one of several says nothing.
    """
    started = TorchElasticEnvironment.detect() or _slurm_tasks() > 1 or "NODE_RANK" in os.environ  # the last by fabric
    return not started or getattr(rank_zero_only, "rank", 0) == 0


@contextmanager
def said_once() -> Iterator[None]:
    """A context for what fails in every process alike before they are connected: only the first raises the error.

    Raises:
        StoppedElsewhere: in the other processes.
    """
    try:
        yield
    except ValueError as error:
        if is_first_process():
            raise
        raise StoppedElsewhere(str(error)) from None


def _resolve(device: str) -> tuple[str, int | None]:
    """("cpu", "cuda" or "mps", index or None)."""
    gpu, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    kinds = {"auto": True, "cpu": True, "cuda": gpu, "mps": mps}
    kind, _, index = device.partition(":")
    if not kinds.get(kind) or (index and not (kind == "cuda" and index.isdigit())):
        there = ["'auto'", "'cpu'", *["'cuda'", "'cuda:N'"] * gpu, *["'mps'"] * mps]
        raise PoNAError(f"device is {device!r}, expected {', '.join(there)}: those that are there")
    if kind == "auto":
        kind = "cuda" if gpu else "cpu"
    return kind, int(index) if index else None


def _layout(devices: int | None) -> tuple[int, int, ClusterEnvironment]:
    """(processes on each machine, machines, how they find each other)."""
    environment: ClusterEnvironment
    if TorchElasticEnvironment.detect():
        local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        environment = TorchElasticEnvironment()
    elif (world := _slurm_tasks()) > 1:
        local = world // int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
        environment = SLURMEnvironment()
    else:
        return devices or 1, 1, LightningEnvironment()
    if devices not in (None, local):
        raise PoNAError(f"{devices} devices asked for where {local} processes were started: leave devices out")
    return local, world // local, environment


def _slurm_tasks() -> int:
    """How many processes srun has started."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))


def _disconnect() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _ddp_options(config: TrainConfig) -> dict[str, Any]:
    # Buffers are not copied before each forward pass: a discriminator has two before its backward pass, which would
    # find BN's statistics changed. The trainer averages them itself. Newer versions of torch have another name for it.
    names = inspect.signature(DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    # Without cross attention the weights of the pose path get no gradient.
    all_used = config.cross_attention and generator_class(config.architecture).objective.updates_all_weights
    return {buffers: False, "find_unused_parameters": not all_used}


def _check(
    config: TrainConfig, kind: str, index: int | None, local: int, world: int, environment: ClusterEnvironment
) -> None:
    if local < 1:
        raise PoNAError(f"devices is {local}, expected at least 1")
    available = {"cuda": torch.cuda.device_count(), "mps": 1}.get(kind, os.cpu_count() or 1)
    what = "CPU cores" if kind == "cpu" else "GPUs"
    if local > available and isinstance(environment, SLURMEnvironment) and kind == "cuda":
        raise PoNAError(
            f"each of the {local} tasks on this machine sees {available} GPUs and must see all: "
            f"`srun --gpus-per-node {local}`, without --gpus-per-task"
        )
    if local > 1 and local > available:
        raise PoNAError(
            f"{local} devices asked for and this machine has {available} {what}: ask for at most {available}"
        )
    if index is not None and (local > 1 or index >= available):
        raise PoNAError(f"device is cuda:{index} for {local} processes on {available} GPUs: give device 'cuda'")
    if config.batch_size % world:
        near = max(1, round(config.batch_size / world)) * world
        raise PoNAError(
            f"batch_size is {config.batch_size}, expected a multiple of the {world} devices that share it: try {near}"
        )
