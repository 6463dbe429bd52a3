"""Rendered people in Market-1501 layout with exact keypoints: the data set that needs no download."""

from reidaug.demo.mannequins.dataset import write_mannequins
from reidaug.demo.request import MannequinConfig

__all__ = ["MannequinConfig", "write_mannequins"]
