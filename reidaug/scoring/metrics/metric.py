"""What a metric is: its columns, how it measures images, and how it sums up a set of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.pairs import Pair
from reidaug.datasets.posed_images import PosedImages
from reidaug.scoring.generated import GeneratedImages
from reidaug.scoring.request import ScoreRequest

if TYPE_CHECKING:
    import torch

Values = dict[str, np.ndarray]  # name -> (n,), a value for each image


@dataclass(frozen=True)
class Column:
    """A figure of a set of images: a key of ``--json`` and a column of the table."""

    name: str  # the key; a metric's NAME_std is printed beside it, as its standard deviation
    heading: str  # with an arrow in the direction that is better
    digits: int
    factor: int = 1  # by which the table multiplies the figure


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images of one set, with the true images."""

    images: np.ndarray  # (n, H, W, 3) uint8 RGB
    targets: np.ndarray  # the same shape: the true images
    keypoints: np.ndarray  # (n, 18, 2) float32 of the true images, (x, y) in pixels, NaN = missing
    pairs: Sequence[Pair]
    generated: bool  # False: images of a guess, or the true images


@dataclass(frozen=True, eq=False)
class Job:
    """What is known of the measurement before the first image."""

    request: ScoreRequest
    source: PosedImages
    generated: GeneratedImages
    pairs: Sequence[Pair]
    device: "torch.device"  # where networks run


class NotComputed(ReidAugError):
    """The reason why a metric is left out; the others are computed."""


def means(values: Values, real: Values) -> dict[str, float]:
    """The mean of each value over the images for which it is finite: PSNR is not for an image equal to the true one."""
    finite = {name: column[np.isfinite(column)] for name, column in values.items()}
    return {name: float(finite[name].mean() if len(finite[name]) else column[0]) for name, column in values.items()}


@dataclass(frozen=True, eq=False)
class Meter:
    """A metric with its networks loaded and its files read."""

    measure: Callable[[Batch], Values]  # the same names for every batch of a set
    sum_up: Callable[[Values, Values], dict[str, float]] = means  # values of a set, of the true images -> figures


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric, or several that are measured together.

    ``set_up`` raises NotComputed if something that the metric needs is missing; any other error ends the command.
    """

    columns: tuple[Column, ...]
    per_image: tuple[str, ...]  # the values that per-image.csv shows
    set_up: Callable[[Job], Meter]
