"""Distances of generated from true images: L1, PSNR and the SSIM family, as in published tables."""

import numpy as np
import torch
from skimage.draw import disk, polygon
from skimage.metrics import structural_similarity
from skimage.morphology import dilation, erosion
from torch import Tensor

from pona.errors import PoNAError

WINDOW = 11  # pixels; scikit-image's Gaussian window for sigma 1.5
WIDE_WINDOW = 51  # pixels; the flat window of `ssim_win51`
RADIUS = 4  # pixels; half the width of a limb, and the radius of a joint

# Hip to hip, shoulder to hip on both sides, and neck to both hips together fill the trunk.
MASK_LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (1, 16), (1, 17), (8, 11), (11, 5), (8, 2), (16, 17),
)  # fmt: skip


def l1(generated: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of each image, as a share of full scale.

    Args:
        generated, target: uint8, N x 3 x H x W.

    Returns:
        float64, N; 0 (equal) to 1 (black on white).

    Raises:
        PoNAError: for other shapes or types.
    """
    _check(generated, target)
    parts = zip(generated.split(64), target.split(64), strict=True)
    return torch.cat([(a.float() - b.float()).abs().mean(dim=(1, 2, 3)).double() / 255 for a, b in parts])


def psnr(generated: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, 10 log10(255^2 / mean squared difference).

    Args:
        generated, target: uint8, N x 3 x H x W.

    Returns:
        float64, N; dB, infinite where the two are equal.

    Raises:
        PoNAError: for other shapes or types.
    """
    _check(generated, target)
    parts = zip(generated.split(64), target.split(64), strict=True)
    return _decibel(torch.cat([(a.double() - b.double()).square().mean(dim=(1, 2, 3)) for a, b in parts]))


def psnr_wrapped(generated: Tensor, target: Tensor) -> Tensor:
    """PSNR of differences and squares in uint8 arithmetic, which wraps at 256: no measure of quality.

    For comparison with published figures only: the paper's 28.2 dB on Market-1501 fits this and not `psnr`, which lies
    near 14 dB there. That it was computed this way is a guess: no published code does it. Any two different images
    have about 28 dB.

    Args:
        generated, target: uint8, N x 3 x H x W.

    Returns:
        float64, N; dB.

    Raises:
        PoNAError: for other shapes or types.
    """
    _check(generated, target)
    difference = generated - target  # uint8 wraps
    return _decibel((difference * difference).double().mean(dim=(1, 2, 3)))


def _decibel(squared: Tensor) -> Tensor:
    return 10 * torch.log10(255**2 / squared)


def ssim(generated: Tensor, target: Tensor) -> Tensor:
    """SSIM (Wang et al., IEEE TIP 2004, doi:10.1109/TIP.2003.819861) of each image, as in the tables of PATN and PoNA.

    Gaussian window of sigma 1.5, on RGB; the data range is that of the generated image's values. The published values
    have a window of 13 taps (scikit-image 0.14), newer versions one of 11. `ssim_win51` has another scale.

    Args:
        generated, target: uint8, N x 3 x H x W; H and W of at least 11.

    Returns:
        float64, N; -1 to 1 (equal).

    Raises:
        PoNAError: for other shapes or types, or smaller images.
    """
    _check(generated, target, WINDOW)
    return torch.tensor([_ssim(a, b) for a, b in zip(_arrays(generated), _arrays(target), strict=True)]).double()


def ssim_win51(generated: Tensor, target: Tensor) -> Tensor:
    """SSIM of each image as in the tables of GFLA (Ren et al., CVPR 2020) and PIDM: flat window of 51, values 0..1.

    Args:
        generated, target: uint8, N x 3 x H x W; H and W of at least 51.

    Returns:
        float64, N; -1 to 1 (equal).

    Raises:
        PoNAError: for other shapes or types, or smaller images.
    """
    _check(generated, target, WIDE_WINDOW)
    values = [
        structural_similarity(a / 255, b / 255, win_size=WIDE_WINDOW, channel_axis=-1, data_range=1.0)
        for a, b in zip(_arrays(generated), _arrays(target), strict=True)
    ]
    return torch.tensor(values).double()


def mask_ssim(generated: Tensor, target: Tensor, target_keypoints: Tensor) -> Tensor:
    """SSIM of each image with all but the person black in both images (Ma et al., NeurIPS 2017).

    Args:
        generated, target: uint8, N x 3 x H x W.
        target_keypoints: N x 18 x 2, (x, y) in pixels, NaN = missing.

    Returns:
        float64, N; -1 to 1 (equal), NaN for a pose without joints. Most of an image is black, so values are far higher
        than those of `ssim`.

    Raises:
        PoNAError: for other shapes or types, or smaller images.
    """
    _check(generated, target, WINDOW)
    size = (target.shape[2], target.shape[3])
    masks = torch.stack([torch.from_numpy(pose_mask(joints, size)) for joints in target_keypoints.cpu().numpy()])
    values = ssim(generated.cpu() * masks[:, None], target.cpu() * masks[:, None])
    values[~masks.flatten(1).any(dim=1)] = float("nan")
    return values


def pose_mask(keypoints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a person: bars for limbs, discs for joints, small holes closed (PATN's mask).

    Args:
        keypoints: (18, 2), (x, y) in pixels, NaN = missing.
        size: (height, width) in pixels.

    Returns:
        (H, W) bool.
    """
    mask = np.zeros(size, dtype=bool)
    points = keypoints[:, ::-1].astype(np.float64)  # (row, column)
    visible = np.asarray(np.isfinite(points).all(axis=1))
    for start, end in MASK_LIMBS:
        along = points[start] - points[end]
        length = float(np.hypot(along[0], along[1]))
        if visible[start] and visible[end] and length:
            across = RADIUS * np.array([-along[1], along[0]]) / length
            corners = np.stack(
                [points[start] + across, points[start] - across, points[end] - across, points[end] + across]
            )
            mask[tuple(polygon(corners[:, 0], corners[:, 1], shape=size))] = True
    for joint in points[visible]:
        mask[disk(tuple(joint), RADIUS, shape=size)] = True
    square = np.ones((5, 5), dtype=bool)
    return np.asarray(erosion(dilation(mask, square), square))


def _ssim(generated: np.ndarray, target: np.ndarray) -> float:
    data_range = float(generated.max()) - float(generated.min())
    return float(
        structural_similarity(
            target,
            generated,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1,
            data_range=data_range or 1.0,  # an image of one colour has no range
        )
    )


def _arrays(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).cpu().numpy()


def _check(generated: Tensor, target: Tensor, smallest: int = 1) -> None:
    for name, images in (("generated", generated), ("target", target)):
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise PoNAError(f"{name} images are {images.dtype} {tuple(images.shape)}, expected uint8 (N, 3, H, W)")
        if min(images.shape[2:]) < smallest:
            raise PoNAError(
                f"{name} images are {tuple(images.shape[2:])} pixels, expected at least {smallest} each way"
            )
    if generated.shape != target.shape:
        raise PoNAError(
            f"generated images are {tuple(generated.shape)}, target images {tuple(target.shape)}: not equal"
        )
