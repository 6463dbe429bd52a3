"""The errors that a user can mend. The command line prints their message as one line and exits with 1."""

import errno


class ReidAugError(Exception):
    """Input or surroundings that the user can mend.

    The message is one line: what is wrong, what was found, what was expected, what to do next.
    """


class HeldError(ReidAugError):
    """Another process is making this output; the message names it."""


def is_foreseen(error: Exception) -> bool:
    """Whether it is of the data, the settings or the machine, not a mistake in this program."""
    return _is_ours(error) or _is_out_of_memory(error)


def _is_ours(error: Exception) -> bool:
    return isinstance(error, ReidAugError) or type(error).__name__ in ("PoNAError", "ReIDError", "StateError")


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "not enough memory" in str(error) or "out of memory" in str(error)


def one_line(error: Exception) -> str:
    """The error as one line; what is not the user's to mend is named as such, without its own long text."""
    if _is_ours(error):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "free some room and run the same command again" if full else "check the path and its permissions"
        return f"{where}{error.strerror}: {mend}"
    if _is_out_of_memory(error):
        return "out of memory: give a smaller --batch-size, evaluate --arch resnet18, or use a machine with more memory"
    first = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
    return f"unexpected {type(error).__name__}: {first[:200]} (run again with --debug for the whole trace)"
