"""Load trained generators and generate images with them; all of reidaug does it through this module."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Image
from reidaug.datasets.pairs import Pair, pair_name
from reidaug.datasets.posed_images import PosedImages
from reidaug.study.folder import Study
from reidaug.synthesis.provenance import count_known, count_seen

SHIPPED = "shipped"
ADAPTED = "adapted"


class NotAdaptedError(ReidAugError):
    """No generator has been adapted to the kept images of a portion yet."""

    def __init__(self, study: Study, portion: float) -> None:
        super().__init__(
            f"{study.path} has no adapted generator for p = {portion:.2f}: run `reidaug adapt --portion {portion:.2f}`"
        )
        self.portion = portion


def shipped_checkpoint() -> Path:
    """The generator in the package, trained on rendered people that the demo does not use."""
    return Path(str(resources.files("reidaug.demo") / "demo-pona.pt"))


def checkpoint_file(path: Path) -> Path:
    """The file that a user means: `shipped` is the generator in the package.

    Raises:
        ReidAugError: no such file.
    """
    if str(path) == SHIPPED:
        return shipped_checkpoint()
    if not path.exists():
        raise ReidAugError(f"{path} does not exist: give a file that `reidaug train` wrote, or shipped")
    return path


def checkpoint_of(path: Path, study: Study, portion: float) -> Path:
    """The file that a user means for a portion: `adapted` is the one that `reidaug adapt` trained for it.

    Raises:
        NotAdaptedError: it did not, or was interrupted.
    """
    if str(path) != ADAPTED:
        return checkpoint_file(path)
    adapted = study.adapted_path(portion)
    if not adapted.is_file() or adapted.with_name(f"{adapted.name}.last").exists():  # the state of an unfinished run
        raise NotAdaptedError(study, portion)
    return adapted


class Painter:
    """A trained generator of any architecture, ready for use.

    Args:
        checkpoint: a file that `reidaug train` wrote.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: auto, fp32, bf16 or fp16.

    Raises:
        ReidAugError: no such device.
        PoNAError: the file is not a checkpoint.
    """

    def __init__(self, checkpoint: Path, device: str = "auto", precision: str = "auto") -> None:
        import pona

        loaded = pona.load_checkpoint(checkpoint)
        self.name, self.training, self.method = checkpoint.name, loaded.training, loaded.generator.method
        self._generator = pona.fold_norms(loaded.generator)
        self._device, self._precision = pick_device(device), precision

    def generate(
        self,
        condition_images: np.ndarray,
        condition_keypoints: np.ndarray,
        target_keypoints: np.ndarray,
        of: np.ndarray | None = None,
    ) -> np.ndarray:
        """Generate persons in new poses; the others in a batch affect an image only by rounding.

        Args:
            condition_images: (C, H, W, 3) uint8 RGB.
            condition_keypoints: (C, 18, 2), (x, y) in pixels, NaN = missing.
            target_keypoints: (N, 18, 2).
            of: (N,) the row of each pose's condition image, which is encoded once; None = one per pose, in order.

        Returns:
            (N, H, W, 3) uint8 RGB.

        Raises:
            ReidAugError: the generator was trained on images of another size.
        """
        import torch

        import pona

        self.check_size((condition_images.shape[1], condition_images.shape[2]))
        images = pona.generate_images(
            self._generator,
            torch.from_numpy(condition_images).permute(0, 3, 1, 2),
            torch.from_numpy(condition_keypoints),
            torch.from_numpy(target_keypoints),
            of=None if of is None else torch.from_numpy(of),
            device=self._device,
            precision=self._precision,
        )
        return images.permute(0, 2, 3, 1).contiguous().numpy()

    def check_size(self, size: tuple[int, int]) -> None:
        """Raises ReidAugError for a size, (height, width) in pixels, that the generator was not trained on.

        Limbs and clothes would have another scale. A checkpoint without a recorded size takes any.
        """
        trained = self.training.get("image_size")
        if trained not in (None, list(size)):
            raise ReidAugError(
                f"the generator was trained on images of {trained} pixels (height, width), these have {list(size)}: "
                "resize them, or train a generator on images of their size"
            )

    def count_seen(self, images: Sequence[Image]) -> int | None:
        """How many of some images the generator was trained on; None = its checkpoint does not say."""
        return count_seen(images, self.training)

    def count_known(self, digests: Mapping[str, bytes], missing: Iterable[str]) -> tuple[int | None, int | None]:
        """How many missing images the generator was trained on, and how many besides all; see `count_known` there."""
        return count_known(digests, missing, self.training)


class PaintedImages:
    """Images that a checkpoint generates for pairs of a data set, as `synthesize` does.

    Raises:
        PoNAError: the file is not a checkpoint.
    """

    def __init__(self, checkpoint: Path, source: PosedImages, device: str, precision: str = "auto") -> None:
        self._painter, self._source = Painter(checkpoint, device, precision), source
        self.label, self.method, self.training = checkpoint.name, self._painter.method, self._painter.training
        self.pairs: list[Pair] | None = None

    def images(self, pairs: Sequence[Pair]) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB, in the order of the pairs."""
        conditions, targets = zip(*pairs, strict=True)
        source = self._source
        return self._painter.generate(
            source.images(conditions), source.keypoints(conditions), source.keypoints(targets)
        )

    def file_name(self, pair: Pair) -> str:
        """The name of a pair's image in a keypoint file."""
        return pair_name(pair)

    def check(self, pairs: Sequence[Pair]) -> None:
        """Any pair can be generated."""

    def count_seen(self, pairs: Sequence[Pair]) -> int | None:
        """How many of the target images the generator was trained on; None = its checkpoint does not say."""
        return self._painter.count_seen([self._source.by_name[name] for name in {target for _, target in pairs}])
