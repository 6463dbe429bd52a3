"""The log of a run."""

import json
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import pona.run
from pona import PoNAError
from pona.log import Log
from pona.progress import TrainProgress
from pona.run import Run
from pona.trainer import Trainer
from tests.factories import TINY, interrupted, small_data, train_tiny


@pytest.mark.parametrize("rest", ['{"iteration": 4, "iterations": 6, "losses": {"l1": 0.1}', '{"itera', "\0\0\0", "7"])
def test_a_log_cut_by_a_crash_does_not_hinder_the_resume(tmp_path: Path, rest: str) -> None:
    interrupted(tmp_path / "g.pt")
    with (tmp_path / "g.pt.jsonl").open("a") as log:
        log.write(rest)
    train_tiny(tmp_path / "g.pt")
    logged = [json.loads(line)["iteration"] for line in (tmp_path / "g.pt.jsonl").read_text().splitlines()]
    assert logged == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_leaves_the_log_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path / "g.pt")
    before = (tmp_path / "g.pt.jsonl").read_text()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PoNAError, match="No space left"):
        train_tiny(tmp_path / "g.pt")
    assert (tmp_path / "g.pt.jsonl").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.pt.jsonl", "g.pt.last"]


def logged(out: Path) -> list[dict[str, Any]]:
    """The lines of a log without timings."""
    lines = [json.loads(line) for line in out.with_name(out.name + ".jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if not name.startswith(("seconds", "images_"))} for line in lines
    ]


EVERY = replace(TINY, iterations=8, log_every=2, validate_every=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    out = tmp_path_factory.mktemp("undisturbed") / "g.pt"
    train_tiny(out, EVERY, validation=small_data(6, 32, 16), data=small_data(6, 32, 16))
    return logged(out)


class KilledError(BaseException):
    """Nothing in the program expects this one."""


PLACES = {
    **{"step": (Trainer, "step"), "add": (Log, "add"), "added": (Log, "add"), "validate": (Run, "_validate")},
    **{"save": (pona.run, "save_checkpoint"), "saved": (pona.run, "save_checkpoint")},
    **{"state": (pona.run, "write_torch"), "saved state": (pona.run, "write_torch")},
}


def log_after_kill(
    out: Path, monkeypatch: pytest.MonkeyPatch, place: str, count: int, save_seconds: int
) -> list[dict[str, Any]]:
    """The log of a training that is killed at (in the past tense: after) the n-th call of a function, and run again."""
    owner, name = PLACES[place]
    real, calls = getattr(owner, name), []

    def killed(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        if len(calls) == count and not place.startswith(("added", "saved")):
            raise KilledError
        result = real(*arguments, **options)
        if len(calls) == count:
            raise KilledError
        return result

    data = small_data(6, 32, 16)
    monkeypatch.setattr(pona.run, "SAVE_SECONDS", save_seconds)
    with monkeypatch.context() as patch, suppress(KilledError):
        patch.setattr(owner, name, killed)
        train_tiny(out, EVERY, validation=data, data=data)
    train_tiny(out, EVERY, validation=data, data=data)
    return logged(out)


@pytest.mark.parametrize(("place", "count"), [("added", 3), ("validate", 2)])
def test_the_log_of_a_killed_run_is_that_of_one_never_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: list[Any], place: str, count: int
) -> None:
    assert log_after_kill(tmp_path / "g.pt", monkeypatch, place, count, 0) == undisturbed


@pytest.mark.parametrize("iteration", [4, 5])  # of a line, of none
def test_the_log_of_a_run_that_was_stopped_is_that_of_one_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: list[Any], iteration: int
) -> None:
    out, data, step = tmp_path / "g.pt", small_data(6, 32, 16), Trainer.step

    def stopped(trainer: Trainer, *arguments: Any) -> Any:
        losses = step(trainer, *arguments)
        if trainer.iteration == iteration:
            signal.raise_signal(signal.SIGTERM)
        return losses

    reports: list[int] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "step", stopped)
        train_tiny(out, EVERY, validation=data, data=data, progress=lambda now: reports.append(now.iteration))
    assert reports[-1] == iteration
    train_tiny(out, EVERY, validation=data, data=data)
    assert logged(out) == undisturbed


@pytest.mark.parametrize(
    "rest", ["[" * 10**5, '{"iteration": "3"}', '{"iteration": 1' + "0" * 5000 + "}", '{"iteration": -1}', "[1]"]
)
def test_broken_lines_are_cut(tmp_path: Path, rest: str) -> None:
    log = Log(tmp_path / "g.pt.jsonl")
    log.path.write_text(f'{{"iteration": 1}}\n{rest}\n{{"iteration": 2}}\n{{"iteration": 3}}\n')
    log.cut(2)
    assert log.path.read_text() == '{"iteration": 1}\n{"iteration": 2}\n'


def test_a_pipe_or_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    log = Log(tmp_path / "g.pt.jsonl")
    os.mkfifo(log.path)
    for work in (log.begin, lambda: log.cut(2)):
        with pytest.raises(PoNAError, match=r"g\.pt\.jsonl is no file.*move it away"):
            work()
    log.path.unlink()
    log.path.mkdir()
    with pytest.raises(PoNAError, match=r"g\.pt\.jsonl is no file.*move it away"):
        log.begin()


def test_a_line_for_which_there_is_no_space_is_an_error_that_names_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "open", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(PoNAError, match=r"cannot write .*a\.jsonl: No space left on device; free some space"):
        Log(tmp_path / "a.jsonl").add(TrainProgress(1, 2, {}, 1.0, 1.0, None), 1.0)
