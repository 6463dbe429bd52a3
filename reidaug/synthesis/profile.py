"""`reidaug profile`: the costs of generators on this device."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.machine import device_name, processor_name
from reidaug.core.progress import Advance
from reidaug.synthesis.painter import checkpoint_file
from reidaug.synthesis.request import ProfileRequest

if TYPE_CHECKING:
    from pona.generators.generator import Generator
    from pona.profiling import Cost


# Table II of PoNA (Li et al., IEEE TIP 2020), which is of DeepFashion. Where it has another count than the network as
# it runs, it counts what a method's checkpoint holds: discriminators and the optimiser's state too.
TABLE_II = {
    "pona": "34.33 M",
    "patn": "41.36 M",
    "deform": "82.08 M",
    "vunet": "139.36 M",
    "pg2": "437.09 M",
    "lwg2d": "97.45 M (LWG)",
}


@dataclass(frozen=True)
class Profile:
    """The counts and measurements of one generator."""

    label: str  # the checkpoint's file name, or the method
    parameters: int
    printed: str | None  # the parameters as the paper's Table II prints them; None = it has no such row
    macs: dict[tuple[int, int], int]  # (height, width) in pixels -> multiply-adds per image
    costs: "list[Cost]"
    device: str  # where it was measured, in words


def profile_generators(request: ProfileRequest, advance: Advance) -> list[Profile]:
    """Count parameters and multiply-adds, and measure time and memory, one generator after the other.

    Raises:
        PoNAError: a file is not a checkpoint, or a size that a generator cannot make.
        ReidAugError: no generator or an unknown one, an invalid size, or no such device.
    """
    for path in request.checkpoints:
        checkpoint_file(path)  # before torch is imported, which takes seconds
    import torch

    from pona.profiling import count_macs, count_parameters, measure

    sizes = [parse_size(size) for size in request.sizes]
    device = pick_device(request.device)
    cpu = f"{processor_name()}, {torch.get_num_threads()} threads"
    words = device_name(device) if device.type != "cpu" else cpu
    wanted = [(size, batch_size) for size in sizes for batch_size in request.batch_sizes]
    total = len(wanted) * len(request.checkpoints + request.generators)
    profiles: list[Profile] = []
    for label, printed, generator in _generators(request):
        costs: list[Cost] = []
        for size, batch_size in wanted:
            advance(len(profiles) * len(wanted) + len(costs) // 3, total)
            costs += measure(generator, size, batch_size, device, request.seconds)
        macs = {size: count_macs(generator, size) for size in sizes}
        where = f"{words}, torch {torch.__version__}"
        profiles.append(Profile(label, count_parameters(generator), printed, macs, costs, where))
    advance(total, total)
    return profiles


def _generators(request: ProfileRequest) -> "Iterator[tuple[str, str | None, Generator]]":
    """Name, parameters that the paper prints, and network of each generator to measure."""
    import pona
    from pona.generators import GENERATORS, generator_config

    if not request.checkpoints and not request.generators:
        raise ReidAugError(f"no generator: give --ckpt FILE, or --generator with one of {', '.join(GENERATORS)}")
    if unknown := [name for name in request.generators if name not in GENERATORS]:
        raise ReidAugError(f"--generator {unknown[0]}: expected one of {', '.join(GENERATORS)}")
    for path in request.checkpoints:
        yield path.name, None, pona.load_checkpoint(checkpoint_file(path)).generator
    for name in request.generators:
        kind = GENERATORS[name]
        if request.preset not in kind.presets:
            raise ReidAugError(f"--preset {request.preset}: {name} has {', '.join(kind.presets)}; give one of them")
        config = generator_config(kind.presets[request.preset], parse_size(request.sizes[0]))
        printed = TABLE_II.get(name) if request.preset == "deepfashion" else None
        yield f"{name} ({request.preset})", printed, kind.from_config(config)


def parse_size(text: str) -> tuple[int, int]:
    """`128x64` -> (128, 64), height and width in pixels; ReidAugError for anything else."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if match is None:
        raise ReidAugError(f"--size {text!r}: expected HEIGHTxWIDTH in pixels, such as 128x64")
    return int(match[1]), int(match[2])
