"""Locks on outputs: one process at a time makes them."""

import errno
import logging
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from reidaug.core.errors import HeldError, ReidAugError
from reidaug.core.progress import Say

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# what file systems answer that have no locks: some NFS mounts, network drives, file systems of containers
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LOG = logging.getLogger("reidaug")


@contextmanager
def locked(path: Path, what: str, wait: bool = False, shared: bool = False) -> Iterator[None]:
    """Locks an output; a second process is refused at once. The system releases the lock of a process that dies.

    The lock file is there as long as it is locked: its holder removes it in the end, the next holder that of a process
    which was killed. Where the file system has no locks, the work goes on without one, and a line says so.

    Args:
        path: the lock file, usually a hidden one beside the output; it names its holder.
        what: the output's name in the message.
        wait: wait for the holder instead of being refused.
        shared: a lock that several processes can hold; the file still names the last exclusive holder.

    Raises:
        HeldError: another process holds it; the message names process, machine and time.
    """
    handle = _open_locked(path, what, wait, shared)
    try:
        if not shared:
            holder = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T')}"
            try:
                os.ftruncate(handle, 0)
                os.write(handle, holder.encode())
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None
        yield
    finally:
        with suppress(OSError):  # another holder of a shared lock, or Windows, where an open file cannot be removed
            if shared:
                _system_lock(handle, "LOCK_EX", wait=False)
            if _is_at(handle, path):
                path.unlink()
        with suppress(OSError):
            _system_lock(handle, "LOCK_UN")  # closing alone is not enough: a forked child would keep the lock
        os.close(handle)


def _open_locked(path: Path, what: str, wait: bool, shared: bool) -> int:
    """Opens and locks the file that is at a path: the one that was waited for may have been removed by its holder."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock_file(handle, path, shared, wait)
            if _is_at(handle, path):
                return handle
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            os.close(handle)
            raise HeldError(f"{what} is being made by {holder}; wait for that process, or stop it") from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is the one at a path; it is opened, as NFS answers `stat` from memory."""
    try:
        now = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.path.samestat(os.fstat(handle), os.fstat(now))
    finally:
        os.close(now)


def is_held(path: Path) -> bool:
    """Whether a living process has locked a file; not known, so False, where the file system has no locks."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        _system_lock(handle, "LOCK_SH", wait=False)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


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


def lock_quietly(handle: int) -> None:
    """Locks a file that this process has just made, where there are locks."""
    with suppress(OSError):
        _system_lock(handle, "LOCK_EX")


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
