"""Files and folders that appear whole or not at all, and locks on outputs."""

import csv
import fcntl
import io
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from reidaug.core.errors import HeldError, ReidAugError


def atomic_write(path: Path, data: bytes | str) -> None:
    """Writes bytes, or text as UTF-8, to a file in an existing folder: whole or not at all."""
    content = data.encode() if isinstance(data, str) else data
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.partial"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Writes rows, the first of which is the header, as `atomic_write` does."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    atomic_write(path, text.getvalue())


def write_image(path: Path, image: Image.Image, kind: str, **options: Any) -> None:
    """Writes an image to a file in an existing folder: whole or not at all.

    Args:
        path: the file.
        image: what to write.
        kind: "PNG" or "JPEG", whatever the name ends in.
        options: of PIL's `Image.save`.
    """
    content = io.BytesIO()
    image.save(content, kind, **options)
    atomic_write(path, content.getvalue())


def check_out(path: Path, folder: bool = False) -> None:
    """Raises ReidAugError if a file (or a folder) cannot be written to this path: before the work, not after it."""
    parent = path.absolute().parent
    if not parent.is_dir():
        raise ReidAugError(f"no folder {parent} for {path.name}: create it first")
    if folder and path.exists() and not path.is_dir():
        raise ReidAugError(f"{path} is a file, expected a folder to write to")
    if not folder and path.is_dir():
        raise ReidAugError(f"{path} is a folder, expected a file to write")
    try:
        with tempfile.TemporaryFile(dir=path if path.is_dir() else parent):
            pass
    except OSError as error:
        raise ReidAugError(f"{path} cannot be written: {error.strerror}; choose a folder that is writable") from None


@contextmanager
def locked(path: Path, what: str, wait: bool = False, shared: bool = False) -> Iterator[None]:
    """Locks an output; a second process is refused at once. The system releases the lock of a process that dies.

    Args:
        path: the lock file, usually a hidden one beside the output; it stays, and names its last holder.
        what: the output's name in the message.
        wait: wait for the holder instead of being refused.
        shared: a lock that several processes can hold; the file still names the last exclusive holder.

    Raises:
        HeldError: another process holds it; the message names process, machine and time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            raise HeldError(f"{what} is being made by {holder}; wait for that process, or stop it") from None
        if not shared:
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T')}".encode())
        yield
        fcntl.flock(handle, fcntl.LOCK_UN)  # closing alone is not enough: a forked child would keep the lock
    finally:
        os.close(handle)


def list_files(folder: Path) -> list[str]:
    """The names of everything in a folder, sorted.

    Raises:
        ReidAugError: there is no such folder.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        raise ReidAugError(f"no folder {folder}") from None


def link_or_copy_files(files: Mapping[str, Path], target: Path, copy: bool) -> None:
    """Writes a folder of links to files (by their absolute paths) or of copies; it appears whole or not at all.

    Files of one folder that keep their names become one link to that folder, or a copy of all files in it.

    Args:
        files: by their names in the new folder.
        target: the new folder; what is there is replaced.
        copy: copy instead of linking.
    """
    folders = {path.parent for path in files.values()}
    one_folder = len(folders) == 1 and all(name == path.name for name, path in files.items())
    if one_folder and not copy:
        _remove(target)
        target.symlink_to(folders.pop().resolve(), target_is_directory=True)
        return
    if one_folder:
        files = {entry.name: Path(entry.path) for entry in os.scandir(folders.pop()) if entry.is_file()}
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name, path in files.items():
        if copy:
            shutil.copyfile(path, partial / name)
        else:
            (partial / name).symlink_to(path.resolve())
    os.sync()
    _remove(target)
    os.rename(partial, target)


def _remove(folder: Path) -> None:
    """Removes a folder, or a link to one, if it is there."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
