"""`reidaug profile`: the costs of a generator on this device."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.machine import device_name, processor_name
from reidaug.core.progress import Advance
from reidaug.synthesis.painter import checkpoint_file
from reidaug.synthesis.request import ProfileRequest

if TYPE_CHECKING:
    from pona.profiling import Cost


@dataclass(frozen=True)
class Profile:
    """The counts and measurements."""

    checkpoint: Path
    parameters: int
    macs: dict[tuple[int, int], int]  # (height, width) in pixels -> multiply-adds per image
    costs: "list[Cost]"
    device: str  # where it was measured, in words


def profile_generator(request: ProfileRequest, advance: Advance) -> Profile:
    """Count parameters and multiply-adds, and measure time and memory.

    Raises:
        PoNAError: the file is not a checkpoint, or a size that the generator cannot make.
        ReidAugError: an invalid size, or no such device.
    """
    import torch

    import pona
    from pona.profiling import count_macs, count_parameters, measure

    sizes = [parse_size(size) for size in request.sizes]
    device, checkpoint = pick_device(request.device), checkpoint_file(request.checkpoint)
    generator = pona.load_checkpoint(checkpoint).generator
    costs: list[Cost] = []
    wanted = [(size, batch_size) for size in sizes for batch_size in request.batch_sizes]
    for done, (size, batch_size) in enumerate(wanted):
        advance(done, len(wanted))
        costs += measure(generator, size, batch_size, device, request.seconds)
    advance(len(wanted), len(wanted))
    cpu = f"{processor_name()}, {torch.get_num_threads()} threads"
    words = device_name(device) if device.type != "cpu" else cpu
    macs = {size: count_macs(generator, size) for size in sizes}
    return Profile(checkpoint, count_parameters(generator), macs, costs, f"{words}, torch {torch.__version__}")


def parse_size(text: str) -> tuple[int, int]:
    """`128x64` -> (128, 64), height and width in pixels; ReidAugError for anything else."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if match is None:
        raise ReidAugError(f"--size {text!r}: expected HEIGHTxWIDTH in pixels, such as 128x64")
    return int(match[1]), int(match[2])
