"""What a killed process leaves: half-written files and folders, lock files.

The rule: what a process writes it has locked, so what nobody has locked is left over, whatever its age or name.

.0123456789abcdef.partial           a file being written, and the lock on it
.NAME.partial, .NAME.stale          a folder being filled, and one being removed: the lock is `.NAME.lock` beside it
.NAME.lock, .lock-*                 a lock file, see `locks.py`

The next process that writes to the same place removes them. Where the file system has no locks, nobody knows who
writes, and they stay.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.locks import check_locks, is_held, locked

HALF_FILE = re.compile(r"\.[0-9a-f]{16}\.partial")  # the two libraries call theirs so too
_HALF_FOLDER = re.compile(r"(\..+)\.(?:partial|stale)")
_LOCK = re.compile(r"\.lock(-.*)?|.+\.lock")


@dataclass(frozen=True)
class LeftOver:
    """Something that a killed process left, or that a living one is at work on."""

    path: Path
    lock: Path  # what a living process has locked that is at work on it

    def size(self) -> int:
        """Bytes, of all files in it."""
        with suppress(OSError):  # it is gone by now
            if self.path.is_dir() and not self.path.is_symlink():
                files = [Path(folder, name) for folder, _, names in os.walk(self.path) for name in names]
                return sum(file.lstat().st_size for file in files)
            return self.path.lstat().st_size
        return 0

    def is_held(self) -> bool:
        """Whether a living process is at work on it."""
        return is_held(self.lock)

    def remove(self) -> bool:
        """Removes it, unless a living process holds it; returns whether it is gone."""
        try:
            check_locks(self.lock.parent)
            with locked(self.lock, str(self.path)):  # which removes the lock file
                if self.path != self.lock:
                    remove(self.path)
        except ReidAugError:
            return False
        return True


def left_overs(folder: Path, below: bool = False, lock_files: bool = False) -> Iterator[LeftOver]:
    """What has the name of a left-over in a folder in which only this program writes.

    Args:
        folder: the folder; it need not exist.
        below: in the folders below it too; links are not followed.
        lock_files: those too; a command leaves them to the next that needs them, as one that has just been made is not
            locked yet, and its maker would find it locked.
    """
    for place, folders, files in os.walk(folder):
        for name in sorted(folders + files):
            path = Path(place, name)
            if HALF_FILE.fullmatch(name) and name in files:
                yield LeftOver(path, path)
            elif half := _HALF_FOLDER.fullmatch(name):
                yield LeftOver(path, path.with_name(f"{half[1]}.lock"))
            elif lock_files and _LOCK.fullmatch(name) and name in files:
                yield LeftOver(path, path)
        folders[:] = [name for name in folders if below and not _HALF_FOLDER.fullmatch(name)]


def remove_left_overs(found: Iterable[LeftOver]) -> None:
    """Removes those at which no living process is at work."""
    for left in list(found):
        with suppress(OSError):  # it may not be removed: what comes next says so, if it is in the way
            left.remove()


@cache
def remove_half_files(folder: Path) -> None:
    """Removes half-written files from a folder, which may hold files of other programs; once in a process."""
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if HALF_FILE.fullmatch(entry.name)]:
            LeftOver(path, path).remove()


def remove(path: Path) -> None:
    """Removes a folder with its content, a file or a link, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
