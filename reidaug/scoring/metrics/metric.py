"""What a metric is: the columns that it fills, and how it measures images and sums up a set of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.pairs import Pair
from reidaug.datasets.posed_images import PosedImages
from reidaug.scoring.generated import GeneratedImages

if TYPE_CHECKING:
    import torch

    from reidaug.scoring.score import ScoreRequest

Values = dict[str, np.ndarray]  # name -> (n,), a value for each image


@dataclass(frozen=True)
class Column:
    """A figure of a set of images: a key of ``--json`` and a column of the table."""

    name: str  # the key; what a metric gives as NAME_std is printed beside it, as its deviation
    heading: str  # the arrow says which way is better
    digits: int
    factor: int = 1  # the table shows the figure times this


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images of one set, with the true ones."""

    images: np.ndarray  # (n, H, W, 3) uint8 RGB
    targets: np.ndarray  # the same shape: the true images
    keypoints: np.ndarray  # (n, 18, 2) float32 of the true images, (x, y) in pixels, NaN = missing
    pairs: Sequence[Pair]
    generated: bool  # of the set that is judged; False: of a guess, or the true images


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be measured, as far as it can be told before the first image."""

    request: "ScoreRequest"
    source: PosedImages
    generated: GeneratedImages
    pairs: Sequence[Pair]
    device: "torch.device"  # where networks run


class NotComputed(ReidAugError):
    """The reason why a metric is left out, while the others are computed."""


def means(values: Values, real: Values) -> dict[str, float]:
    """The mean of each value over the images for which it is finite: PSNR is not for an image equal to the true one."""
    return {name: _mean(column) for name, column in values.items()}


def _mean(column: np.ndarray) -> float:
    finite = column[np.isfinite(column)]
    return float(finite.mean()) if len(finite) else float(column[0])


@dataclass(frozen=True, eq=False)
class Meter:
    """A metric that is ready: its networks are loaded, its files are read."""

    measure: Callable[[Batch], Values]  # the same names for every batch of a set
    sum_up: Callable[[Values, Values], dict[str, float]] = means  # values of a set, of the true images -> its figures


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric, or several that are measured together.

    ``set_up`` raises NotComputed where something is not there that the metric needs; any other error ends the command.
    """

    columns: tuple[Column, ...]
    per_image: tuple[str, ...]  # the values that per-image.csv shows
    set_up: Callable[[Job], Meter]
