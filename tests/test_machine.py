"""The memory of a process whose steps take and free the same large blocks."""

import platform
import subprocess
import sys

import pytest

STEPS = """
import resource, sys
from reidaug.machine import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def step():
    blocks = [bytearray(24 * 2**20) for _ in range(6)]
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told to keep memory")
def test_freed_memory_is_taken_again_without_the_system():
    def faults(how):
        return int(
            subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, check=True, text=True).stdout
        )

    assert faults("given back") > 10_000
    assert faults("kept") < 100
