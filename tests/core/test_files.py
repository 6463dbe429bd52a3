"""Files and folders that appear whole or not at all, and locks."""

import errno
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from reidaug.core import files
from reidaug.core.errors import HeldError, ReidAugError
from reidaug.core.files import (
    atomic_write,
    check_locks,
    check_out,
    link_or_copy_file,
    link_or_copy_files,
    locked,
    whole_folder,
)


@pytest.mark.parametrize("data", ["ü\n", b"\x00\xff"])
def test_file_is_written_whole(tmp_path: Path, data: bytes | str) -> None:
    atomic_write(tmp_path / "a", "old")
    atomic_write(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_path_that_is_no_text_can_be_in_a_file(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a\udcff", "set g\udcff\n")
    assert (tmp_path / "a\udcff").read_bytes() == b"set g\\udcff\n"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    atomic_write(tmp_path / "a", "old")
    monkeypatch.setattr(files.os, failing, Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=f"No space.*{tmp_path}/a'"):
        atomic_write(tmp_path / "a", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


def files_in(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir()}


def contents(files: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files.items()}


def test_folder_is_linked_or_copied(tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_root)
    link_or_copy_files(files_in(Path("query")), tmp_path / "link", copy=False)
    link_or_copy_files(files_in(Path("query")), tmp_path / "copy", copy=True)
    assert os.readlink(tmp_path / "link") == os.path.join("data", tiny_root.name, "query")
    assert not (tmp_path / "copy").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data", "link"]
    copied = contents(files_in(tmp_path / "copy"))
    assert copied == contents(files_in(tmp_path / "link")) and len(copied) == 8


def test_files_of_several_folders_are_linked_or_copied_one_by_one(tiny_root: Path, tmp_path: Path) -> None:
    some = {"a.jpg": next((tiny_root / "query").iterdir()), "b.jpg": next((tiny_root / "bounding_box_test").iterdir())}
    for copy in (False, True):
        target = tmp_path / str(copy)
        link_or_copy_files(some, target, copy)
        assert contents(files_in(target)) == contents(some)
        assert all(path.is_symlink() != copy for path in target.iterdir()) and not target.is_symlink()


def test_links_to_another_part_of_the_disk_are_absolute(tmp_path: Path) -> None:
    (tmp_path / "a" / "set").mkdir(parents=True)
    for source, text in ((tmp_path / "b", "../../b"), (Path("/dev/null"), "/dev/null")):
        files.link(tmp_path / "a" / "set" / source.name, source)
        assert os.readlink(tmp_path / "a" / "set" / source.name) == text


def test_an_interrupted_copy_leaves_no_folder(tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "copyfile", Mock(side_effect=KeyboardInterrupt))
        link_or_copy_files(files_in(tiny_root / "query"), tmp_path / "copy", copy=True)
    assert not (tmp_path / "copy").exists()
    link_or_copy_files(files_in(tiny_root / "query"), tmp_path / "copy", copy=True)
    assert len(list((tmp_path / "copy").iterdir())) == 8


def test_lock_is_for_one_at_a_time_and_freed_on_error(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".lock"
    with locked(path, "the set pona"), pytest.raises(ReidAugError, match=rf"the set pona .* process {os.getpid()} on "):  # noqa: SIM117
        with locked(path, "the set pona"):
            pytest.fail("two held the lock")
    with pytest.raises(KeyError), locked(path, "it"):
        raise KeyError
    with locked(path, "it"), locked(tmp_path / ".other", "other"):
        pass


def test_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    code = (
        "import sys, time; from pathlib import Path; from reidaug.core.files import locked\n"
        "with locked(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"
    )
    repository = Path(files.__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, cwd=repository) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(ReidAugError, match=f"process {holder.pid} on ") as caught, locked(path, "it"):
            pytest.fail("two held the lock")
        assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", str(caught.value))
        holder.kill()
        holder.wait()
    with locked(path, "it"):
        assert f"process {os.getpid()} on " in path.read_text()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_the_work_goes_on_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(code, os.strerror(code))))
    with locked(tmp_path / ".lock", "the set pona"):
        pass
    assert f"{tmp_path / '.lock'} cannot be locked ({os.strerror(code)}): going on without locks" in caplog.text
    with pytest.raises(ReidAugError, match=r"cannot be locked .* one process alone"):
        check_locks(tmp_path)


def test_a_lock_that_fails_otherwise_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.EIO, "Input/output error")))
    with pytest.raises(OSError, match=re.escape(str(tmp_path / ".lock"))), locked(tmp_path / ".lock", "it"):
        pytest.fail("not locked")


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_links_are_not_possible_files_are_copied(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    monkeypatch.setattr(os, "symlink", Mock(side_effect=OSError(code, os.strerror(code))))
    whole = files_in(tiny_root / "query")
    some = {"a.jpg": whole.popitem()[1], "b.jpg": next((tiny_root / "bounding_box_test").iterdir())}
    for name, linked in (("whole", files_in(tiny_root / "query")), ("some", some)):
        link_or_copy_files(linked, tmp_path / name, copy=False)
        assert f"links are not possible at {tmp_path / name} ({os.strerror(code)})" in caplog.text
        assert contents(files_in(tmp_path / name)) == contents(linked)
        assert not any(path.is_symlink() for path in (tmp_path / name, *(tmp_path / name).iterdir()))


def test_a_folder_that_may_not_be_written_is_an_error(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "symlink", Mock(side_effect=PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(PermissionError):
        link_or_copy_files(files_in(tiny_root / "query"), tiny_root / "link", copy=False)
    assert not (tiny_root / "link").exists()


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 251}.jpg"
    atomic_write(path, b"image")
    assert path.read_bytes() == b"image" and [*tmp_path.iterdir()] == [path]


def test_a_folder_takes_its_place_when_all_is_written_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), whole_folder(out) as folder:
        (folder / "a").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".out.partial").mkdir()  # as a killed run leaves it
    (tmp_path / ".out.partial" / "old").touch()
    out.mkdir()
    with whole_folder(out) as folder:
        assert list(folder.iterdir()) == []
        (folder / "a").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_the_folders_of_a_file_are_made_with_it_and_not_by_the_check(tmp_path: Path) -> None:
    path = tmp_path / "new" / "one" / "a.png"
    for folder in (False, True):
        check_out(path, folder)
        assert not list(tmp_path.iterdir())
    atomic_write(path, b"a")
    assert path.read_bytes() == b"a"
    for below in (path / "b.png", path / "c" / "b.png"):
        with pytest.raises(ReidAugError, match=r"a\.png is a file, expected a folder for b\.png"):
            check_out(below)


def test_two_processes_do_not_fill_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_folder(out) as folder:
        (folder / "a").touch()
        with pytest.raises(HeldError, match="out is being made by another process"), whole_folder(out):
            pass
        assert (folder / "a").exists()
    with whole_folder(tmp_path / "other"):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "other", "out"]


def test_a_folder_is_filled_where_a_link_leads_and_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "nowhere", "loop"):
        (tmp_path / f"to-{name}").symlink_to("to-loop" if name == "loop" else name)
    check_out(tmp_path / "to-there", folder=True)
    with whole_folder(tmp_path / "to-there") as folder:
        (folder / "a").touch()
    assert (tmp_path / "to-there").is_symlink() and (tmp_path / "there" / "a").is_file()
    for name in ("nowhere", "loop"):
        with pytest.raises(ReidAugError, match=f"to-{name} is a link to .*, which is not there"):
            check_out(tmp_path / f"to-{name}", folder=True)


def test_a_link_in_a_loop_can_be_linked_to_and_a_pipe_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    link_or_copy_file(tmp_path / "link", tmp_path / "loop", copy=False)
    assert (tmp_path / "link").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReidAugError, match="is a pipe"):
        link_or_copy_file(tmp_path / "copy", tmp_path / "pipe", copy=True)
