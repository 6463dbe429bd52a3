"""The errors that this package raises for what a caller can fix."""


class ReIDError(ValueError):
    """Unusable input. The message is one line: what is wrong, got, expected, what to do."""


class StateError(ReIDError):
    """The file of an unfinished training is broken or of another training; without it the training starts again."""
