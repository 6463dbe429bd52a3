"""Errors and their messages."""

import pytest
import torch

from pona.errors import is_out_of_memory, out_of_memory


@pytest.mark.parametrize(
    ("batch", "devices", "advice"),
    [
        (32, 1, "try 16"),
        (3, 1, "try 2"),
        (2, 1, "a smaller width, or another device"),
        (6, 2, "try 2"),
        (12, 4, "try 4"),
        (4, 4, "a smaller width, or another device"),
    ],
)
def test_out_of_memory_advises_what_is_possible(batch: int, devices: int, advice: str) -> None:
    message = out_of_memory(batch, devices)
    assert f"batches of {batch}:" in message and message.endswith(advice)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("Tried to allocate 20 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 3 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("could not create a memory object"), True),
        (RuntimeError("could not create a primitive"), False),
        (RuntimeError("shapes do not fit"), False),
        (OSError("No space left on device"), False),
    ],
)
def test_running_out_of_memory_is_recognised(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected
