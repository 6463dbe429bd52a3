"""Files and folders that appear whole or not at all, and locks on outputs."""

import csv
import errno
import io
import logging
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from reidaug.core.errors import HeldError, ReidAugError
from reidaug.core.fingerprint import refuse_pipe
from reidaug.core.progress import Say

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# what file systems answer that lack something: some NFS mounts, exFAT, network drives, file systems of containers
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LOG = logging.getLogger("reidaug")


def atomic_write(path: Path, data: bytes | str) -> None:
    """Writes bytes, or text as UTF-8, to a file: whole or not at all. Its folder is made.

    A byte of a path that is no text is written as ``\\udcff``.
    """
    content = data.encode(errors="backslashreplace") if isinstance(data, str) else data
    temporary = path.parent / f".{secrets.token_hex(8)}.partial"  # short: `path` may have the longest name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # that of a full disk names no file, that of opening another one
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Writes rows, the first of which is the header, as `atomic_write` does."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    atomic_write(path, text.getvalue())


def write_image(path: Path, image: Image.Image, kind: str, **options: Any) -> None:
    """Writes an image to a file, as `atomic_write` does.

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
    """Raises ReidAugError if a file (or a folder) cannot be written to this path: before the work, not after it.

    Folders above that are missing are made with the output.
    """
    above = [path.absolute(), *path.absolute().parents]
    nearest = next(candidate for candidate in above if candidate.is_dir())
    block = above[max(above.index(nearest) - 1, 0)]  # what is to be made in it
    if block != above[0] and block.exists():
        raise ReidAugError(f"{block} is a file, expected a folder for {path.name}")
    if folder and path.is_symlink() and not path.exists():
        raise ReidAugError(f"{path} is a link to {path.readlink()}, which is not there: remove it, or make that folder")
    if folder and path.exists() and not path.is_dir():
        raise ReidAugError(f"{path} is a file, expected a folder to write to")
    if not folder and path.is_dir():
        raise ReidAugError(f"{path} is a folder, expected a file to write")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise ReidAugError(f"{path} cannot be written: {error.strerror}; choose a folder that is writable") from None


def check_file(path: Path, option: str) -> None:
    """Raises ReidAugError if a file that an option names is not there; an import of torch would come first else."""
    if not path.exists():
        raise ReidAugError(f"{option} {path} does not exist: give a file that is there")


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path, with its links followed, is a folder or lies in it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


@contextmanager
def locked(path: Path, what: str, wait: bool = False, shared: bool = False) -> Iterator[None]:
    """Locks an output; a second process is refused at once. The system releases the lock of a process that dies.

    Where the file system has no locks, the work goes on without one, and a line says so.

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
            lock_file(handle, path, shared, wait)
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            raise HeldError(f"{what} is being made by {holder}; wait for that process, or stop it") from None
        if not shared:
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T')}".encode())
        yield
        _flock(handle, path, "LOCK_UN")  # closing alone is not enough: a forked child would keep the lock
    finally:
        os.close(handle)


def lock_file(handle: int, path: Path, shared: bool = False, wait: bool = True) -> None:
    """Locks an open file; where the file system or the operating system has no locks, it logs so instead.

    Args:
        handle: the open file.
        path: its path, for messages.
        shared: several processes can hold the lock.
        wait: wait for another process that holds it.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: any other failure; it names the file.
    """
    _flock(handle, path, "LOCK_SH" if shared else "LOCK_EX", wait)


def _flock(handle: int, path: Path, kind: str, wait: bool = True) -> None:
    try:
        _system_lock(handle, kind, wait)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise OSError(error.errno, error.strerror, str(path)) from None
        _LOG.warning(
            "%s cannot be locked (%s): going on without locks; let no other process write to the same place",
            path,
            error.strerror,
        )


def _system_lock(handle: int, kind: str, wait: bool = True) -> None:
    if fcntl is None:
        raise OSError(errno.ENOSYS, "this operating system has no flock")
    fcntl.flock(handle, getattr(fcntl, kind) | (0 if wait else fcntl.LOCK_NB))


