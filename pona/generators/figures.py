"""What VUnet sees of a person: a stick figure, and body parts cut out and made squares.

Esser et al., A variational U-Net, CVPR 2018, and its code.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

RIGHT, LEFT = (10, 9, 8, 2, 3, 4), (13, 12, 11, 5, 6, 7)  # ankle, knee, hip, shoulder, elbow, wrist
NOSE, RIGHT_EYE, LEFT_EYE = 0, 14, 15
ARMS_AND_THIGHS = ((5, 6), (6, 7), (2, 3), (3, 4), (11, 12), (8, 9))
RADIUS = {128: 2.5, 256: 3.5}  # of a line that OpenCV draws with a thickness of 3 and 6 pixels
PARTS = 8


def render_stickman(keypoints: Tensor, side: int) -> Tensor:
    """The stick figure of a pose: right side, left side and trunk in a channel each.

    Args:
        keypoints: B x 18 x 2, (x, y) in pixels of the square, NaN = missing.
        side: of the square, in pixels.

    Returns:
        B x 3 x S x S, 0..1.
    """
    points = keypoints.trunc()
    grid = torch.arange(side, device=keypoints.device, dtype=keypoints.dtype)
    x, y = grid, grid[:, None]
    radius = RADIUS.get(side, side / 64)
    channels = []
    for joints in (RIGHT, LEFT):
        lines = [_line(points[:, a], points[:, b], x, y, radius) for a, b in pairwise(joints)]
        channels.append(torch.stack(lines).any(0).to(keypoints.dtype))
    neck = ((keypoints[:, 2] + keypoints[:, 5]) / 2).trunc()
    head = _line(neck, points[:, NOSE], x, y, radius)
    both = points[:, [RIGHT_EYE, LEFT_EYE]].isfinite().all(-1).all(-1)[:, None, None]
    for index, eye in enumerate((RIGHT_EYE, LEFT_EYE)):
        channels[index] = torch.where(head, 127 / 255, channels[index])
        channels[index] = torch.where(both & _line(points[:, NOSE], points[:, eye], x, y, radius), 1.0, channels[index])
    channels.append(_polygon(points[:, [11, 5, 2, 8]], x, y).to(keypoints.dtype))
    return torch.stack(channels, dim=1)


def _line(start: Tensor, end: Tensor, x: Tensor, y: Tensor, radius: float) -> Tensor:
    """B x 2 points -> bool, B x S x S: within a distance of the line between them; nowhere if one is NaN."""
    along = end - start
    dx, dy = x - start[:, 0, None, None], y - start[:, 1, None, None]
    length = along.square().sum(1).clamp(min=1e-6)[:, None, None]
    share = ((dx * along[:, 0, None, None] + dy * along[:, 1, None, None]) / length).clamp(0, 1)
    off_x, off_y = dx - share * along[:, 0, None, None], dy - share * along[:, 1, None, None]
    return off_x.square() + off_y.square() <= radius**2


def _polygon(corners: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """B x 4 x 2 corners -> bool, B x S x S: inside by the rule of even and odd, or on a border.

    Nowhere if a corner is NaN.
    """
    crossings = torch.zeros((len(corners), y.shape[0], x.shape[0]), dtype=torch.int64, device=corners.device)
    border = torch.zeros_like(crossings, dtype=torch.bool)
    for index in range(4):
        start, end = corners[:, index], corners[:, (index + 1) % 4]
        y0, y1 = start[:, 1, None, None], end[:, 1, None, None]
        x0, x1 = start[:, 0, None, None], end[:, 0, None, None]
        between = (y0 <= y) != (y1 <= y)
        crossings += between & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
        border |= _line(start, end, x, y, 0.5)
    whole = corners.isfinite().flatten(1).all(1)[:, None, None]
    return whole & ((crossings % 2 == 1) | border)


def part_corners(keypoints: Tensor, side: int) -> Tensor:
    """The quadrilaterals of the parts: trunk, head, upper arms and forearms, thighs.

    Args:
        keypoints: B x 18 x 2, (x, y) in pixels of the square, NaN = missing.
        side: of the square, in pixels.

    Returns:
        B x 8 x 4 x 2: the points that go to (0, 0), (0, w), (w, w), (w, 0) of a crop; NaN = missing.
    """
    left, right, nose = keypoints[:, 5], keypoints[:, 2], keypoints[:, NOSE]
    quads = [torch.stack((left, keypoints[:, 11], keypoints[:, 8], right), dim=1)]
    middle = (left + right) / 2
    top = middle + 2 * (nose - middle)
    across = _normal(top, middle)
    head = torch.stack((top - across / 2, middle - across / 2, middle + across / 2, top + across / 2), dim=1)
    up = _normal(left, right)
    up = torch.where(up[:, 1:] > 0, -up, up)
    without_nose = torch.stack((left + up, left, right, right + up), dim=1)
    quads.append(torch.where(nose.isnan()[:, None], without_nose, head))
    for first, second in ARMS_AND_THIGHS:
        start, end = keypoints[:, first], keypoints[:, second]
        if second in (9, 12):  # a knee that is not seen is below the image
            below = torch.stack((start[:, 0], torch.full_like(start[:, 0], side - 1)), dim=1)
            end = torch.where(end.isnan(), below, end)
        across = _normal(start, end)
        quads.append(torch.stack((start + across / 4, start - across / 4, end - across / 4, end + across / 4), dim=1))
    return torch.stack(quads, dim=1)


def _normal(a: Tensor, b: Tensor) -> Tensor:
    along = b - a
    return torch.stack((-along[:, 1], along[:, 0]), dim=1)


def homography(points: Tensor, images: Tensor) -> Tensor:
    """The projective maps of four points to four others.

    Args:
        points: N x 4 x 2.
        images: N x 4 x 2.

    Returns:
        N x 3 x 3, lower right 1; not finite where there is none.
    """
    homogeneous = torch.cat((points, torch.ones_like(points[..., :1])), dim=-1)
    blank = torch.zeros_like(homogeneous)
    rows = [
        torch.cat((*parts, -points * images[..., [axis]]), dim=-1)
        for axis, parts in enumerate(((homogeneous, blank), (blank, homogeneous)))
    ]
    matrix = torch.cat(rows, dim=1)
    solved = torch.linalg.solve_ex(matrix, torch.cat((images[..., 0], images[..., 1]), dim=1))[0]
    return torch.cat((solved, torch.ones_like(solved[:, :1])), dim=1).view(-1, 3, 3)


def crop_parts(images: Tensor, keypoints: Tensor, width: int) -> Tensor:
    """The parts of a person, each made a square.

    Args:
        images: B x 3 x S x S, -1..1.
        keypoints: B x 18 x 2, (x, y) in pixels of the square, NaN = missing.
        width: of a crop, in pixels.

    Returns:
        B x 24 x width x width, -1..1; 0 for a part that is not seen.
    """
    batch, side = len(images), images.shape[2]
    quads = part_corners(keypoints.double(), side).flatten(0, 1)
    square = torch.tensor([[0, 0], [0, width], [width, width], [width, 0]], dtype=quads.dtype, device=quads.device)
    maps = homography(square.expand(len(quads), -1, -1), torch.where(quads.isfinite(), quads, 0.0))
    grid = torch.arange(width, device=images.device, dtype=quads.dtype)
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    points = torch.einsum("nij,jhw->nihw", maps, torch.stack((x, y, torch.ones_like(x))))
    places = points[:, :2] / points[:, 2:]
    seen = quads.isfinite().flatten(1).all(1) & places.isfinite().flatten(1).all(1)
    scaled = torch.where(seen[:, None, None, None], places / (side - 1) * 2 - 1, 0.0).permute(0, 2, 3, 1)
    repeated = images[:, None].expand(-1, PARTS, -1, -1, -1).flatten(0, 1)
    crops = F.grid_sample(repeated, scaled.to(images.dtype), padding_mode="border", align_corners=True)
    return torch.where(seen[:, None, None, None], crops, 0.0).view(batch, 3 * PARTS, width, width)
