"""The errors that this package raises on purpose."""


class PoNAError(ValueError):
    """Wrong input or a file that cannot be used; the message is one line: what, got, expected, what to do."""


class StoppedElsewhere(PoNAError):
    """Another process of the same run has stopped and says why; this one just leaves."""
