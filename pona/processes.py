"""The processes of one training run, one per device: what they share, and how an error in one ends all of them.

lightning-fabric starts and connects them and its DDP averages the gradients. What stands here is only what a run needs
beside the gradients: one clock, one log, one writer of files.
"""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor

from pona.errors import PoNAError, StoppedElsewhere

PATIENCE = 10.0  # seconds that processes started here are given to leave

Result = TypeVar("Result")


class Processes:
    """This process and its fellows; with one device all of this is a plain function call.

    As a context manager it leaves no process behind that `launch` has started.

    Beside the device's own way to talk (NCCL between GPUs) there is one over the network's sockets (gloo), so that no
    word between the processes makes the host wait for its GPU, and a process that ends is noticed by all at once.

    Args:
        fabric: launched.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.rank, self.count = fabric.global_rank, fabric.world_size
        self._group: Any = dist.new_group(backend="gloo") if self.count > 1 else None

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def first(self, work: Callable[[], Result]) -> Result:
        """Does `work` in the first process, while the others wait for its result (plain values), or for its error.

        Raises:
            StoppedElsewhere: in the others, where it failed.
        """
        if self.count == 1:
            return work()
        result, error = _attempt(work) if self.is_first else (None, None)
        told = [(result, error is not None)]
        dist.broadcast_object_list(told, src=0, group=self._group)
        if error is not None:
            raise error
        if told[0][1]:
            raise StoppedElsewhere("the first process of this run has stopped")
        return told[0][0]  # type: ignore[return-value]

    def every(self, work: Callable[[], Result]) -> Result:
        """Does `work` in every process; where it fails in one, it fails in all, and the first says why.

        Raises:
            PoNAError: in the first process, for an error in another.
            StoppedElsewhere: in the others.
        """
        if self.count == 1:
            return work()
        result, error = _attempt(work)
        messages: list[Any] = [None] * self.count
        own = None if error is None else str(error) or type(error).__name__
        dist.all_gather_object(messages, own, group=self._group)
        failed = [rank for rank, message in enumerate(messages) if message is not None]
        if not failed:
            return result  # type: ignore[return-value]
        if not self.is_first:
            raise StoppedElsewhere(messages[failed[0]])
        raise error or PoNAError(f"process {failed[0]}: {messages[failed[0]]}")

    def agree(self, seconds: float, stop: bool) -> tuple[float, bool]:
        """The first process's clock for all, and whether any was asked to stop."""
        if self.count == 1:
            return seconds, stop
        told = torch.tensor([seconds if self.is_first else -torch.inf, float(stop)], dtype=torch.float64)
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self._group)
        return float(told[0]), bool(told[1])

    def gather(self, own: Any) -> list[Any]:
        """What each process has, in their order, in the first one; nothing in the others."""
        if self.count == 1:
            return [own]
        gathered: list[Any] | None = [None] * self.count if self.is_first else None
        dist.gather_object(own, gathered, dst=0, group=self._group)
        return gathered or []

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
        """Around the work: the end of another process becomes one line.

        Raises:
            PoNAError: in the first process, where another has ended.
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
                "another process of this run has ended, its own message says why: "
                "run the same command again to go on from what was last saved"
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
    except Exception as error:  # whatever it is: the others are waiting for word
        return None, error


def _is_lost_connection(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, dist.DistError) or "gloo" in text or "connection" in text
