"""The 18 OpenPose joints, and heatmaps of them, rendered on the device for each batch and never stored."""

import torch
from torch import Tensor

from pona.errors import PoNAError

JOINTS = (
    "nose", "neck",
    "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip

LIMBS = (
    (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip

# Joint i of a mirrored image is joint FLIP[i] of the original.
FLIP = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)


def flip_keypoints(keypoints: Tensor, width: int) -> Tensor:
    """Mirrors keypoints left to right, and swaps right and left joints.

    Args:
        keypoints: ... x 18 x 2, (x, y) in pixels, NaN = missing.
        width: width of the image in pixels; x becomes width - 1 - x.
    """
    # Not indexed by a list: it would be copied to the device, and training would wait for it.
    flipped = torch.stack([keypoints[..., joint, :] for joint in FLIP], dim=-2)
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return flipped


def render_heatmaps(keypoints: Tensor, size: tuple[int, int] = (128, 64), sigma: float | None = 6.0) -> Tensor:
    """Renders one heatmap per joint, on the device of `keypoints`.

    The value at distance d from the joint is exp(-d^2 / (2 sigma^2)), as the authors' code computes it; eq. 1 of the
    paper (Li et al., PoNA, IEEE TIP 2020) prints exp(-d^2 / sigma^2). With `sigma=None` a joint is a one-pixel impulse
    at its rounded position: the authors' DeepFashion code stores heatmaps as integers, so that only the peak remains
    (and nothing of a joint between pixels, but the keypoints of the public files are whole numbers).

    Args:
        keypoints: ... x 18 x 2 (or an array of that shape), (x, y) in pixels, NaN = missing.
        size: (height, width) in pixels.
        sigma: in pixels, or None for impulses.

    Returns:
        ... x 18 x height x width, float32, 0..1; all zero where the joint is missing.

    Raises:
        PoNAError: for keypoints of another shape, or a sigma that is not positive.
    """
    keypoints = torch.as_tensor(keypoints, dtype=torch.float32)
    if keypoints.ndim < 2 or keypoints.shape[-2:] != (len(JOINTS), 2):
        raise PoNAError(f"keypoints have shape {tuple(keypoints.shape)}, expected (..., 18, 2): 18 joints as (x, y)")
    if sigma is not None and not sigma > 0:
        raise PoNAError(f"sigma is {sigma}, expected a positive number of pixels, or None for one-pixel impulses")
    height, width = size
    x = _profile(keypoints[..., 0], width, sigma)
    y = _profile(keypoints[..., 1], height, sigma)
    # A Gaussian is the product of its profiles. Those of a missing joint are NaN, and become 0.
    return torch.nan_to_num(y.unsqueeze(-1) * x.unsqueeze(-2), nan=0.0)


def _profile(position: Tensor, length: int, sigma: float | None) -> Tensor:
    """Heat along one axis: (...) pixel positions -> (..., length)."""
    grid = torch.arange(length, device=position.device, dtype=torch.float32)
    if sigma is None:
        return (grid == position.round().unsqueeze(-1)).float()
    return torch.exp(-((grid - position.unsqueeze(-1)) ** 2) / (2 * sigma**2))
