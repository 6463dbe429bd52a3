"""The errors that this package raises on purpose, and one that it only knows."""

import torch


class PoNAError(ValueError):
    """Wrong input or a file that cannot be used; the message is one line: what, got, expected, what to do."""


class StoppedElsewhere(PoNAError):
    """Another process of the same run has stopped and says why; this one just leaves."""


def is_out_of_memory(error: Exception) -> bool:
    """torch has a class for this on a GPU only; on a CPU it is a RuntimeError that tells it in words."""
    words = ("not enough memory", "can't allocate memory", "could not create a memory object")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in words)


def out_of_memory(batch_size: int, devices: int) -> str:
    """What to say and advise: half the batch, as far as the devices can share it."""
    smaller = max(2, devices, batch_size // 2 // devices * devices)
    advice = f"try {smaller}" if smaller < batch_size else "a smaller --width or another device"
    return f"out of memory with batches of {batch_size}: {advice}"
