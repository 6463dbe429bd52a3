"""The one error that this package raises for input that a caller can mend."""


class ReIDError(ValueError):
    """Unusable input. The message is one line: what is wrong, what was found, what was expected, what to do."""
