"""The one door to trained generators: load one, and generate with it."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from reidaug.core.device import pick_device
from reidaug.datasets.layouts import PosedImages
from reidaug.datasets.pairs import Pair, pair_name
from reidaug.synthesis.provenance import check_trained_size, count_seen

SHIPPED = "shipped"


class PaintedImages:
    """Painted by a checkpoint as `synthesize` does it.

    Raises:
        PoNAError: the file is no checkpoint.
    """

    def __init__(self, checkpoint: Path, source: PosedImages, device: str, precision: str = "auto") -> None:
        import pona

        loaded = pona.load_checkpoint(checkpoint)
        self.label, self._training = checkpoint.name, loaded.training
        self.painted: list[Pair] | None = None
        self._generator, self._source, self._device = pona.fold_norms(loaded.generator), source, pick_device(device)
        self._precision = precision

    def images(self, pairs: Sequence[Pair]) -> np.ndarray:
        import torch

        import pona

        conditions, targets = zip(*pairs, strict=True)
        images = self._source.images(conditions)
        check_trained_size(self._training, (images.shape[1], images.shape[2]))
        generated = pona.generate_images(
            self._generator,
            torch.from_numpy(images).permute(0, 3, 1, 2),
            torch.from_numpy(self._source.keypoints(conditions)),
            torch.from_numpy(self._source.keypoints(targets)),
            device=self._device,
            precision=self._precision,
        )
        return generated.permute(0, 2, 3, 1).contiguous().numpy()

    def file_name(self, pair: Pair) -> str:
        return pair_name(pair)

    def check(self, pairs: Sequence[Pair]) -> None:
        pass

    def count_seen(self, pairs: Sequence[Pair]) -> int | None:
        targets = {target for _, target in pairs}
        folders = {self._source.paths[name].parent for name in targets}
        counts = [
            count_seen(folder, [name for name in targets if self._source.paths[name].parent == folder], self._training)
            for folder in folders
        ]
        return None if None in counts else sum(count or 0 for count in counts)


def shipped_checkpoint() -> Path:
    """The generator that comes with the package: trained on rendered people that the demo does not use."""
    return Path(str(resources.files("reidaug.demo") / "demo-pona.pt"))


def checkpoint_file(path: Path) -> Path:
    """The file that a user names: `shipped` is the one that comes with the package."""
    return shipped_checkpoint() if str(path) == SHIPPED else path
