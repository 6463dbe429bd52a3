"""Locks on outputs."""

import errno
import fcntl
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from reidaug.core import locks
from reidaug.core.errors import HeldError, ReidAugError
from reidaug.core.files import whole_folder
from reidaug.core.locks import check_locks, is_held, locked


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
        "import sys, time; from pathlib import Path; from reidaug.core.locks import locked\n"
        "with locked(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"
    )
    repository = Path(locks.__file__).parents[2]
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


def test_two_processes_do_not_fill_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_folder(out) as folder:
        (folder / "a").touch()
        with pytest.raises(HeldError, match=f"out is being made by process {os.getpid()} on "), whole_folder(out):
            pass
        assert (folder / "a").exists()
    with whole_folder(tmp_path / "other"):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "other", "out"]


def test_a_lock_file_is_there_as_long_as_it_is_locked(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text("process 1 on a machine, which was killed")
    with locked(path, "it", shared=True):
        with locked(path, "it", shared=True):
            assert is_held(path) is False and path.exists()  # by nobody alone
        assert path.exists()
        with pytest.raises(HeldError), locked(path, "it"):
            pass
    assert not path.exists() and not is_held(path)
    with locked(path, "it"):
        assert is_held(path)
        path.unlink()
        path.write_text("that of another folder, which took the place of this one")
    assert path.exists()


def test_one_who_has_waited_holds_the_lock_that_others_see(tmp_path: Path) -> None:
    path, order = tmp_path / ".lock", []

    def work(name: str) -> None:
        with locked(path, "it", wait=True):
            order.append(f"{name} begins")
            with pytest.raises(HeldError), locked(path, "it"):
                pass
            time.sleep(0.01)
            order.append(f"{name} ends")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    with locked(path, "it"):
        for thread in threads:
            thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert len(order) == 8 and all(a[0] == b[0] for a, b in zip(order[::2], order[1::2], strict=True))
    assert not path.exists()


def test_a_lock_file_for_which_there_is_no_space_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match=f"No space.*{tmp_path}/.lock'"), locked(tmp_path / ".lock", "it"):
        pytest.fail("not written")
    assert not list(tmp_path.iterdir())
