"""The machine in words: a figure is worth something only with what it was measured on."""

import platform
from pathlib import Path
from typing import Any


def device_name(device: Any) -> str:
    """Of a torch device: the GPU's name, or "cpu"."""
    import torch

    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else "cpu"


def processor_name() -> str:
    """The CPU's, as far as the system tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
