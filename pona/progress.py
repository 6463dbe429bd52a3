"""What a training run reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pona.processes import Processes
from pona.validation import Samples


@dataclass(frozen=True)
class TrainProgress:
    """One report of a training run."""

    iteration: int  # done so far
    iterations: int  # of the whole run; an estimate where a time budget ends it
    losses: dict[str, float]  # means since the last report: l1 (images -1..1), gan, perceptual, discriminator_*
    images_per_second: float  # training pairs, since the last report
    seconds_left: float  # estimate
    validation: dict[str, float | None] | None  # see `Validation`; None in reports between validations
    samples: Samples | None = None  # generated images of held-out identities, with every validation


class Losses:
    """Sums of losses, on the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self.counted = 0  # steps since `begin`

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Adds the losses of one step."""
        for name, loss in losses.items():
            self._sums[name] = self._sums[name] + loss if name in self._sums else loss.clone()
        self.counted += 1

    def means(self, processes: Processes) -> dict[str, float]:
        """The means since `begin`, over all processes; the only point where training waits for the device."""
        processes.mean_(list(self._sums.values()))
        return {name: float(total) / self.counted for name, total in self._sums.items()}

    def begin(self) -> None:
        """Begins again with no step."""
        self._sums, self.counted = {}, 0

    def state_dict(self, processes: Processes) -> dict[str, Any]:
        """The sums, over all processes, which must all call it."""
        processes.mean_(list(self._sums.values()))
        return {"sums": self._sums, "counted": self.counted}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Raises ValueError for what `state_dict` does not return."""
        if type(state["counted"]) is not int or any(total.shape for total in state["sums"].values()):
            raise ValueError("no sums of losses")
        self._sums = {name: total.to(device) for name, total in state["sums"].items()}
        self.counted = state["counted"]
