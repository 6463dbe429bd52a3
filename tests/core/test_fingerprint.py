"""Fingerprints: equal for equal names and bytes, and for nothing else."""

import hashlib
import os
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import file_digest, files_fingerprint, fingerprint, refuse_pipe, stamp_files


def test_the_first_digits_of_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert fingerprint("ä") == fingerprint("ä".encode()) == hashlib.sha256("ä".encode()).hexdigest()[:16]
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"content").digest()


def test_names_and_bytes_count_order_and_place_do_not(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    a, b = tmp_path / "a", tmp_path / "b"
    digests = [hashlib.sha256(name.encode()).digest() for name in "ab"]
    naive = hashlib.sha256(b"x\0" + digests[0] + b"y\0" + digests[1]).hexdigest()[:16]
    assert files_fingerprint({"y": b, "x": a}) == files_fingerprint({"x": a, "y": b}) == naive
    assert len({naive, files_fingerprint({"x": b, "y": a}), files_fingerprint({"x": a}), files_fingerprint({})}) == 4


def test_a_stamp_changes_with_every_writing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    before = stamp_files([path])
    assert stamp_files([path]) == before
    os.utime(path, (0, 0))
    assert stamp_files([path]) != before
    for call in (lambda: stamp_files([tmp_path / "absent"]), lambda: file_digest(tmp_path / "absent")):
        with pytest.raises(ReidAugError, match=r"cannot read .*absent: No such file"):
            call()


def test_a_link_to_nothing_is_called_so(tmp_path: Path) -> None:
    link = tmp_path / "data" / "a.jpg"
    link.parent.mkdir()
    link.symlink_to("../gone/a.jpg")
    for read in (file_digest, lambda path: stamp_files([path])):
        with pytest.raises(ReidAugError, match=r"a link to .*gone/a\.jpg, which is not there"):
            read(link)


def test_a_pipe_is_not_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("pipe.jpg")
    for read in (refuse_pipe, file_digest):
        with pytest.raises(ReidAugError, match=r"link\.jpg is a pipe, expected a file"):
            read(tmp_path / "link.jpg")
    refuse_pipe(tmp_path / "absent.jpg")