def check_locks(folder: Path) -> None:
    """Raises ReidAugError if files in a folder cannot be locked: several processes would write over each other."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            _system_lock(file.fileno(), "LOCK_EX")
        except OSError as error:
            raise ReidAugError(
                f"files in {folder} cannot be locked ({error.strerror}), so several processes cannot share the work: "
                "start one process alone, or use a folder of another file system"
            ) from None


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


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A new folder to fill, which takes its place when all is written, or else is removed.

    Args:
        out: where it will be; an empty folder there is replaced, also one that this is a link to.

    Raises:
        HeldError: another process fills it.
    """
    out = Path(os.path.realpath(out))
    partial = out.with_name(f".{out.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    with _locked_folder(partial, out):
        try:
            for left in partial.iterdir():  # by a killed run
                _remove(left)
            yield partial
            sync()
            if out.exists():
                out.rmdir()
            os.rename(partial, out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _locked_folder(folder: Path, what: Path) -> Iterator[None]:
    if fcntl is None:  # Windows opens no folders
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            lock_file(handle, folder, wait=False)
        except BlockingIOError:
            raise HeldError(f"{what} is being made by another process; wait for that process, or stop it") from None
        yield
    finally:
        os.close(handle)


def link_or_copy_files(files: Mapping[str, Path], target: Path, copy: bool) -> None:
    """Writes a folder of links to files or of copies; it appears whole or not at all.

    Links are as `link` makes them.
    Files of one folder that keep their names become one link to that folder, or a copy of all files in it. Where links
    are not possible it copies, and logs so.

    Args:
        files: by their names in the new folder.
        target: the new folder; what is there is replaced.
        copy: copy instead of linking.
    """
    try:
        _link_or_copy(files, target, copy)
    except OSError as error:
        if copy:
            raise
        _copy_instead(error, target)
        _link_or_copy(files, target, copy=True)


def link_or_copy_file(path: Path, source: Path, copy: bool) -> None:
    """Makes a link to a file as `link` does, or a copy; where links are not possible a copy, and logs so."""
    try:
        if not copy:
            link(path, source)
            return
    except OSError as error:
        _copy_instead(error, path.parent)
    refuse_pipe(source)
    shutil.copyfile(source, path)


def _copy_instead(error: OSError, place: Path) -> None:
    """Logs that there are no links at a place; raises any other error again."""
    if error.errno not in NO_LINKS:
        raise error
    _LOG.warning("links are not possible at %s (%s): copying the files instead", place, error.strerror)


def _link_or_copy(files: Mapping[str, Path], target: Path, copy: bool) -> None:
    folders = {path.parent for path in files.values()}
    one_folder = len(folders) == 1 and all(name == path.name for name, path in files.items())
    if one_folder and not copy:
        _remove(target)
        link(target, folders.pop())
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
            link(partial / name, path)
    sync()
    _remove(target)
    os.rename(partial, target)


def sync() -> None:
    """Waits until all that was written is on the disk, where the operating system can tell."""
    if hasattr(os, "sync"):
        os.sync()


def link(path: Path, source: Path) -> None:
    """Makes a symbolic link, relative where both are below one folder of the disk, so that they can be moved together.

    Args:
        path: the link, in an existing folder.
        source: the file or folder that it leads to.
    """
    source, start = (Path(os.path.realpath(place)) for place in (source, path.parent))  # resolve() stops at loops
    together = len(Path(os.path.commonpath([source, start])).parts) > 1 if source.drive == start.drive else False
    path.symlink_to(os.path.relpath(source, start) if together else source, target_is_directory=source.is_dir())


def _remove(folder: Path) -> None:
    """Removes a folder with its content, a file or a link, if it is there."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


@contextmanager
def locked_in_turn(path: Path, what: str, say: Say) -> Iterator[None]:
    """As `locked`, but says who holds the lock, and waits."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, what))
        except HeldError as error:
            say(f"{error}: waiting for it")
            stack.enter_context(locked(path, what, wait=True))
        yield
