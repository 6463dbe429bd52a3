"""The errors that a user can mend. The command line prints their message as one line and exits with 1."""


class ReidAugError(Exception):
    """Input or surroundings that the user can mend.

    The message is one line: what is wrong, what was found, what was expected, what to do next.
    """


class HeldError(ReidAugError):
    """Another process is making this output; the message names it."""
