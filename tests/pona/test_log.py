"""The log of a run."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pona import PoNAError
from pona.log import Log
from tests.factories import interrupted, train_tiny


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
