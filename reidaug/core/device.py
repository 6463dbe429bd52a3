"""Where a network runs."""

import os
from typing import TYPE_CHECKING

from reidaug.core.errors import ReidAugError

if TYPE_CHECKING:
    import torch


def pick_device(name: "str | torch.device" = "auto") -> "torch.device":
    """The torch device of a name; without a number, each process of a machine gets a different GPU.

    That GPU is chosen by torchrun's ``LOCAL_RANK`` or srun's ``SLURM_LOCALID``.

    Args:
        name: auto (a GPU if there is one, else the CPU), cpu, cuda or cuda:N; or a torch device.

    Raises:
        ReidAugError: a name that torch does not know, or a GPU that does not exist.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    try:
        device = torch.device(("cuda" if count else "cpu") if name == "auto" else name)
    except RuntimeError:
        raise ReidAugError(f"device {name!r} is unknown: expected auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and device.index is None and count:
        rank = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
        return torch.device("cuda", int(rank) % count)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ReidAugError(f"device {name!r} does not exist: torch sees {count} CUDA devices; use cpu")
    return device
