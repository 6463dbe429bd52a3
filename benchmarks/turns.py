"""Times several ways of doing the same in turns, so a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def median_seconds(
    ways: Mapping[str, Callable[[], object]], rounds: int, device: torch.device | str = "cpu", warm_up: int = 1
) -> dict[str, float]:
    """The median time of each way until the device has finished, without the first `warm_up` rounds."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(warm_up + rounds):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds[warm_up:]) for name, seconds in times.items()}
