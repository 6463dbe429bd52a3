"""Ten body parts, and the affine map of each from the target pose to the condition pose.

Siarohin et al., Deformable GANs for pose-based human image generation, CVPR 2018, and its code, which decides where the
paper is silent. Deform warps features by these maps, LWG-2D makes its flow of them.
"""

import torch
from torch import Tensor

PARTS = (
    "torso", "head", "right thigh", "left thigh", "right shin", "left shin",
    "right upper arm", "left upper arm", "right forearm", "left forearm",
)  # fmt: skip
TORSO = (8, 11, 5, 2)  # right hip, left hip, left shoulder, right shoulder
SHOULDERS = (2, 5)
HEAD = (0, 14, 15, 16, 17)  # nose, eyes, ears
LIMBS = ((8, 9), (11, 12), (9, 10), (12, 13), (2, 3), (5, 6), (3, 4), (6, 7))  # parts 2 to 9; the other side is beside
OTHER_SIDE = (1, 0, 3, 2, 5, 4, 7, 6)
OUTER = torch.tensor([False, False, True, True, False, False, True, True])  # shins and forearms
LONGER = {False: 0.1, True: 0.3}  # by which share a limb's quadrilateral goes beyond its outer joint
LONGER_MASK = {False: 0.1, True: 0.5}  # of its mask: as in the code
NOWHERE = 1000.0  # pixels: the translation of a part without a source, which samples outside
DEGENERATE = 1e-6  # smallest share of the largest singular value that decides an affine map


def torso_length(keypoints: Tensor) -> Tensor:
    """B x 18 x 2 -> B: the root mean square of the two distances from hip to shoulder, in pixels."""
    right, left = keypoints[:, 8] - keypoints[:, 2], keypoints[:, 11] - keypoints[:, 5]
    return ((right.square().sum(1) + left.square().sum(1)) / 2).sqrt()


def limb_quads(keypoints: Tensor, longer: dict[bool, float]) -> Tensor:
    """The quadrilaterals around eight limbs, two fifths of the torso's length wide.

    Args:
        keypoints: B x 18 x 2, (x, y) in pixels, NaN = missing.
        longer: by which share a limb goes beyond its second joint, inner limbs and outer ones.

    Returns:
        B x 8 x 4 x 2; NaN where a joint or the torso is missing, or the joints are one point.
    """
    limbs = torch.tensor(LIMBS, device=keypoints.device)
    a, b = keypoints[:, limbs[:, 0]], keypoints[:, limbs[:, 1]]
    outer = OUTER.to(keypoints.device)
    share = torch.where(outer, longer[True], longer[False])[:, None].to(keypoints.dtype)
    start = a + 0.1 * (a - b)
    end = b + share * (b - start)
    along = start - end
    normal = torch.stack((-along[..., 1], along[..., 0]), dim=-1) / along.norm(dim=-1, keepdim=True)
    side = 0.2 * torso_length(keypoints)[:, None, None] * normal
    return torch.stack((start + side, start - side, end - side, end + side), dim=2)


def part_affines(condition: Tensor, target: Tensor) -> Tensor:
    """The affine map of each part from target to condition pose.

    A limb that the condition image does not show is taken from the other side; where that is missing too, where the
    target does not show the part, and where the points lie on a line, the map leads outside of every image.

    Args:
        condition: B x 18 x 2, (x, y) in pixels, NaN = missing.
        target: B x 18 x 2.

    Returns:
        B x 10 x 2 x 3, float64: (x, y, 1) of the target to (x, y) of the condition, in pixels.
    """
    condition, target = condition.double(), target.double()
    torso = fit_affine(target[:, TORSO], condition[:, TORSO])
    seen = (target[:, HEAD] + condition[:, HEAD]).isfinite().all(-1)
    points = torch.cat((target[:, HEAD], target[:, SHOULDERS]), dim=1)
    sources = torch.cat((condition[:, HEAD], condition[:, SHOULDERS]), dim=1)
    used = torch.cat((seen, seen.any(1, keepdim=True).expand(-1, 2)), dim=1)
    head = fit_affine(points, sources, used)
    quads, source_quads = limb_quads(target, LONGER), limb_quads(condition, LONGER)
    absent = source_quads.isnan().any(-1).any(-1)[..., None, None]
    source_quads = torch.where(absent, source_quads[:, list(OTHER_SIDE)], source_quads)
    limbs = fit_affine(quads.flatten(0, 1), source_quads.flatten(0, 1)).view(-1, len(LIMBS), 2, 3)
    affines = torch.cat((torso[:, None], head[:, None], limbs), dim=1)
    nowhere = torch.tensor([[1.0, 0.0, NOWHERE], [0.0, 1.0, NOWHERE]], dtype=affines.dtype, device=affines.device)
    return torch.where(affines.isfinite().all(-1).all(-1)[..., None, None], affines, nowhere)


