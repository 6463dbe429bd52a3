"""Files of tensors and plain values: written whole or not at all, read without running code."""

import os
import secrets
from collections.abc import Callable, Mapping
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
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")  # short: `path` may have the longest name
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        reason = getattr(error, "strerror", None) or "is the disk full?"
        raise PoNAError(
            f"cannot write {path}: {reason}; choose a folder that exists, is writable and has free space"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


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
