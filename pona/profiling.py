"""What a generator costs: parameters, multiplications, time and memory (Table II of the paper)."""

import copy
import ctypes
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pona.errors import PoNAError
from pona.generate import autocast, fold_norms
from pona.generator import PoNAGenerator

LEAST_RUNS = 3
WAYS = ("fp32 eager", "fast", "fast, one person")


@dataclass(frozen=True)
class Cost:
    """One way of painting batches of one size. Preparing the data and rendering heatmaps is not in it, as in the paper.

    "fp32 eager" is the network as it was trained; "fast" is what `generate_images` does: BN folded, channels last, bf16
    where the device has it; "fast, one person" the same for as many poses of one person, encoded once.
    """

    way: str
    size: tuple[int, int]  # height and width in pixels
    batch_size: int
    milliseconds: float  # for an image, median over runs
    memory: int | None  # bytes beyond what was held before, at most; None = this system does not tell

    @property
    def images_per_second(self) -> float:
        return 1000 / self.milliseconds


def count_parameters(generator: PoNAGenerator) -> int:
    """All learnt numbers; BN's running statistics are none."""
    return sum(parameter.numel() for parameter in generator.parameters())


@torch.inference_mode()
def count_macs(generator: PoNAGenerator, size: tuple[int, int]) -> int:
    """Multiply-adds of convolutions and attention for one image (half of what torch's counter calls FLOPs)."""
    network = copy.deepcopy(generator).cpu().eval()
    with FlopCounterMode(display=False) as counter:
        network(*_inputs(size, 1, torch.device("cpu")))
    return counter.get_total_flops() // 2


def measure(
    generator: PoNAGenerator, size: tuple[int, int], batch_size: int, device: torch.device, seconds: float = 2.0
) -> list[Cost]:
    """Times the three ways, one after the other on one device.

    Args:
        generator: unchanged.
        size: (height, width) in pixels, multiples of 4.
        batch_size: images at a time.
        device: where.
        seconds: for each way, at least; at least three runs.

    Raises:
        PoNAError: another size.
    """
    if min(size) < 8 or size[0] % 4 or size[1] % 4:
        raise PoNAError(f"size is {size[0]} x {size[1]}, expected multiples of 4 from 8 on (height x width)")
    image, condition, target = _inputs(size, batch_size, device)
    plain = copy.deepcopy(generator).to(device=device, memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    fast = fold_norms(generator).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    wide = image.contiguous(memory_format=torch.channels_last)

    def paint_fast() -> Tensor:
        with autocast(device, "auto"):
            return fast(wide, condition, target)

    def paint_one_person() -> Tensor:
        with autocast(device, "auto"):
            codes = [each.expand(batch_size, -1, -1, -1) for each in fast.encode(wide[:1])]
            return fast.paint(codes[0], condition, target, codes[1])

    calls = (lambda: plain(image, condition, target), paint_fast, paint_one_person)
    return [
        Cost(way, size, batch_size, *_time(call, batch_size, device, seconds))
        for way, call in zip(WAYS, calls, strict=True)
        if batch_size > 1 or way != WAYS[2]
    ]


@torch.inference_mode()
def _time(
    call: Callable[[], Tensor], batch_size: int, device: torch.device, seconds: float
) -> tuple[float, int | None]:
    """Milliseconds for an image, and bytes beyond what was held."""

    def run() -> float:
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    run()  # kernels are chosen at the first
    held = _start_memory(device)
    times = [run()]
    memory = None if held is None else max(0, _peak_memory(device) - held)
    while len(times) < LEAST_RUNS or sum(times) < seconds:
        times.append(run())
    return 1000 * statistics.median(times) / batch_size, memory


def _inputs(size: tuple[int, int], batch_size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = [(batch_size, channels, *size) for channels in (3, 18, 18)]
    image, condition, target = (torch.rand(shape, generator=random).to(device) for shape in shapes)
    return 2 * image - 1, condition, target


def _start_memory(device: torch.device) -> int | None:
    """Bytes held now; the peak is counted from here on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what is free goes back to the system, so that it counts when taken again
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return None


def _peak_memory(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _status(name: str) -> int:
    """A figure of Linux's /proc/self/status, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])
