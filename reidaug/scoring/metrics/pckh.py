"""PCKh: whether a generated person has the target pose."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import fingerprint
from reidaug.datasets.estimators import PoseEstimator, load_estimator
from reidaug.datasets.estimators.estimator import THRESHOLD
from reidaug.datasets.pairs import Pair
from reidaug.datasets.pose_files import read_keypoints
from reidaug.scoring.generated import GeneratedImages
from reidaug.scoring.metrics.metric import Batch, Column, Job, Meter, Metric, Values

Estimate = Callable[[Batch], np.ndarray | None]  # (n, 18, 2) keypoints in the images; None = not estimated


def pckh_meter(estimate: Estimate) -> Meter:
    """Measures PCKh, 0..1, higher is better (after Andriluka et al., CVPR 2014, doi:10.1109/CVPR.2014.471).

    The share of the target's visible joints that are estimated within half the target's head box, over the joints of
    all images together. `pona.pckh` says what differs from the source.

    Args:
        estimate: returns the joints in the images.
    """
    from pona.pckh import PoseCounts, count_right_joints

    def measure(batch: Batch) -> Values:
        keypoints = estimate(batch)
        if keypoints is None:
            return {}
        counts = count_right_joints(keypoints, batch.keypoints)
        return {"joints_right": counts.right, "joints_visible": counts.visible}

    def sum_up(values: Values, real: Values) -> dict[str, float]:
        return {"pckh": PoseCounts(values["joints_right"], values["joints_visible"]).pckh} if values else {}

    return Meter(measure, sum_up)


def file_estimate(path: Path, generated: GeneratedImages, pairs: Sequence[Pair]) -> Estimate:
    """Keypoints that another program estimated in the generated images, with a confidence of at least 0.3.

    Raises:
        ReidAugError: a broken file, or one without a row for each image; when called, joints far outside the image.
    """
    names = {pair: generated.file_name(pair) for pair in pairs}
    annotations = read_keypoints(path, THRESHOLD, list(names.values()))
    if lost := [name for name in names.values() if name not in annotations.index]:
        raise ReidAugError(f"{path} has no row for {lost[0]} ({len(lost):,} of {len(pairs):,} images)")

    def estimate(batch: Batch) -> np.ndarray | None:
        if not batch.generated:
            return None
        width, keypoints = batch.images.shape[2], annotations.select([names[pair] for pair in batch.pairs])
        outside = np.argwhere(keypoints[..., 0] >= 2 * width)  # False for NaN, a missing joint
        if len(outside):
            row, joint = outside[0]
            raise ReidAugError(
                f"{path}: {names[batch.pairs[row]]} has a joint at x = {keypoints[row, joint, 0]:g} in an image "
                f"{width} pixels wide: were strips of five estimated whole? --save-images FOLDER writes the images "
                "alone"
            )
        return keypoints

    return estimate


def image_estimate(estimator: PoseEstimator) -> Estimate:
    """Keypoints that are estimated in each image, once where it comes up again: true images do, in many pairs."""
    known: dict[str, np.ndarray] = {}

    def estimate(batch: Batch) -> np.ndarray:
        keys = [fingerprint(image.tobytes()) for image in batch.images]
        new = {key: image for key, image in zip(keys, batch.images, strict=True) if key not in known}
        known.update(zip(new, estimator(list(new.values())), strict=True))
        return np.stack([known[key] for key in keys])

    return estimate


def _set_up(job: Job) -> Meter:
    if job.request.poses is not None:
        return pckh_meter(file_estimate(job.request.poses, job.generated, job.pairs))
    return pckh_meter(image_estimate(load_estimator(job.request.pose_model, job.request.device)))


METRIC = Metric((Column("pckh", "PCKh ↑", 1, factor=100),), ("joints_right", "joints_visible"), _set_up)
