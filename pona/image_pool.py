"""Past generated images, so that the discriminators do not only see the newest."""

from typing import TypedDict

import torch
from torch import Tensor

from pona.errors import PoNAError


class PoolState(TypedDict):
    """What a resumed run needs of an `ImagePool`."""

    kept: Tensor | None
    random: Tensor


class ImagePool:
    """Keeps up to `size` discriminator inputs (Shrivastava et al., CVPR 2017, as in CycleGAN and the authors' code).

    It keeps whole inputs, an image with its condition: a bare image would later be paired with a foreign condition.

    Args:
        size: number of inputs kept; 0 = every query returns its inputs.
        seed: of the draws.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._kept: Tensor | None = None  # size x C x H x W, of which the first `_filled` are in use
        self._filled = 0
        self._random = torch.Generator().manual_seed(seed)  # on the CPU, as Python code depends on its draws

    def query(self, inputs: Tensor) -> Tensor:
        """B x C x H x W -> the same shape; once the pool is full, about half of the rows are older inputs.

        Raises:
            PoNAError: for inputs of another shape or type than those before.
        """
        if self._size == 0:
            return inputs
        inputs = inputs.detach()
        if self._kept is None:
            self._kept = inputs.new_empty(self._size, *inputs.shape[1:])
        if self._kept.shape[1:] != inputs.shape[1:] or self._kept.dtype != inputs.dtype:  # of a damaged state
            raise PoNAError(
                f"the pool of past images holds {tuple(self._kept.shape[1:])} {self._kept.dtype}, expected "
                f"{tuple(inputs.shape[1:])} {inputs.dtype}: delete the state of this training (.last) to start again"
            )
        sources, stored = self._draw(len(inputs))
        # Drawn on the CPU and copied at once, without waiting for the device.
        plan = torch.tensor([*sources, *stored.keys(), *stored.values()], pin_memory=inputs.is_cuda)
        plan = plan.to(inputs.device, non_blocking=True)
        source, slots, rows = plan.split((len(inputs), len(stored), len(stored)))
        kept = self._kept[source.clamp(max=self._size - 1)]
        new = inputs[(source - self._size).clamp(min=0)]
        result = torch.where((source < self._size)[:, None, None, None], kept, new)
        self._kept[slots] = inputs[rows]
        return result.contiguous(memory_format=torch.channels_last)

    def _draw(self, count: int) -> tuple[list[int], dict[int, int]]:
        """Draws which of `count` inputs are returned, kept, or exchanged for older ones.

        Returns:
            (for each row of the result its source: a slot of the pool as it was, or `size` + a row of the inputs;
            slot -> row of the inputs to keep in it).
        """
        sources: list[int] = []
        stored: dict[int, int] = {}
        for row in range(count):
            slot = None
            if self._filled < self._size:
                stored[self._filled] = row
                self._filled += 1
            elif torch.rand((), generator=self._random) < 0.5:
                slot = int(torch.randint(self._size, (), generator=self._random))
            if slot is None:
                sources.append(self._size + row)
            else:  # an earlier row of this batch may have been stored there
                sources.append(self._size + stored[slot] if slot in stored else slot)
                stored[slot] = row
        return sources, stored

    def state_dict(self) -> PoolState:
        """The pool's inputs and random state."""
        kept = None if self._kept is None else self._kept[: self._filled].clone()
        return {"kept": kept, "random": self._random.get_state()}

    def load_state_dict(self, state: PoolState, device: torch.device) -> None:
        """Restores a state.

        Raises:
            ValueError: for one that is not of such a pool.
        """
        self._random.set_state(state["random"])
        self._kept, self._filled = None, 0
        if state["kept"] is not None:
            kept = state["kept"].to(device)
            if kept.ndim != 4 or not 0 < len(kept) <= self._size or not torch.isfinite(kept).all():
                raise ValueError(f"{tuple(kept.shape)} are no inputs of a pool of {self._size}, or not finite")
            self._filled = len(kept)
            self._kept = kept.new_empty(self._size, *kept.shape[1:])
            self._kept[: self._filled] = kept
