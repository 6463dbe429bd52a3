"""reidaug: augments a person re-identification training set by pose transfer, and measures the gain in mAP."""

__version__ = "0.1.0"
