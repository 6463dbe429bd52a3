"""Past generated images, so that the discriminators do not only see the newest."""

from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` discriminator inputs (Shrivastava et al., CVPR 2017, as in CycleGAN and the authors' code).

    What is kept is the concatenated input, image with its condition: a bare image would be held against a foreign one.

    Args:
        size: number of inputs kept; 0 = every query returns what it is given.
        seed: of the draws.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._kept: Tensor | None = None  # size x C x H x W, of which the first `_filled` are there
        self._filled = 0
        self._random = torch.Generator().manual_seed(seed)  # on the CPU: its draws steer Python

    def query(self, inputs: Tensor) -> Tensor:
        """B x C x H x W -> the same shape; once the pool is full, half of it are older inputs."""
        if self._size == 0:
            return inputs
        inputs = inputs.detach()
        if self._kept is None:
            self._kept = inputs.new_empty(self._size, *inputs.shape[1:])
        origin, stored = self._draw(len(inputs))
        # Decided on the CPU and sent in one piece, without waiting for the device.
        plan = torch.tensor([*origin, *stored.keys(), *stored.values()], pin_memory=inputs.is_cuda)
        plan = plan.to(inputs.device, non_blocking=True)
        own, places, rows = plan.split((len(inputs), len(stored), len(stored)))
        kept = self._kept[own.clamp(max=self._size - 1)]
        new = inputs[(own - self._size).clamp(min=0)]
        answer = torch.where((own < self._size)[:, None, None, None], kept, new)
        self._kept[places] = inputs[rows]
        return answer.contiguous(memory_format=torch.channels_last)

    def _draw(self, count: int) -> tuple[list[int], dict[int, int]]:
        """What becomes of `count` inputs.

        Returns:
            (for each answer a place in the pool as it was, or `size` + a row of the inputs; place -> row to be kept).
        """
        origin: list[int] = []
        stored: dict[int, int] = {}
        for row in range(count):
            place = None
            if self._filled < self._size:
                stored[self._filled] = row
                self._filled += 1
            elif torch.rand((), generator=self._random) < 0.5:
                place = int(torch.randint(self._size, (), generator=self._random))
            if place is None:
                origin.append(self._size + row)
            else:  # what lies there may have come with this very batch
                origin.append(self._size + stored[place] if place in stored else place)
                stored[place] = row
        return origin, stored

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        kept = None if self._kept is None else self._kept[: self._filled].clone()
        return {"kept": kept, "random": self._random.get_state()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Takes up a state."""
        self._random.set_state(state["random"])
        self._kept, self._filled = None, 0
        if state["kept"] is not None:
            kept = state["kept"].to(device)
            self._filled = len(kept)
            self._kept = kept.new_empty(self._size, *kept.shape[1:])
            self._kept[: self._filled] = kept
