"""The memory of a process whose steps take and free the same large blocks."""

import platform
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from reidaug.cli.app import app
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told to keep memory")
def test_freed_memory_is_taken_again_without_the_system():
    def faults(how):
        return int(
            subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, check=True, text=True).stdout
        )

    assert faults("kept") < 100 < faults("given back")


def test_every_command_keeps_its_memory(monkeypatch):
    called = []
    monkeypatch.setattr("reidaug.cli.app.keep_freed_memory", lambda: called.append(1))
    assert CliRunner().invoke(app, ["table", "--study", "nowhere"]).exit_code == 1
    assert called


def test_what_the_user_has_set_stays(monkeypatch):
    called = []
    monkeypatch.setattr("ctypes.CDLL", lambda _: called.append(1))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "0")
    keep_freed_memory()
    assert not called
