"""Where a network runs."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def pick_device(name: "str | torch.device" = "auto") -> "torch.device":
    """As `reid_baseline.device.pick_device`; without a number, each process of a machine gets a different GPU.

    That GPU is chosen by torchrun's ``LOCAL_RANK`` or srun's ``SLURM_LOCALID``.

    Args:
        name: auto (a GPU if there is one, else the CPU), cpu, cuda, cuda:N or mps; or a torch device.

    Raises:
        ReIDError: any other name, or a device that this machine does not have.
    """
    import torch

    from reid_baseline import device as library

    device = library.pick_device(name)
    if device.type == "cuda" and device.index is None:
        rank = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
        return torch.device("cuda", int(rank) % torch.cuda.device_count())
    return device


def is_slow(name: str) -> bool:
    """Whether a device is a CPU without bfloat16 instructions, on which a baseline trains several times slower.

    Args:
        name: as in `pick_device`.
    """
    from reid_baseline import device as library

    device = pick_device(name)
    return device.type == "cpu" and library.choose_precision(device, "auto") == "fp32"
