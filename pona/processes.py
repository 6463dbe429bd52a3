"""The processes of one training run, one per device: how they agree, and how an error in one ends all of them.

lightning-fabric starts and connects them, and its DDP averages the gradients. This module adds what else a run needs:
one clock, and one process that writes the files.
"""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor

from pona.errors import PoNAError, StoppedElsewhere

PATIENCE = 10.0  # seconds that child processes have to end

Result = TypeVar("Result")


class Processes:
    """This process and the others of its run; with one device every method is a plain function call.

    On leaving its context it waits for the processes that `launch` started, and kills those that do not end.

    The processes are also connected by gloo, over sockets, next to the device's own backend (NCCL between GPUs):
    a message then does not wait for the GPU, and all processes notice at once when one ends.

    Args:
        fabric: already launched.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.rank, self.count = fabric.global_rank, fabric.world_size
        group = dist.new_group(backend="gloo") if self.count > 1 else None
        self._group = cast("dist.ProcessGroup | None", group)

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    def first(self, work: Callable[[], Result]) -> Result:
        """Calls `work` in the first process, while the others wait for its result (plain values) or error.

        Raises:
            StoppedElsewhere: in the others, if it failed.
        """
        if self.count == 1:
            return work()
        result, error = _attempt(work) if self.is_first else (None, None)
        outcome = [(result, error is not None)]
        dist.broadcast_object_list(outcome, src=0, group=self._group)
        if error is not None:
            raise error
        result, failed = outcome[0]
        if failed:
            raise StoppedElsewhere("the first process of this run has stopped")
        return result  # type: ignore[return-value]

    def every(self, work: Callable[[], Result]) -> Result:
        """Calls `work` in every process; if it fails in one, it fails in all, and the first raises the reason.

        Raises:
            PoNAError: in the first process, for an error in another.
            StoppedElsewhere: in the others.
        """
        if self.count == 1:
            return work()
        result, error = _attempt(work)
        messages: list[str | None] = [None] * self.count
        message = None if error is None else str(error) or type(error).__name__
        dist.all_gather_object(messages, message, group=self._group)
        failed = [(rank, message) for rank, message in enumerate(messages) if message is not None]
        if not failed:
            return result  # type: ignore[return-value]
        rank, message = failed[0]
        if not self.is_first:
            raise StoppedElsewhere(message)
        raise error or PoNAError(f"process {rank}: {message}")

    def agree(self, seconds: float, stop: bool) -> tuple[float, bool]:
        """Returns the first process's clock to all, and whether any process was asked to stop."""
        if self.count == 1:
            return seconds, stop
        shared = torch.tensor([seconds if self.is_first else -torch.inf, float(stop)], dtype=torch.float64)
        dist.all_reduce(shared, dist.ReduceOp.MAX, group=self._group)
        return float(shared[0]), bool(shared[1])

    def gather(self, value: Result) -> list[Result]:
        """Returns the values of all processes, in their order, to the first one, and an empty list to the others."""
        if self.count == 1:
            return [value]
        gathered: list[Result | None] | None = [None] * self.count if self.is_first else None
        dist.gather_object(value, gathered, dst=0, group=self._group)
        return gathered or []  # type: ignore[return-value]

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Replaces tensors on the device by their means over the processes."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().flatten().float() for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.div_(self.count).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    @contextmanager
    def together(self) -> Iterator[None]:
        """A context for the whole run: a connection that is lost, as another process ended, becomes one line.

        Raises:
            PoNAError: in the first process.
            StoppedElsewhere: in the others.
        """
        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or not _is_lost_connection(error):
                raise
            if not self.is_first:
                raise StoppedElsewhere("another process of this run has ended") from None
            raise PoNAError(
                "another process of this run has ended, and its own message says why: "
                "start the run again to resume from what was last saved"
            ) from None

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for child in getattr(self.fabric.strategy.launcher, "procs", []):
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()


def _attempt(work: Callable[[], Result]) -> tuple[Result | None, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # of any kind: the other processes are waiting for this one
        return None, error


def _is_lost_connection(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, dist.DistError) or "gloo" in text or "connection" in text
