"""What every generator offers, whatever its method."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from torch import Tensor, nn

from pona.errors import PoNAError
from pona.objectives.objective import Objective
from pona.train_config import TrainConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


MOST = {"blocks": 100, "levels": 10}  # of a configuration; every other number is at most
LARGEST = 10_000


def check_fields(config: "DataclassInstance") -> None:
    """Refuses values of other types than the defaults have, and numbers far beyond any generator's.

    A file may claim them, and so make a network of any size.

    Raises:
        PoNAError: for such a value.
    """
    for field in fields(config):
        value, most = getattr(config, field.name), MOST.get(field.name, LARGEST)
        kind = type(field.default)
        if kind is bool:
            fits, expected = type(value) is bool, "True or False"
        elif kind is int:
            fits, expected = type(value) is int and value <= most, f"a whole number of at most {most}"
        elif kind is float:
            fits = value is None or (type(value) in (int, float) and 0 < value <= most)
            expected = f"a number above 0 and of at most {most}"
        elif kind is tuple:
            fits = type(value) in (tuple, list) and len(value) == 2
            fits = fits and all(type(side) is int and 0 < side <= most for side in value)
            expected = f"height and width of 1 to {most} pixels"
        else:
            fits, expected = type(value) is str or value is field.default, "a word"  # each configuration knows its own
        if not fits:
            raise PoNAError(f"{field.name} is {str(value)[:50]}, expected {expected}")


class Generator(nn.Module, ABC, Generic[Config]):
    """Generates an image of a person in another pose.

    A method is one file, with a frozen dataclass of its configuration, its presets and a subclass of this, and one line
    in `pona.generators`. How it is trained is its `objective`; the default takes L1, perceptual and identity loss. All
    else, from training to profiling, uses only what is declared here.

    All tensors of a generator are in its state dict: a checkpoint is loaded into one that was built without memory.
    """

    method: ClassVar[str]  # its name in tables
    config_class: ClassVar[type]  # frozen dataclass of plain values; its defaults are the paper's for Market-1501
    size_multiple: ClassVar[int]  # height and width of the images must be multiples of it
    presets: ClassVar[Mapping[str, TrainConfig]] = {}  # trainings, by name: market, deepfashion, mini
    objective: ClassVar[type[Objective]] = Objective
    config: Config  # what this generator was built from

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Builds a generator with fresh weights."""
        return cls(config)

    @abstractmethod
    def prepare(
        self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor
    ) -> tuple[Any, ...]:
        """Makes the arguments of `forward`, on the device of the images: heatmaps, for instance.

        Args:
            condition_images: float32, B x 3 x H x W, -1..1.
            condition_keypoints: B x 18 x 2, (x, y) in pixels, NaN = missing.
            target_keypoints: B x 18 x 2.
        """

    @abstractmethod
    def forward(self, *inputs: Any) -> Tensor:
        """What `prepare` made -> B x 3 x H x W, -1..1; in eval mode an image does not depend on its batch."""

    def generate(
        self,
        condition_images: Tensor,
        condition_keypoints: Tensor,
        target_keypoints: Tensor,
        of: Tensor | None = None,
    ) -> Tensor:
        """Generates images.

        Args:
            condition_images: as in `prepare`; with `of` any number of them.
            condition_keypoints: as many.
            target_keypoints: B x 18 x 2.
            of: int64, B: for each target pose the row of its condition image. None = one for each, in order. A method
                that encodes the condition image alone overrides this, to do so once per image.

        Returns:
            B x 3 x H x W, -1..1.
        """
        if of is not None:
            condition_images, condition_keypoints = condition_images[of], condition_keypoints[of]
        return self(*self.prepare(condition_images, condition_keypoints, target_keypoints))
