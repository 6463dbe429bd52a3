"""The state of an unfinished training in a file: a kill costs at most a minute and an epoch, and changes no result."""

import errno
import functools
import hashlib
import math
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from reid_baseline.errors import ReIDError, StateError
from reid_baseline.recipe import Recipe
from reid_baseline.torch_reader import UnreadableFile, check_optimizer, load_tensors, misfits

KIND = "reid_baseline training state"
FORMAT = f"{KIND} 3"  # changes with the content of a state

Parts = Mapping[str, nn.Module | torch.optim.Optimizer]


@functools.cache  # of the source that runs: files may be replaced while it does
def source_digest() -> str:
    """Eight hexadecimal digits of the source of this package, whose arithmetic may change between two releases."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]


def fingerprint(
    images: torch.Tensor,
    labels: torch.Tensor,
    synthetic: torch.Tensor | None,
    recipe: Recipe,
    arch: str,
    weights: str | Path,
    seed: int,
    arithmetic: str,
) -> str:
    """Returns a SHA-256 of all that the result of a training depends on, including the content of a file of weights."""
    if Path(weights).is_file():
        weights = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    build = (torch.__version__, source_digest())
    settings = (recipe.differences(), arch, str(weights), seed, arithmetic, build, tuple(images.shape))
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(images.permute(0, 2, 3, 1).contiguous().cpu().numpy().data)
    digest.update(labels.contiguous().cpu().numpy().data)
    if synthetic is not None:
        digest.update(synthetic.contiguous().cpu().numpy().data)
    return digest.hexdigest()


def write_state(path: Path, identity: str, parts: Parts, epochs_done: int, seconds: float) -> None:
    """Writes the file whole or not at all.

    Args:
        path: the file.
        identity: of the training, by `fingerprint`.
        parts: networks and optimizers by name.
        epochs_done: epochs that are finished.
        seconds: that they took, without interruptions.

    Raises:
        ReIDError: the folder is absent or cannot be written, or the disk is full.
    """
    done = {"epochs_done": epochs_done, "seconds": seconds}
    states = {name: part.state_dict() for name, part in parts.items()}
    write_whole(path, {"format": FORMAT, "identity": identity, **done, **states})


def write_whole(path: Path, content: Mapping[str, object]) -> None:
    """Writes a torch file next to `path`, then renames it.

    Raises:
        ReIDError: the folder is absent or cannot be written, or the disk is full.
    """
    try:
        temporary, file = _open_half(path.parent)
        try:
            with file:
                torch.save(dict(content), file)
                file.flush()
                os.fsync(file.fileno())
                if os.name == "nt":  # which renames no open file
                    file.close()
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        cause: BaseException | None = error  # torch.save turns a full disk into a RuntimeError
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__context__
        if cause is not None and cause.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise ReIDError(f"cannot write {path}: {cause.strerror}; choose a folder that is writable") from error
        reason = "is the disk full?" if cause is None else cause.strerror
        advice = "free some space and run again: it goes on where it stopped"
        raise ReIDError(f"cannot write {path}: {reason}; {advice}") from error


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


def read_state(path: Path, identity: str, parts: Parts, epochs: int) -> tuple[int, float]:
    """Loads the state into the parts given to `write_state`; returns the finished epochs and their seconds.

    Args:
        path: the file.
        identity: of the training, by `fingerprint`.
        parts: networks and optimizers by name; after an error they may hold anything.
        epochs: of the whole training.

    Raises:
        StateError: the file is unreadable, damaged, or of another training.
    """
    state = _load(path)
    if state["identity"] != identity:
        raise StateError(
            f"{path} is of a training with other images, settings or versions, or on another kind of device: remove it "
            "to start again"
        )
    try:
        if not 0 <= state["epochs_done"] <= epochs:
            raise ValueError(state["epochs_done"])
        for name, part in parts.items():
            _restore(part, state[name])
    except Exception as error:  # whatever the values of a damaged file lead to
        raise StateError(f"{path} is damaged: remove it to start again") from error
    return state["epochs_done"], state["seconds"]


def _restore(part: nn.Module | torch.optim.Optimizer, state: Any) -> None:
    """Raises ValueError for numbers that are not finite, and other kinds for what is broken otherwise."""
    if isinstance(part, torch.optim.Optimizer):
        check_optimizer(part, state)
    elif misfits(part.state_dict(), state) or not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise ValueError("another network, or not finite")
    part.load_state_dict(state)


def training_seconds(path: Path) -> float:
    """The time that the training of this state has taken so far, without interruptions.

    Raises:
        StateError: the file is unreadable.
    """
    return _load(path)["seconds"]


def _load(path: Path) -> dict[str, Any]:
    try:
        state = load_tensors(path)
        if not state["format"].startswith(KIND):
            raise ValueError(state["format"])
    except MemoryError:
        raise
    except UnreadableFile as error:
        wrong = str(error).partition(":")[0]
        raise StateError(f"{path} {wrong}, no state of a baseline training: remove it to start again") from None
    except Exception as error:  # also for one that is absent, or holds something else
        raise StateError(f"{path} is no state of a baseline training: remove it to start again") from error
    if state["format"] != FORMAT:
        raise StateError(f"{path} is the state of another version of this program: remove it to start again")
    plain = type(state.get("epochs_done")) is int and type(state.get("seconds")) is float
    if not plain or type(state.get("identity")) is not str or not 0 <= state["seconds"] < math.inf:
        raise StateError(f"{path} is damaged: remove it to start again")
    return state
