"""The errors that a user can fix. The command line prints their message as one line and exits with 1."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)  # of an OSError: the disk, or what one may use of it, is full
# parts of torch's messages; repeated in pona.errors, so that neither package needs the other for its errors
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "could not create a memory object")

FREE_SPACE = "free some space and run again: it goes on where it stopped"  # as pona and reid_baseline say


class ReidAugError(Exception):
    """Input or an environment that the user can fix.

    The message is one line: what is wrong, what was given, what was expected, what to do next.
    """


class HeldError(ReidAugError):
    """Another process is writing this output; the message names it."""


def is_expected(error: Exception) -> bool:
    """Whether the data, the settings or the machine caused the error, rather than a bug in this program."""
    return _is_ours(error) or _is_out_of_memory(error)


def _is_ours(error: Exception) -> bool:
    return isinstance(error, ReidAugError) or type(error).__name__ in ("PoNAError", "ReIDError", "StateError")


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def one_line(error: Exception) -> str:
    """The error as one line; one that the user cannot fix is called unexpected, and its text is cut short."""
    if _is_ours(error):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        path = error.filename2 or error.filename  # the first is the target of a renaming
        where = f"{path}: " if path else ""
        if error.errno in FULL:
            return f"cannot write {path or 'what is printed'}: {error.strerror}; {FREE_SPACE}"
        return f"{where}{error.strerror}: check the path and its permissions"
    if _is_out_of_memory(error):
        return "out of memory: give a smaller --batch-size, evaluate --arch resnet18, or use a machine with more memory"
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"unexpected {type(error).__name__}: {first[:200]} (run again with --debug for the whole trace)"
