"""What a training run reports."""

from collections.abc import Mapping
from dataclasses import dataclass

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
        self._counted = 0

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Adds the losses of one step."""
        for name, loss in losses.items():
            self._sums[name] = self._sums[name] + loss if name in self._sums else loss.clone()
        self._counted += 1

    def means(self, processes: Processes) -> dict[str, float]:
        """The means since the last call, over all processes; the only point where training waits for the device."""
        processes.mean_(list(self._sums.values()))
        means = {name: float(total) / self._counted for name, total in self._sums.items()}
        self._sums, self._counted = {}, 0
        return means
