"""The errors that this package raises on purpose, and how running out of memory is recognised."""

import torch

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "could not create a memory object")


class PoNAError(ValueError):
    """Wrong input or a file that cannot be used; the message is one line: what, got, expected, what to do."""


class StoppedElsewhere(PoNAError):
    """Another process of the same run has stopped and reports why; this one only ends."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. torch has a class for this on GPUs; on a CPU only the message says so."""
    classes = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, classes) or any(words in str(error) for words in OUT_OF_MEMORY)


def out_of_memory(batch_size: int, devices: int) -> str:
    """The message for a batch that does not fit; advises about half of it, in equal parts for the devices."""
    smaller = max(2, devices, batch_size // 2 // devices * devices)
    advice = f"try {smaller}" if smaller < batch_size else "give a smaller width, or another device"
    return f"out of memory with batches of {batch_size}: {advice}"
