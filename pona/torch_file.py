"""Files of tensors and plain values: written whole or not at all, read without running code."""

import errno
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from pona.errors import PoNAError
from pona.torch_reader import UnreadableFile, load_tensors


def write_torch(path: Path, content: Mapping[str, object]) -> None:
    """Writes `content` with torch.save, atomically.

    Raises:
        PoNAError: for a folder that is missing or read-only, or a full disk.
    """
    write_whole(path, lambda file: torch.save(dict(content), file))


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Writes a file atomically: `write` fills one beside `path`, which is then renamed.

    Raises:
        PoNAError: for a folder that is missing or read-only, or a full disk.
    """
    try:
        temporary, file = _open_half(path.parent)
        try:
            with file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                if os.name == "nt":  # which renames no open file
                    file.close()
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise cannot_write(path, error) from None


def _open_half(folder: Path) -> tuple[Path, IO[bytes]]:
    """A new file to fill, locked where there are locks: a file of such a name that nobody has locked is left over."""
    while True:
        path = folder / f".{secrets.token_hex(8)}.partial"  # short: what it becomes may have the longest name
        file = path.open("xb")
        with suppress(ImportError, OSError):
            from fcntl import LOCK_EX, flock

            flock(file, LOCK_EX)
        if path.exists():  # in the moment before, it could be taken for one
            return path, file
        file.close()


def cannot_write(path: Path, error: BaseException) -> PoNAError:
    """The error for a file that cannot be written, of the OSError that is at the root of another one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    if cause is not None and cause.errno not in (errno.ENOSPC, errno.EDQUOT):
        return PoNAError(f"cannot write {path}: {cause.strerror}; choose a folder that exists and is writable")
    reason = "is the disk full?" if cause is None else cause.strerror
    return PoNAError(f"cannot write {path}: {reason}; free some space and run again: it goes on where it stopped")


def read_torch(path: Path, what: str = "checkpoint that `train` wrote") -> Any:
    """Reads a torch file of tensors and plain values.

    Args:
        path: the file.
        what: what it should be, for messages.

    Raises:
        PoNAError: for anything else.
    """
    try:
        return load_tensors(Path(path))
    except FileNotFoundError:
        raise PoNAError(f"{path} does not exist: give a {what}") from None
    except OSError as error:
        raise PoNAError(f"cannot read {path}: {error.strerror}; give a {what}") from None
    except UnreadableFile as error:
        raise PoNAError(f"{path} {error}" + ("" if ":" in str(error) else f": give a {what}")) from None


def not_finite(state: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors that hold NaN or infinity."""
    return [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
