"""Links, or copies where links are not possible."""

import errno
import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.core.links import link, link_or_copy_file, link_or_copy_files


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
        link(tmp_path / "a" / "set" / source.name, source)
        assert os.readlink(tmp_path / "a" / "set" / source.name) == text


def test_an_interrupted_copy_leaves_no_folder(tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "copyfile", Mock(side_effect=KeyboardInterrupt))
        link_or_copy_files(files_in(tiny_root / "query"), tmp_path / "copy", copy=True)
    assert not (tmp_path / "copy").exists()
    link_or_copy_files(files_in(tiny_root / "query"), tmp_path / "copy", copy=True)
    assert len(list((tmp_path / "copy").iterdir())) == 8


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


def test_a_link_in_a_loop_can_be_linked_to_and_a_pipe_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    link_or_copy_file(tmp_path / "link", tmp_path / "loop", copy=False)
    assert (tmp_path / "link").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReidAugError, match="is a pipe"):
        link_or_copy_file(tmp_path / "copy", tmp_path / "pipe", copy=True)
