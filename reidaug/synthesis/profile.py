"""`reidaug profile`: what a generator costs on this device."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.machine import device_name, processor_name


@dataclass(frozen=True)
class Profile:
    """What was counted and measured."""

    checkpoint: Path
    parameters: int
    macs: dict[tuple[int, int], int]  # (height, width) in pixels -> multiply-adds for an image
    costs: list[Any]  # pona.profiling.Cost
    device: str  # where it was measured, in words


def profile_generator(
    checkpoint: Path,
    sizes: Sequence[tuple[int, int]],
    batch_sizes: Sequence[int],
    device: str,
    seconds: float,
    advance: Callable[[int, int], None],
) -> Profile:
    """Counts and measures.

    Args:
        checkpoint: a file that `reidaug train` wrote.
        sizes: (height, width) in pixels.
        batch_sizes: images at a time.
        device: auto, cpu, cuda, cuda:N.
        seconds: for each figure, at least.
        advance: told how many of the batches are measured.

    Raises:
        PoNAError: the file is no checkpoint, or a size that the generator cannot paint.
        ReIDError: no such device.
    """
    import torch

    import pona
    from pona.profiling import count_macs, count_parameters, measure

    place = pick_device(device)
    generator = pona.load_checkpoint(checkpoint).generator
    costs: list[Any] = []
    wanted = [(size, batch_size) for size in sizes for batch_size in batch_sizes]
    for done, (size, batch_size) in enumerate(wanted):
        advance(done, len(wanted))
        costs += measure(generator, size, batch_size, place, seconds)
    advance(len(wanted), len(wanted))
    cpu = f"{processor_name()}, {torch.get_num_threads()} threads"
    words = device_name(place) if place.type == "cuda" else cpu
    macs = {size: count_macs(generator, size) for size in sizes}
    return Profile(checkpoint, count_parameters(generator), macs, costs, f"{words}, torch {torch.__version__}")


def parse_size(text: str) -> tuple[int, int]:
    """`128x64` -> (128, 64), height and width in pixels; ReidAugError for anything else."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if match is None:
        raise ReidAugError(f"--size {text!r}: expected HEIGHTxWIDTH in pixels, such as 128x64")
    return int(match[1]), int(match[2])
