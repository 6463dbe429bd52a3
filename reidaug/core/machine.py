"""The machine in words, as a figure is worth something only with what it was measured on; and its memory."""

import ctypes
import os
import platform
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from reidaug import __version__


def device_name(device: Any) -> str:
    """Of a torch device: the GPU's name, or "cpu"."""
    import torch

    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else "cpu"


def baseline_version() -> str:
    """reidaug's, and the digest of the source of `reid_baseline`."""
    from reid_baseline.resume import source_digest

    return f"{__version__}+{source_digest()}"


def processor_name() -> str:
    """The CPU's, as far as the system tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_run(device: Any, precision: str) -> dict[str, Any]:
    """What a result owes to the software, the machine and the moment, for its row.

    Args:
        device: the torch device of the baseline.
        precision: "auto", "fp32" or "bf16"; the row names the one that it comes to.
    """
    import torch
    import torchvision

    from reid_baseline.device import choose_precision

    return {
        "versions": {
            "reidaug": baseline_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        "device": device_name(device),
        "precision": choose_precision(device, precision),
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join(["reidaug", *sys.argv[1:]]),
    }


def keep_freed_memory() -> None:
    """Lets this process take large blocks from the memory that it has freed, where the C library is glibc.

    By itself glibc gives it back to the system, and a training step on a CPU spends up to a tenth of its time on having
    the same pages given again, empty. Up to 1 GiB stays with the process until it ends. What the user has set for glibc
    (`MALLOC_...`) stays as it is.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(-3, 2**25)  # M_MMAP_THRESHOLD, from which a block is fetched by itself; more is not allowed
        mallopt(-1, 2**30)  # M_TRIM_THRESHOLD, from which free memory is given back
