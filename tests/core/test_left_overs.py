"""What killed processes leave."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from pona.torch_file import write_torch
from reid_baseline.resume import write_whole
from reidaug.core.files import atomic_write, discard, whole_folder
from reidaug.core.left_overs import left_overs, remove_left_overs
from reidaug.core.locks import locked


@contextmanager
def held(*paths: Path) -> Iterator[None]:
    """Files that a living process has locked."""
    with ExitStack() as stack:
        for path in paths:
            file = stack.enter_context(path.open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill(folder: Path) -> None:
    """Left-overs of all kinds, each of 10 bytes, and what looks like one."""
    for name in (".query.partial", ".query.stale"):
        (folder / name / "in").mkdir(parents=True)
        (folder / name / "in" / "a.jpg").write_bytes(b"0123456789")
    for name in (".0123456789abcdef.partial", ".lock-0-of-1", ".train.lock", "a.jpg", ".a.csv.part", ".a.csv.record"):
        (folder / name).write_bytes(b"0123456789")


HALF = [".0123456789abcdef.partial", ".query.partial", ".query.stale"]
REST = [".a.csv.part", ".a.csv.record", "a.jpg"]


def test_left_overs_are_listed_with_their_sizes_and_removed(tmp_path: Path) -> None:
    fill(tmp_path / "set")
    assert list(left_overs(tmp_path)) == []
    found = list(left_overs(tmp_path, below=True, lock_files=True))
    assert [(left.path.name, left.size()) for left in found] == [
        (name, 10) for name in sorted([*HALF, ".lock-0-of-1", ".train.lock"])
    ]
    assert not any(left.is_held() for left in found) and all(left.remove() for left in found)
    assert sorted(os.listdir(tmp_path / "set")) == REST


def test_what_a_process_has_locked_stays(tmp_path: Path) -> None:
    fill(tmp_path)
    with (
        held(tmp_path / ".0123456789abcdef.partial", tmp_path / ".lock-0-of-1"),
        locked(tmp_path / ".query.lock", "it"),
    ):
        found = {left.path.name: left for left in left_overs(tmp_path, lock_files=True)}
        assert {name for name, left in found.items() if left.is_held()} == {*HALF, ".lock-0-of-1", ".query.lock"}
        assert [name for name, left in found.items() if left.remove()] == [".train.lock"]
        remove_left_overs(left_overs(tmp_path))
        assert {*HALF, *REST, ".lock-0-of-1"} < set(os.listdir(tmp_path))
    remove_left_overs(left_overs(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted([*REST, ".lock-0-of-1"])


def test_nothing_is_removed_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "No locks available")))
    remove_left_overs(left_overs(tmp_path, lock_files=True))
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("writer", ["atomic_write", "pona", "reid_baseline"])
def test_a_file_that_is_being_written_is_no_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    replace, seen = os.replace, []

    def look(source: Path, target: Path) -> None:
        remove_left_overs(left_overs(tmp_path))
        seen.extend(left.is_held() for left in left_overs(tmp_path))
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    writers = {"atomic_write": lambda path: atomic_write(path, "a"), "pona": lambda path: write_torch(path, {})}
    writers.get(writer, lambda path: write_whole(path, {}))(tmp_path / "a")
    assert seen == [True] and os.listdir(tmp_path) == ["a"]


def test_the_next_file_in_a_folder_removes_what_a_killed_process_left_there(tmp_path: Path) -> None:
    fill(tmp_path)
    atomic_write(tmp_path / "b", "b")
    assert not (tmp_path / HALF[0]).exists() and (tmp_path / HALF[1]).exists()  # it may be another program's


def test_the_next_folder_removes_what_is_left_of_the_last_one_also_links(tmp_path: Path) -> None:
    for path in (tmp_path / ".out.stale", tmp_path / ".in.stale"):
        path.symlink_to("far")
    (tmp_path / "far" / "a").mkdir(parents=True)
    (tmp_path / ".out.partial").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "in").symlink_to("far")
    with whole_folder(tmp_path / "out", replace=True) as folder:
        (folder / "b").touch()
    discard(tmp_path / "in")
    assert sorted(os.listdir(tmp_path)) == ["far", "out"]
    assert os.listdir(tmp_path / "out") == ["b"] and os.listdir(tmp_path / "far") == ["a"]


def test_a_folder_is_replaced_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "far" / "a").mkdir(parents=True)
    (tmp_path / "out").symlink_to("far")
    for name in ("b", "c"):
        with whole_folder(tmp_path / "out", replace=True) as folder:
            (folder / name).touch()
        assert (tmp_path / "out").is_symlink() and os.listdir(tmp_path / "far") == [name]
    assert sorted(os.listdir(tmp_path)) == ["far", "out"]
