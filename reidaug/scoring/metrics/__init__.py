"""The metrics of `score`."""
