"""The memory of a process whose steps take and free the same large blocks."""

import platform
import subprocess
import sys
from unittest.mock import Mock

import pytest

from reidaug.core.machine import keep_freed_memory

STEPS = """
import resource, sys
from reidaug.core.machine import keep_freed_memory
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can keep freed memory")
def test_freed_memory_is_reused_without_the_system() -> None:
    def faults(how: str) -> int:
        return int(subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, check=True).stdout)

    assert faults("kept") < 100 < faults("given back")


def test_settings_of_the_user_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Mock()
    monkeypatch.setattr("ctypes.CDLL", library)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "0")
    keep_freed_memory()
    library.assert_not_called()
