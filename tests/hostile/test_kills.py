"""Commands that are killed: what can be seen is whole, and the same command does the rest and sweeps up."""

import json
import random
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.hostile.processes import COMMANDS, hidden, make_workplace, run, snapshot

TRAININGS = ("train", "evaluate", "sweep")  # see test_kills_of_trainings.py
# These hold times, or grow: they are whole when the command has ended, and never equal between two runs.
CHANGING = re.compile(r"(.*/)?(shrink\.json|results\.jsonl|g\.pt.*|g\.best\.pt|report\.html|models/.*|\.work/.*)")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workplace(tmp_path_factory.mktemp("kills") / "workplace")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in TRAININGS])
def test_a_killed_command_leaves_whole_files_and_the_next_run_does_the_rest(
    name: str, workplace: Path, tmp_path: Path
) -> None:
    kill_and_run_again(name, workplace, tmp_path, 4)


def kill_and_run_again(name: str, workplace: Path, tmp_path: Path, count: int) -> None:
    """Kills a command at its last change of the disk and at some others, drawn by its name; then runs it again."""
    whole = Path(shutil.copytree(workplace, tmp_path / "whole", symlinks=True))
    undisturbed = run(whole, COMMANDS[name])
    assert undisturbed.code == 0, undisturbed.output
    expected, before = snapshot(whole), snapshot(workplace)
    assert not hidden(whole)
    draw, problems = random.Random(name), []
    moments = [undisturbed.changes, *draw.sample(range(1, undisturbed.changes), min(count, undisturbed.changes) - 1)]
    begun = time.monotonic()
    for moment in moments:
        place = Path(shutil.copytree(workplace, tmp_path / f"{moment}", symlinks=True))
        killed = run(place, COMMANDS[name], kill_at=moment)
        assert killed.code in (-9, 0), killed.output
        for path, digest in snapshot(place).items():
            visible = not any(part.startswith(".") for part in Path(path).parts) and not CHANGING.fullmatch(path)
            if path.endswith("synthesis.json"):  # written at the beginning, and with more at the end
                json.loads((place / path).read_text())
            elif visible and digest not in (expected.get(path), before.get(path)):
                problems.append(f"killed at {moment}: {path} is not whole")
        again = run(place, COMMANDS[name])
        already = "is there already" in again.output
        if again.code and not (already and same_files(snapshot(place), expected)):
            problems.append(f"killed at {moment}: {again.output[-300:]}")
        elif not same_files(snapshot(place), expected):
            after = snapshot(place)
            other = [path for path in {*after, *expected} if after.get(path) != expected.get(path)]
            problems.append(f"killed at {moment}: another result: {sorted(other)[:5]}")
        if left := hidden(place):
            problems.append(f"killed at {moment}: left over: {left}")
        shutil.rmtree(place)
    print(f"{name}: {len(moments)} kills of {undisturbed.changes}, {time.monotonic() - begun:.1f} s")
    assert not problems, "\n".join(problems)


def same_files(files: dict[str, str], expected: dict[str, str]) -> bool:
    """Whether the files that can be seen are the same, and those that hold no times have the same content."""
    shown, wanted = (
        {path: digest for path, digest in some.items() if not any(part.startswith(".") for part in Path(path).parts)}
        for some in (files, expected)
    )
    steady = [path for path in wanted if not CHANGING.fullmatch(path)]
    return shown.keys() == wanted.keys() and all(shown[path] == wanted[path] for path in steady)