def fit_affine(points: Tensor, images: Tensor, used: Tensor | None = None) -> Tensor:
    """The affine map of points as scikit-image estimates it: total least squares after Hartley's normalisation.

    With more than three points it differs from least squares by up to some pixels.

    Args:
        points: B x N x 2.
        images: B x N x 2.
        used: bool, B x N; None = all points.

    Returns:
        B x 2 x 3; NaN where a used point is NaN, fewer than three are used, or they lie on a line.
    """
    used = torch.ones(points.shape[:2], dtype=torch.bool, device=points.device) if used is None else used
    weight = used[..., None].to(points.dtype)
    broken = (used & ~(points + images).isfinite().all(-1)).any(1) | (used.sum(1) < 3)
    points, images = (
        torch.where(used[..., None] & ~broken[:, None, None], x, torch.zeros_like(x)) for x in (points, images)
    )
    (points, scale), (images, image_scale) = _normalise(points, weight), _normalise(images, weight)
    one, zero = weight, torch.zeros_like(weight)
    homogeneous = torch.cat((points, one), dim=2)
    rows_x = torch.cat((homogeneous, zero, zero, zero, images[..., :1]), dim=2)
    rows_y = torch.cat((zero, zero, zero, homogeneous, images[..., 1:]), dim=2)
    matrix = torch.cat((rows_x, rows_y), dim=1)
    broken = broken | ~matrix.isfinite().flatten(1).all(1)
    _, singular, right = torch.linalg.svd(matrix.where(~broken[:, None, None], torch.zeros_like(matrix)))
    solution = right[:, -1]
    broken = broken | (singular[:, 5] < DEGENERATE * singular[:, 0])
    fitted = (-solution[:, :6] / solution[:, 6:]).view(-1, 2, 3)
    bottom = torch.tensor([0.0, 0.0, 1.0], dtype=fitted.dtype, device=fitted.device).expand(len(fitted), 1, 3)
    fitted = torch.linalg.solve_ex(image_scale, torch.cat((fitted, bottom), dim=1) @ scale)[0][:, :2]
    return torch.where(broken[:, None, None], torch.full_like(fitted, float("nan")), fitted)


def _normalise(points: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Points with mean 0 and root mean square distance sqrt(2), and the B x 3 x 3 map that makes them so."""
    count = weight.sum(1, keepdim=True)
    mean = points.sum(1, keepdim=True) / count
    centred = (points - mean) * weight
    factor = (2 * count / centred.square().sum((1, 2), keepdim=True)).sqrt()
    scale = torch.zeros(len(points), 3, 3, dtype=points.dtype, device=points.device)
    scale[:, 0, 0] = scale[:, 1, 1] = factor[:, 0, 0]
    scale[:, :2, 2] = -(factor * mean)[:, 0]
    scale[:, 2, 2] = 1
    return centred * factor, scale


def part_masks(target: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each part is in the target image.

    The torso's is the whole image, so that background and limbs that are not seen follow the torso.

    Args:
        target: B x 18 x 2, (x, y) in pixels, NaN = missing.
        size: (height, width) in pixels.

    Returns:
        bool, B x 10 x H x W.
    """
    target = target.double()
    height, width = size
    y = torch.arange(height, device=target.device, dtype=target.dtype)[:, None]
    x = torch.arange(width, device=target.device, dtype=target.dtype)
    torso = torch.ones(len(target), 1, height, width, dtype=torch.bool, device=target.device)
    centre = target[:, HEAD].nanmean(dim=1).trunc()[:, :, None, None]  # NaN without a head: no pixel
    radius = (0.4 * torso_length(target)).trunc()[:, None, None]
    head = (x >= centre[:, 0] - radius) & (x < centre[:, 0] + radius)
    head = head & (y >= centre[:, 1] - radius) & (y < centre[:, 1] + radius)
    quads = limb_quads(target, LONGER_MASK)
    return torch.cat((torso, head[:, None], inside(quads, x, y)), dim=1)


def inside(quads: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Which pixels lie in convex quadrilaterals, borders included.

    Args:
        quads: ... x 4 x 2, corners in turn; NaN = no pixel.
        x: W columns.
        y: H x 1 rows.

    Returns:
        bool, ... x H x W.
    """
    sides = []
    for corner in range(4):
        start, end = quads[..., corner, :, None, None], quads[..., (corner + 1) % 4, :, None, None]
        cross = (end[..., 0, :, :] - start[..., 0, :, :]) * (y - start[..., 1, :, :])
        sides.append(cross - (end[..., 1, :, :] - start[..., 1, :, :]) * (x - start[..., 0, :, :]))
    stack = torch.stack(sides)
    return (stack >= 0).all(0) | (stack <= 0).all(0)
