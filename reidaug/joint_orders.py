"""Other estimators' joint orders, brought to the 18 joints of OpenPose that the public keypoint files hold."""

import numpy as np

# The 17 of COCO have no neck; it is appended as joint 17. Their left comes before their right.
_FROM_COCO = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS = (5, 6)
# BODY_25 has the middle of the hips in place 8 and six joints of the feet at the end.
_FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)


def from_coco(keypoints: np.ndarray) -> np.ndarray:
    """COCO's 17 joints as OpenPose's 18; the neck is the middle of the shoulders.

    Args:
        keypoints: (..., 17, 2) pixels, NaN = missing.

    Returns:
        (..., 18, 2); the neck is missing where a shoulder is.
    """
    neck = keypoints[..., _SHOULDERS, :].mean(axis=-2, keepdims=True)
    return np.concatenate([keypoints, neck], axis=-2)[..., _FROM_COCO, :]


def from_body_25(keypoints: np.ndarray) -> np.ndarray:
    """OpenPose's BODY_25 as its 18 joints of COCO: (..., 25, 2) pixels to (..., 18, 2)."""
    return keypoints[..., _FROM_BODY_25, :]
