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
from pona.generate import check_size, fold_norms
from pona.generators.generator import Generator
from pona.precision import autocast

LEAST_RUNS = 3
SMALLEST = 8  # pixels
WAYS = ("fp32 eager", "fast", "fast, one person")


@dataclass(frozen=True)
class Cost:
    """One way of generating batches of one size, from images and keypoints on the device.

    "fp32 eager" is the network as it was trained; "fast" is what `generate_images` does: BN folded, channels last, bf16
    where it is faster; "fast, one person" the same with one condition image for all poses of the batch.
    """

    way: str
    size: tuple[int, int]  # height and width in pixels
    batch_size: int
    milliseconds: float  # per image, median over runs
    memory: int | None  # bytes: the peak, less what was in use before; None = unknown on this system

    @property
    def images_per_second(self) -> float:
        return 1000 / self.milliseconds


def count_parameters(generator: Generator) -> int:
    """Counts the learnt weights; BN's running statistics are not among them."""
    return sum(parameter.numel() for parameter in generator.parameters())


@torch.inference_mode()
def count_macs(generator: Generator, size: tuple[int, int]) -> int:
    """Multiply-adds of convolutions and attention for one image (half of what torch's counter calls FLOPs)."""
    network = copy.deepcopy(generator).cpu().eval()
    with FlopCounterMode(display=False) as counter:
        network.generate(*_inputs(size, 1, torch.device("cpu")))
    return counter.get_total_flops() // 2


def measure(
    generator: Generator, size: tuple[int, int], batch_size: int, device: torch.device, seconds: float = 2.0
) -> list[Cost]:
    """Times the three ways, one after the other on one device.

    Args:
        generator: unchanged.
        size: (height, width) in pixels.
        batch_size: images at a time.
        device: where to compute.
        seconds: to spend on each way, at least; at least three runs.

    Raises:
        PoNAError: another size.
    """
    multiple = generator.size_multiple
    if min(size) < SMALLEST or size[0] % multiple or size[1] % multiple:
        raise PoNAError(
            f"size is {size[0]} x {size[1]}, expected multiples of {multiple} from {SMALLEST} on (height x width)"
        )
    check_size(generator, size)
    images, conditions, targets = _inputs(size, batch_size, device)
    plain = copy.deepcopy(generator).to(device=device, memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    fast = fold_norms(generator).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    channels_last = images.contiguous(memory_format=torch.channels_last)
    first = torch.zeros(batch_size, dtype=torch.int64, device=device)

    def generate_fast() -> Tensor:
        with autocast(device, "auto"):
            return fast.generate(channels_last, conditions, targets)

    def generate_one_person() -> Tensor:
        with autocast(device, "auto"):
            return fast.generate(channels_last[:1], conditions[:1], targets, of=first)

    calls = (lambda: plain.generate(images, conditions, targets), generate_fast, generate_one_person)
    return [
        Cost(way, size, batch_size, *_time(call, batch_size, device, seconds))
        for way, call in zip(WAYS, calls, strict=True)
        if batch_size > 1 or way != WAYS[2]
    ]


@torch.inference_mode()
def _time(
    call: Callable[[], Tensor], batch_size: int, device: torch.device, seconds: float
) -> tuple[float, int | None]:
    """Milliseconds per image, and the peak of memory in bytes, less what was in use before."""

    def run() -> float:
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter() - start

    run()  # chooses kernels
    before = _start_memory(device)
    times = [run()]
    memory = None if before is None else max(0, _peak_memory(device) - before)
    while len(times) < LEAST_RUNS or sum(times) < seconds:
        times.append(run())
    return 1000 * statistics.median(times) / batch_size, memory


def _inputs(size: tuple[int, int], batch_size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Random images, and keypoints within them for condition and target."""
    random = torch.Generator().manual_seed(0)
    height, width = size
    images = 2 * torch.rand((batch_size, 3, height, width), generator=random) - 1
    keypoints = torch.rand((2, batch_size, 18, 2), generator=random) * torch.tensor([width - 1, height - 1])
    return images.to(device), keypoints[0].to(device), keypoints[1].to(device)


def _start_memory(device: torch.device) -> int | None:
    """Bytes in use now; resets the peak. None where the system does not tell."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)  # gives free memory back to the system, so that it counts when used again
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        return _status("VmRSS")
    return None


def _peak_memory(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _status(name: str) -> int:
    """An entry of Linux's /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])
