"""What a result was computed with: device, processor, versions. And how a process keeps its memory, and waits."""

import ctypes
import os
import platform
import shlex
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidaug import __version__

if TYPE_CHECKING:
    import torch

SHORT_SPIN = "30000"  # rounds; libgomp's own are 300,000
LOOKS = 3  # at the load, 5 ms apart
TIME = "%Y-%m-%dT%H:%M:%S%z"  # of a result


def device_name(device: "torch.device") -> str:
    """The GPU's name, "cpu" or "mps"."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def baseline_version() -> str:
    """The version of reidaug, and the digest of the source of `reid_baseline`."""
    from reid_baseline.resume import source_digest

    return f"{__version__}+{source_digest()}"


def processor_name() -> str:
    """The CPU's name from /proc/cpuinfo, else what Python's `platform` knows."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_run(device: "torch.device", precision: str, package: str | None = None) -> dict[str, Any]:
    """Software, machine, time and command, for the row of a result.

    Args:
        device: the torch device of the baseline.
        precision: "auto", "fp32" or "bf16"; the row names the one that "auto" chose.
        package: that builds the network, besides torchvision.
    """
    import torch
    import torchvision

    from reid_baseline.device import choose_precision

    versions = {"reidaug": baseline_version(), "torch": torch.__version__, "torchvision": torchvision.__version__}
    return {
        "versions": versions | ({package: metadata.version(package)} if package else {}),
        "device": device_name(device),
        "precision": choose_precision(device, precision),
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "time": time.strftime(TIME),
        "command": shlex.join(["reidaug", *sys.argv[1:]]),
    }


def keep_freed_memory() -> None:
    """Lets the process reuse the large blocks that it frees, where the C library is glibc.

    By default glibc returns them to the system, and a training step on a CPU spends up to a tenth of its time on
    getting the same pages back, zeroed. Up to 1 GiB stays with the process until it ends. If the user has set
    `MALLOC_...` variables, nothing changes.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(-3, 2**25)  # M_MMAP_THRESHOLD: larger blocks get their own mapping; this is the largest value allowed
        mallopt(-1, 2**30)  # M_TRIM_THRESHOLD: more free memory than this is returned to the system


def spin_less_beside_other_work() -> None:
    """Lets the threads of a step free their cores sooner while they wait for one another, where others need the cores.

    Torch's OpenMP (libgomp) spins up to a few milliseconds at each of the many waits of a step; where at least as many
    processes run as there are cores, a step can take four times as long, or twenty. A tenth of the spin costs nothing
    on idle cores, but much beside a single busy process (`benchmarks/loaded.py`), so it is set by the load, which is
    looked at once. It changes no result. If the user has set `OMP_...` or `GOMP_...` variables, nothing changes. To be
    called before torch is loaded.
    """
    if sys.platform != "linux" or any(name.startswith(("OMP_", "GOMP_")) for name in os.environ):
        return
    cores = len(os.sched_getaffinity(0))
    try:
        for look in range(LOOKS):
            time.sleep(0.005 if look else 0)
            if _running() <= cores:
                return
    except (OSError, ValueError, IndexError):  # no /proc, or another one
        return
    os.environ["GOMP_SPINCOUNT"] = SHORT_SPIN


def _running() -> int:
    """The number of threads on this machine that run or could run, this one among them."""
    return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[0])
