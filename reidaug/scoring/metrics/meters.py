"""What `score` measures with: a meter looks at some images of one set and gives a value for each image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import in_threads
from reidaug.datasets.pairs import Pair
from reidaug.datasets.pose_files import read_keypoints
from reidaug.datasets.vitpose import THRESHOLD
from reidaug.scoring.generated import GeneratedImages
from reidaug.scoring.metrics.networks import SPLITS, Inception, load_identity, load_lpips

PIXEL_METRICS = ("ssim", "mask_ssim", "ssim_win51", "psnr", "psnr_wrapped", "l1")
PER_IMAGE = (*PIXEL_METRICS, "lpips", "identity", "joints_right", "joints_visible")
Values = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images of one set."""

    images: np.ndarray  # (n, H, W, 3) uint8 RGB
    targets: np.ndarray  # the true ones
    keypoints: np.ndarray  # (n, 18, 2) of the true ones
    pairs: Sequence[Pair]
    generated: bool  # the set that is judged, and no guess


Meter = Callable[[Batch], Values]


def pixel_meter(border: int) -> Meter:
    """The metrics that need no network.

    Args:
        border: columns of white on both sides before SSIM, mask-SSIM and PSNR are taken: 40 for DeepFashion, as PATN.
    """
    from pona import metrics

    def measure(batch: Batch) -> Values:
        import torch

        def tensors(images: np.ndarray) -> tuple[Any, Any]:
            wide = np.pad(images, ((0, 0), (0, 0), (border, border), (0, 0)), constant_values=255)
            return tuple(torch.from_numpy(each).permute(0, 3, 1, 2).split(1) for each in (images, wide))

        (plain, wide), (plain_target, wide_target) = tensors(batch.images), tensors(batch.targets)
        poses = torch.from_numpy(batch.keypoints + np.array([border, 0], dtype=np.float32)).split(1)
        large = min(batch.images.shape[1:3]) >= metrics.WIDE_WINDOW

        def measure_image(row: int) -> list[float]:
            found = [
                metrics.ssim(wide[row], wide_target[row]),
                metrics.mask_ssim(wide[row], wide_target[row], poses[row]),
                metrics.ssim_win51(plain[row], plain_target[row]) if large else torch.tensor(float("nan")),
                metrics.psnr(wide[row], wide_target[row]),
                metrics.psnr_wrapped(wide[row], wide_target[row]),
                metrics.l1(plain[row], plain_target[row]),
            ]
            return [value.item() for value in found]

        table = np.array(in_threads(measure_image, range(len(batch.images))))
        return dict(zip(PIXEL_METRICS, table.T, strict=True))

    return measure


def inception_meter(inception: Inception) -> Meter:
    """The images' places in `inception`, as they are and with everything but the person blacked out."""
    from pona.metrics import pose_mask

    def measure(batch: Batch) -> Values:
        size = (batch.images.shape[1], batch.images.shape[2])
        masks = np.stack([pose_mask(pose, size) for pose in batch.keypoints])
        return {"inception": inception(batch.images), "masked_inception": inception(batch.images * masks[..., None])}

    return measure


def pose_meter(estimate: Callable[[Batch], np.ndarray | None]) -> Meter:
    """Right and visible joints, from what estimates keypoints; None = nothing is known of this set."""
    from pona.pckh import count_right_joints

    def measure(batch: Batch) -> Values:
        found = estimate(batch)
        if found is None:
            return {}
        counts = count_right_joints(found, batch.keypoints)
        return {"joints_right": counts.right, "joints_visible": counts.visible}

    return measure


def pair_meter(name: str, compare: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Meter:
    """A metric of an image and the true one."""
    return lambda batch: {name: compare(batch.images, batch.targets)}


def file_estimate(
    path: Path, generated: GeneratedImages, pairs: Sequence[Pair]
) -> Callable[[Batch], np.ndarray | None]:
    """Keypoints that another program found in the generated images, with a confidence of 0.3 at least.

    Raises:
        ReidAugError: a broken file, or one without a row for each image; when called, joints far outside.
    """
    names = {pair: generated.file_name(pair) for pair in pairs}
    known = read_keypoints(path, THRESHOLD, list(names.values()))
    lost = [name for name in names.values() if name not in known.index]
    if lost:
        raise ReidAugError(f"{path} has no row for {lost[0]} ({len(lost):,} of {len(pairs):,} images)")

    def estimate(batch: Batch) -> np.ndarray | None:
        if not batch.generated:
            return None
        found, width = known.select([names[pair] for pair in batch.pairs]), batch.images.shape[2]
        outside = np.argwhere(found[..., 0] >= 2 * width)  # NaN, a missing joint, is not
        if len(outside):
            row, joint = outside[0]
            raise ReidAugError(
                f"{path}: {names[batch.pairs[row]]} has a joint at x = {found[row, joint, 0]:g} in an image {width} "
                "pixels wide: were strips of five estimated whole? --save-images FOLDER writes the images alone"
            )
        return found

    return estimate


def network_meters(count: int, reid: Path | None, device: Any) -> tuple[list[Meter], Inception | None, list[str]]:
    """The meters whose networks are here.

    Args:
        count: of pairs.
        reid: a trained re-ID network, if there is one.
        device: where to compute.

    Returns:
        The meters, Inception if it is among them, and a line for each metric that is not, with the reason.
    """
    meters: list[Meter] = []
    missing: list[str] = []
    inception = None
    try:
        if count < SPLITS:
            raise ReidAugError(f"needs at least {SPLITS} pairs")
        inception = Inception(device)
        meters.append(inception_meter(inception))
    except ReidAugError as error:
        missing.append(f"is, mask_is, fid: {error}")
    try:
        meters.append(pair_meter("lpips", load_lpips(device)))
    except ReidAugError as error:
        missing.append(f"lpips: {error}")
    if reid is not None:
        meters.append(pair_meter("identity", load_identity(reid, device)))
    else:
        missing.append("identity: name a network that `reidaug evaluate --save-models` kept (--reid)")
    return meters, inception, missing


def overall(
    values: Mapping[str, np.ndarray], real: Mapping[str, np.ndarray], inception: Inception | None
) -> dict[str, float]:
    """The figures of a whole set.

    Args:
        values: image by image, of the set.
        real: of the true images.
        inception: what made the places in them.

    Raises:
        ReidAugError: too few images for a metric.
    """
    found = {name: _mean(values[name]) for name in PER_IMAGE[:-2] if name in values}
    if "joints_right" in values:
        visible = int(values["joints_visible"].sum())
        found["pckh"] = float(values["joints_right"].sum()) / visible if visible else float("nan")
    if inception is not None:
        found["is"], found["is_std"] = inception.score(values["inception"])
        found["mask_is"], found["mask_is_std"] = inception.score(values["masked_inception"])
        found["fid"] = inception.distance(values["inception"], real["inception"])
    return found


def _mean(values: np.ndarray) -> float:
    """Over the images that have a figure; an image that is equal to the true one has no finite PSNR."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float(values[0])
