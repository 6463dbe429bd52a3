"""The picture of a generator's features block by block, and of the attention of points (Figure 13)."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.core.files import check_out
from reidaug.datasets.posed_images import PosedImages
from reidaug.reports.choice import choose_pairs
from reidaug.reports.request import AttentionRequest
from reidaug.reports.tiles import TileRow, fit_screen, pose_image, save_tiles
from reidaug.synthesis.painter import checkpoint_file

if TYPE_CHECKING:
    from torch import Tensor

    from pona.visualise import BlockView, GeneratorView

HEAT = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)])  # dark to bright: inferno
SHOWN_JOINTS = ((0,), (4, 7), (8, 11), (10, 13))  # nose, wrist, hip, ankle: the first visible one of each group
RING = 3  # pixels: radius of the mark on a point

Point = tuple[tuple[int, int], str]  # (x, y) in pixels, and the name of its joint or ""


def draw_attention(source: PosedImages, request: AttentionRequest, out: Path) -> dict[str, object]:
    """Generates one pair and writes the picture.

    Args:
        source: the data set.
        request: which generator, pair and points.
        out: the PNG.

    Returns:
        The names of the pair; the points with their joints; for each block gamma, by how much attention changes the
        image code, and for each point the largest share of attention at one position; and the share of each position
        if attention were uniform.

    Raises:
        ReidAugError: nowhere to write, a point that cannot be read, or what `choose_pairs` raises.
        PoNAError: a file that is no checkpoint, a point outside the image, or points without cross attention.
    """
    check_out(out)
    checkpoint = checkpoint_file(request.checkpoint)
    import torch

    import pona
    from pona.visualise import look_inside, require_pona

    points: list[Point] = [(_parse_point(point), "") for point in request.points]
    persons, poses = ((name,) if name else () for name in (request.condition, request.target))
    (condition,), (target,) = choose_pairs(source, persons, poses, 1, request.seed)
    generator = require_pona(pona.load_checkpoint(checkpoint).generator)
    images, target_keypoints = source.images([condition]), source.keypoints([target])
    size = (images.shape[1], images.shape[2])
    if not points and generator.config.cross_attention:
        points = _joint_points(target_keypoints[0], size)
    view = look_inside(
        generator,
        torch.from_numpy(images).permute(0, 3, 1, 2),
        torch.from_numpy(source.keypoints([condition])),
        torch.from_numpy(target_keypoints),
        torch.tensor([point for point, _ in points], dtype=torch.int64).reshape(1, len(points), 2),
        device=pick_device(request.device),
    )
    title = f"{checkpoint.name}: {condition} as {target}"
    _save(out, title, view, images[0], pose_image(target_keypoints[0], size), points)
    blocks = [{"gamma": block.gamma, "change": float(block.change), "peaks": _peaks(block)} for block in view.blocks]
    return {
        "condition": condition,
        "target": target,
        "points": [{"x": x, "y": y, "joint": joint or None} for (x, y), joint in points],
        "blocks": blocks,
        "even": 1 / view.image[0].numel(),
    }


def heat_map(values: np.ndarray) -> np.ndarray:
    """Numbers as colours from dark (0) to bright (1), clipped to 0..1: (...) -> (..., 3) uint8 RGB."""
    steps = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(values, steps, channel) for channel in HEAT.T], axis=-1).round().astype(np.uint8)


def enlarge(code: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) values at the positions of a code -> (H, W) at the pixels of its image, interpolated linearly."""
    from pona.visualise import STRIDE

    rows, columns = (np.arange(length) / STRIDE for length in size)
    wide = np.stack([np.interp(columns, np.arange(code.shape[1]), row) for row in code])
    return np.stack([np.interp(rows, np.arange(code.shape[0]), column) for column in wide.T], axis=1)


def feature_image(code: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) features as a heat map from their minimum to their maximum: (H, W, 3) uint8 RGB."""
    span = np.ptp(code)
    return heat_map(enlarge((code - code.min()) / (span if span > 0 else 1), size))


def overlay(image: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Attention as a heat map, scaled to its maximum, over the (H, W, 3) uint8 image in dark grey."""
    share = enlarge(attention / attention.max(), (image.shape[0], image.shape[1]))[..., None]
    grey = 0.6 * image.mean(axis=2, keepdims=True)
    return ((1 - share) * grey + share * heat_map(0.25 + 0.75 * share[..., 0])).round().astype(np.uint8)


def mark(image: np.ndarray, point: tuple[int, int]) -> np.ndarray:
    """A copy of an (H, W, 3) uint8 image with a ring around (x, y)."""
    marked = Image.fromarray(image)
    draw = ImageDraw.Draw(marked)
    x, y = point
    for radius, colour in ((RING + 1, "black"), (RING, "white")):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=colour)
    return np.asarray(marked)


def _parse_point(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(-?\d{1,6})\s*,\s*(-?\d{1,6})\s*", text)
    if match is None:
        raise ReidAugError(f"--point {text!r}: expected whole pixels X,Y of the target image, such as 32,20")
    return int(match[1]), int(match[2])


def _joint_points(keypoints: np.ndarray, size: tuple[int, int]) -> list[Point]:
    """The visible joint of each group of `SHOWN_JOINTS`."""
    from pona.keypoints import JOINTS

    points = []
    for group in SHOWN_JOINTS:
        for joint in group:
            x, y = np.rint(keypoints[joint])
            if 0 <= x < size[1] and 0 <= y < size[0]:  # False for a missing joint, which is NaN
                points.append(((int(x), int(y)), JOINTS[joint]))
                break
    return points


def _peaks(block: "BlockView") -> list[float]:
    return [] if block.attention is None else block.attention[0].flatten(1).amax(dim=1).tolist()


def _save(
    out: Path, title: str, view: "GeneratorView", condition: np.ndarray, pose: np.ndarray, points: Sequence[Point]
) -> None:
    size = (condition.shape[0], condition.shape[1])
    generated = view.generated_images[0].permute(1, 2, 0).numpy()

    def features(code: "Tensor") -> np.ndarray:
        return feature_image(code[0].numpy(), size)

    first = [pose, condition, generated, *(mark(generated, point) for point, _ in points)]
    rows = [
        TileRow(first, "target pose, condition image, generated image"),
        TileRow([features(view.pose), features(view.image)], "encoders"),
    ]
    for number, block in enumerate(view.blocks, start=1):
        tiles = [features(code) for code in (block.pose, block.image, block.moved_image)]
        if block.attention is not None:
            tiles += [overlay(condition, attention) for attention in block.attention[0].numpy()]
        rows.append(TileRow(tiles, f"block {number}: {_attention_text(block)}"))
    names = [f"{joint} ({x}, {y})".strip() for (x, y), joint in points]
    headings = ["pose features", "image features", "after attention", *names]
    scale, _ = fit_screen(len(headings), 1, size[1])
    save_tiles(out, rows, headings, title=title, scale=scale)


def _attention_text(block: "BlockView") -> str:
    if block.gamma is None:
        return "no cross attention"
    peaks = ", ".join(f"{100 * peak:.1f} %" for peak in _peaks(block))
    text = f"gamma {block.gamma:.3f}, changes the image code by {100 * float(block.change):.0f} %"
    return f"{text}; peaks: {peaks}" if peaks else text
