"""Whether a generated person has the target pose: PCKh, counted as in the paper's tables."""

from dataclasses import dataclass

import numpy as np

from pona.errors import PoNAError

HEAD = (0, 1, 14, 15, 16, 17)  # nose, neck, eyes, ears; they span the head box


@dataclass(frozen=True, eq=False)
class PoseCounts:
    """Counts of joints, image by image."""

    right: np.ndarray  # (N,) int64, joints close enough to the target's
    visible: np.ndarray  # (N,) int64, joints of the target; 0 for an image without a head box, which does not count

    @property
    def pckh(self) -> float:
        """Right joints of all images over visible ones, 0..1; NaN where no joint counts."""
        visible = int(self.visible.sum())
        return float(self.right.sum()) / visible if visible else float("nan")


def count_right_joints(found_keypoints: np.ndarray, target_keypoints: np.ndarray) -> PoseCounts:
    """Compares the joints found in generated images with the target poses (after Andriluka et al., CVPR 2014).

    The head box spans the target's visible head joints; an image with fewer than two does not count. A joint is right
    if it is less than half the box's width and less than half its height away from the target's (the original takes
    the length of the head instead). A joint that was not found is wrong.

    Args:
        found_keypoints: (N, 18, 2), (x, y) in pixels, NaN = not found.
        target_keypoints: (N, 18, 2), NaN = missing.

    Returns:
        The numbers of right and of visible joints.

    Raises:
        PoNAError: for other shapes, or two that differ.
    """
    if found_keypoints.shape != target_keypoints.shape or target_keypoints.shape[1:] != (18, 2):
        raise PoNAError(
            f"found keypoints are {found_keypoints.shape}, target keypoints {target_keypoints.shape}: expected "
            "(N, 18, 2) twice"
        )
    visible = np.isfinite(target_keypoints).all(axis=2)  # N x 18
    head = np.where(visible[:, HEAD, None], target_keypoints[:, HEAD], np.nan)
    counts = visible[:, HEAD].sum(axis=1) >= 2
    half = np.full((len(target_keypoints), 1, 2), np.nan)
    half[counts, 0] = (np.nanmax(head[counts], axis=1) - np.nanmin(head[counts], axis=1)) / 2
    near = (np.abs(found_keypoints - target_keypoints) < half).all(axis=2)  # false for NaN
    return PoseCounts((near & visible).sum(axis=1), np.where(counts, visible.sum(axis=1), 0))
