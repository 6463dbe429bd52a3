"""The one error that this package raises on purpose."""


class PoNAError(ValueError):
    """Wrong input or a file that cannot be used; the message is one line: what, got, expected, what to do."""
