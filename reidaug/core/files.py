"""Files and folders that appear whole or not at all."""

import csv
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import fingerprint
from reidaug.core.locks import locked_folder


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
def whole_folder(out: Path) -> Iterator[Path]:
    """A new folder to fill, which takes its place when all is written, or else is removed.

    Args:
        out: where it will be; an empty folder there is replaced, also one that this is a link to.

    Raises:
        HeldError: another process fills it.
    """
    out = Path(os.path.realpath(out))
    name = out.name if len(os.fsencode(out.name)) < 240 else fingerprint(out.name)  # of 255 bytes that it may have
    partial = out.with_name(f".{name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    with locked_folder(partial, out):
        try:
            for left in partial.iterdir():  # by a killed run
                remove(left)
            yield partial
            sync()
            if out.exists():
                out.rmdir()
            os.rename(partial, out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def sync() -> None:
    """Waits until all that was written is on the disk, where the operating system can tell."""
    if hasattr(os, "sync"):
        os.sync()


def remove(folder: Path) -> None:
    """Removes a folder with its content, a file or a link, if it is there."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
