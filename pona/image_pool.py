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
        self._kept: Tensor | None = None
        self._random = torch.Generator().manual_seed(seed)  # on the CPU: its draws steer Python

    def query(self, inputs: Tensor) -> Tensor:
        """B x C x H x W -> the same shape; once the pool is full, half of it are older inputs."""
        if self._size == 0:
            return inputs
        kept = [] if self._kept is None else list(self._kept.unbind(0))
        answer = []
        for item in inputs.detach():
            if len(kept) < self._size:
                kept.append(item)
                answer.append(item)
            elif torch.rand((), generator=self._random) < 0.5:
                place = int(torch.randint(self._size, (), generator=self._random))
                answer.append(kept[place])
                kept[place] = item
            else:
                answer.append(item)
        self._kept = torch.stack(kept)
        return torch.stack(answer).contiguous(memory_format=torch.channels_last)

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {"kept": self._kept, "random": self._random.get_state()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Takes up a state."""
        self._kept = None if state["kept"] is None else state["kept"].to(device)
        self._random.set_state(state["random"])
