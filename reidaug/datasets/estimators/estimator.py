"""What an estimator of poses is: a network that finds COCO's 17 joints, and what is made of its answers."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import DIGITS
from reidaug.datasets.pose_files import from_coco, keep_inside
from reidaug.datasets.request import PoseRequest

THRESHOLD = PoseRequest.threshold  # least confidence, of about 1, with which a joint counts as seen


class PoseEstimator(ABC):
    """Estimates the joints of the one person that each image shows."""

    network: Any  # a torch module, float32, in evaluation mode, on its device

    @abstractmethod
    def find(self, images: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find COCO's 17 joints.

        Args:
            images: (N, H, W, 3) uint8 RGB, or N images (H, W, 3) of any sizes, at least one.

        Returns:
            ((N, 17, 2) float32, (x, y) in pixels of the images, maybe outside; (N, 17) confidences of about 0..1).
        """

    def __call__(
        self, images: Sequence[np.ndarray] | np.ndarray, threshold: float = THRESHOLD, batch_size: int = 32
    ) -> np.ndarray:
        """Estimate the joints of one person per image.

        Args:
            images: (N, H, W, 3) uint8 RGB, or N images (H, W, 3) of any sizes.
            threshold: confidence below which a joint counts as missing.
            batch_size: images at a time; affects only rounding.

        Returns:
            (N, 18, 2) float32, (x, y) in pixels to two decimals, NaN = missing: too uncertain, or outside the image.

        Raises:
            ReidAugError: the network gives numbers that are not finite.
        """
        parts = [self._estimate(images[i : i + batch_size], threshold) for i in range(0, len(images), batch_size)]
        return np.concatenate([np.empty((0, 18, 2), dtype=np.float32), *parts])

    def fingerprint(self) -> str:
        """16 hexadecimal digits that depend on the weights alone."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode() + b"\0" + tensor.cpu().numpy().tobytes())
        return digest.hexdigest()[:DIGITS]

    def _estimate(self, images: Sequence[np.ndarray] | np.ndarray, threshold: float) -> np.ndarray:
        points, scores = self.find(images)
        if not (np.isfinite(points).all() and np.isfinite(scores).all()):
            raise ReidAugError(
                "the pose model gives numbers that are not finite: its weights are broken, get them again"
            )
        points[scores < threshold] = np.nan
        sizes = np.array([(image.shape[1], image.shape[0]) for image in images], dtype=np.float32)[:, None]
        return np.round(from_coco(keep_inside(points, sizes - 1)), 2)
