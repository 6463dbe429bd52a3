"""Fingerprints: the first digits of SHA-256, by which data, settings and results are recognised."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.threads import in_threads

DIGITS = 16  # hexadecimal: 64 bits


def fingerprint(content: bytes | str) -> str:
    """16 hexadecimal digits; text counts as UTF-8."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:DIGITS]


def refuse_pipe(path: Path) -> None:
    """Raises ReidAugError for a named pipe, which would be waited on for ever."""
    if path.is_fifo():
        raise ReidAugError(f"{path} is a pipe, expected a file")


def file_digest(path: Path) -> bytes:
    """The whole SHA-256 of a file.

    Raises:
        ReidAugError: it cannot be read, or is a pipe.
    """
    refuse_pipe(path)
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        raise _unreadable(path, error) from None


def files_fingerprint(files: Mapping[str, Path]) -> str:
    """The fingerprint of names and contents; folders and the order of the files do not matter."""
    return digests_fingerprint(file_digests(files))


def file_digests(files: Mapping[str, Path]) -> dict[str, bytes]:
    """The whole SHA-256 of each file, by its name.

    Raises:
        ReidAugError: a file cannot be read.
    """
    names = sorted(files)
    return dict(zip(names, in_threads(lambda name: file_digest(files[name]), names), strict=True))


def digests_fingerprint(digests: Mapping[str, bytes]) -> str:
    """The fingerprint of names and contents, from the digests of `file_digests`."""
    return fingerprint(b"".join(name.encode() + b"\0" + digests[name] for name in sorted(digests)))


def stamp_files(paths: Iterable[Path]) -> str:
    """The fingerprint of inode, size and time of files: cheap, and it changes when one of them is written again.

    Raises:
        ReidAugError: a file cannot be read.
    """
    stamps = []
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from None
        stamps.append(f"{status.st_ino} {status.st_size} {status.st_mtime_ns}\n")
    return fingerprint("".join(stamps))


def _unreadable(path: Path, error: OSError) -> ReidAugError:
    if path.is_symlink() and not path.exists():
        target = path.parent / path.readlink()
        return ReidAugError(f"cannot read {path}: it is a link to {target}, which is not there: bring that back")
    return ReidAugError(f"cannot read {path}: {error.strerror}")
