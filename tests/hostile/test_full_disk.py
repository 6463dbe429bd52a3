"""A full disk: one line that names the file and what to do; when there is space again, the same command goes on."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.processes import COMMANDS, hidden, make_workplace, run, snapshot
from tests.hostile.test_kills import same_files

LINE = r"cannot write .+: No space left on device; (free some space and run again: it goes on|nothing was kept)"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workplace(tmp_path_factory.mktemp("full") / "workplace")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path, free: int) -> Path:
    """Fills a disk up to some bytes."""
    stuff = disk / "stuff"
    with stuff.open("wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - free))
    return stuff


@pytest.mark.parametrize("free", [0, 20_000])
@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("evaluate", "sweep")])
def test_a_full_disk_is_one_line_and_the_command_goes_on_when_there_is_space(
    name: str, free: int, workplace: Path, small_disk: Path, tmp_path: Path
) -> None:
    whole, place = (
        Path(shutil.copytree(workplace, folder / "work", symlinks=True)) for folder in (tmp_path, small_disk)
    )
    command = COMMANDS[name] + (" --tensorboard" if name == "train" else "")
    assert run(whole, command).code == 0
    stuff = fill(small_disk, free)
    full = run(place, command, output=tmp_path)
    errors = [line for line in full.output.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in full.output and "enforce fail" not in full.output, full.output
    if full.code:
        assert full.code == 1 and len(errors) == 1, full.output
        assert re.search(LINE, errors[0]), errors
    stuff.unlink()
    again = run(place, command, output=tmp_path)
    assert again.code == 0 or "there already" in again.output, again.output
    seen = [
        {path: one for path, one in snapshot(folder).items() if "tensorboard" not in path} for folder in (place, whole)
    ]
    assert same_files(*seen)
    assert not hidden(place)
