"""reidaug: augment a person re-identification training set by pose transfer, and measure what it is worth."""

__version__ = "0.1.0"
