"""Files and folders that appear whole or not at all."""

import errno
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from reidaug.core import files
from reidaug.core.errors import ReidAugError, one_line
from reidaug.core.files import atomic_write, check_out, copy_file, whole_folder


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


def test_a_copy_that_fails_names_the_file_that_it_is_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match=f"No such file.*{tmp_path}/source'"):
        copy_file(tmp_path / "source", tmp_path / "target")
    full = OSError(errno.ENOSPC, "No space left on device", "the source")
    monkeypatch.setattr(files.shutil, "copyfile", Mock(side_effect=full))
    with pytest.raises(OSError) as caught:
        copy_file(tmp_path / "source", tmp_path / "target")
    assert one_line(caught.value) == (
        f"cannot write {tmp_path}/target: No space left on device; free some space and run again: it goes on where it "
        "stopped"
    )
