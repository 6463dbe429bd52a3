"""The memory of a process whose steps take and free the same large blocks."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from reidaug.core.machine import keep_freed_memory, spin_less_beside_other_work

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


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is Linux's")
@pytest.mark.parametrize(
    ("running", "user", "expected"),
    [
        ([3, 3, 3], None, "30000"),  # this one, and two on two cores
        ([3, 2, 3], None, None),  # one of them paused: the load was of a moment
        ([9, 9, 9], "4", None),
    ],
)
def test_threads_spin_less_where_other_processes_use_all_cores(
    monkeypatch: pytest.MonkeyPatch, running: list[int], user: str | None, expected: str | None
) -> None:
    for name in [name for name in os.environ if name.startswith(("OMP_", "GOMP_"))]:
        monkeypatch.delenv(name)
    if user:
        monkeypatch.setenv("OMP_NUM_THREADS", user)
    looks = iter(running)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(Path, "read_text", lambda path, **_: f"0.50 0.40 0.30 {next(looks)}/99 1234\n")
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # so that it is taken back after the test
    monkeypatch.delenv("GOMP_SPINCOUNT")
    spin_less_beside_other_work()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
