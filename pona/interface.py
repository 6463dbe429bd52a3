"""What every generator offers, whatever its method."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar

from torch import Tensor, nn

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


class Generator(nn.Module, ABC, Generic[Config]):
    """Generates an image of a person in another pose.

    A method is one file, with a frozen dataclass of its configuration and a subclass of this, and one line in
    `pona.architectures`. Checkpoints, `generate_images`, `fold_norms`, `Validation` and `pona.profiling` use only what
    is declared here; `pona.trainer.Trainer` also calls `forward(condition_image, condition_heatmaps, target_heatmaps)`.

    All tensors of a generator are in its state dict: a checkpoint is loaded into one that was built without memory.
    """

    config_class: ClassVar[type]  # frozen dataclass of plain values
    size_multiple: ClassVar[int]  # height and width of the images must be multiples of it
    config: Config  # what this generator was built from

    @classmethod
    @abstractmethod
    def from_config(cls, config: Config) -> Self:
        """Builds a generator with fresh weights."""

    @abstractmethod
    def generate(
        self,
        condition_images: Tensor,
        condition_keypoints: Tensor,
        target_keypoints: Tensor,
        of: Tensor | None = None,
    ) -> Tensor:
        """Generates images, and first prepares what the method needs; all tensors are on the generator's device.

        In eval mode the same inputs give the same image, whatever else is in the batch.

        Args:
            condition_images: float32, B x 3 x H x W, -1..1; with `of` any number of them.
            condition_keypoints: as many x 18 x 2, (x, y) in pixels, NaN = missing.
            target_keypoints: B x 18 x 2.
            of: int64, B: for each target pose the row of its condition image. None = one for each, in order.

        Returns:
            B x 3 x H x W, -1..1.
        """
