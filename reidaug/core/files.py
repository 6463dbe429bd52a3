"""Files and folders that appear whole or not at all."""

import csv
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from reidaug.core.errors import FULL, ReidAugError
from reidaug.core.fingerprint import fingerprint
from reidaug.core.left_overs import remove, remove_half_files
from reidaug.core.locks import lock_quietly, locked


def atomic_write(path: Path, data: bytes | str) -> None:
    """Writes bytes, or text as UTF-8, to a file: whole or not at all. Its folder is made.

    A byte of a path that is no text is written as ``\\udcff``.
    """
    content = data.encode(errors="backslashreplace") if isinstance(data, str) else data
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_half_files(path.parent)
        temporary, file = _open_half(path.parent)
        try:
            with file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                if os.name == "nt":  # which renames no open file, and has no locks to keep
                    file.close()
                os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _open_half(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file to fill, locked, so that no other process takes it for a left-over."""
    while True:
        path = folder / f".{secrets.token_hex(8)}.partial"  # short: what it becomes may have the longest name
        file = open(path, "xb")  # noqa: SIM115
        lock_quietly(file.fileno())
        if path.exists():  # in the moment before, it could be taken for one
            return path, file
        file.close()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A context in which an OSError names the file that is written: that of a full disk names none, or the source."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def copy_file(source: Path, target: Path) -> None:
    """Copies the bytes of a file; an error names the one of the two that it is about."""
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from None


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
    broken = path if block == above[0] else block
    if (folder or broken != path) and broken.is_symlink() and not broken.exists():
        raise ReidAugError(
            f"{broken} is a link to {broken.readlink()}, which is not there: remove it, or make that folder"
        )
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


def cache_folder() -> Path:
    """The user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reidaug"


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path, with its links followed, is a folder or lies in it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


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
def whole_folder(out: Path, replace: bool = False) -> Iterator[Path]:
    """A new folder to fill, which takes its place when all is written, or else is removed.

    Args:
        out: where it will be, also one that this is a link to.
        replace: replace what is there; else only an empty folder is replaced.

    Raises:
        HeldError: another process fills it.
    """
    out = behind_link(out)
    with locked(lock_of(out), str(out)), filled(out, replace) as partial:
        yield partial


def behind_link(folder: Path) -> Path:
    """Where a folder is, if there is a link to it at its path."""
    return Path(os.path.realpath(folder)) if folder.is_symlink() else folder


@contextmanager
def filled(out: Path, replace: bool = False) -> Iterator[Path]:
    """As `whole_folder`, for one who has locked `lock_of(out)`; a link at this path is itself replaced."""
    partial, stale = beside(out, "partial"), beside(out, "stale")
    for left in (partial, stale):  # by a killed run
        remove(left)
    if not replace and out.is_dir() and any(out.iterdir()):  # by a process that was faster
        raise ReidAugError(f"{out} is there already: give another folder, or remove it")
    partial.mkdir(parents=True)
    try:
        yield partial
        sync()
        if replace and os.path.lexists(out):
            os.rename(out, stale)
        elif out.exists():
            out.rmdir()
        os.rename(partial, out)
    finally:
        for left in (partial, stale):
            with suppress(OSError):
                remove(left)


def discard(folder: Path) -> None:
    """Removes a folder, or a link to one, in one step: what is left of it after a kill has another name."""
    stale = beside(folder, "stale")
    with locked(lock_of(folder), str(folder)):
        remove(stale)
        if os.path.lexists(folder):
            os.rename(folder, stale)
            remove(stale)


def lock_of(folder: Path) -> Path:
    """The lock file of a folder that is filled or removed."""
    return beside(folder, "lock")


def beside(folder: Path, ending: str) -> Path:
    """The hidden name of what belongs to a folder while it is filled or removed."""
    name = folder.name if len(os.fsencode(folder.name)) < 240 else fingerprint(folder.name)  # of 255 bytes at most
    return folder.with_name(f".{name}.{ending}")


def sync() -> None:
    """Waits until all that was written is on the disk, where the operating system can tell."""
    if hasattr(os, "sync"):
        os.sync()
