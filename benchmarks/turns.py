"""Timing several ways to the same end in turns, so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def median_seconds(
    ways: Mapping[str, Callable[[], object]], rounds: int, device: torch.device | str = "cpu", warm_up: int = 1
) -> dict[str, float]:
    """The median time of each, until the device is done with it; the first rounds (`warm_up`) do not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(warm_up + rounds):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(each[warm_up:]) for name, each in times.items()}
