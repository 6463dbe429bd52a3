"""The picture of what goes on inside a generator (Figure 13): features block by block, and where points look."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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

HEAT = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)])  # dark to bright: inferno
SHOWN_JOINTS = ((0,), (4, 7), (8, 11), (10, 13))  # nose, wrist, hip, ankle: the first of each that is seen
RING = 3  # pixels: radius of the mark on a point

Point = tuple[tuple[int, int], str]  # (x, y) in pixels, and the joint there or ""


def draw_attention(source: PosedImages, request: AttentionRequest, out: Path) -> dict[str, Any]:
    """Paints one pair and writes the picture.

    Args:
        source: the data set.
        request: which generator, pair and points.
        out: the PNG.

    Returns:
        The names of the pair; the points with their joints; for each block gamma, by how much attention changes the
        image code, and the largest share of attention that one place has, for each point; and the share that each
        place has where attention is spread evenly.

    Raises:
        ReidAugError: nowhere to write, a point that cannot be read, or what `choose_pairs` raises.
        PoNAError: a file that is no checkpoint, a point outside of the image, or points without cross attention.
    """
    import pona
    from pona.visualise import require_pona

    check_out(out)
    points: list[Point] = [(_parse_point(point), "") for point in request.points]
    persons, poses = ((name,) if name else () for name in (request.condition, request.target))
    (condition,), (target,) = choose_pairs(source, persons, poses, 1, request.seed)
    checkpoint = checkpoint_file(request.checkpoint)
    generator = require_pona(pona.load_checkpoint(checkpoint).generator)
    image, joints = source.images([condition])[0], source.keypoints([target])[0]
    if not points and generator.config.cross_attention:
        points = _joint_points(joints, (image.shape[0], image.shape[1]))
    view = _look(generator, image, source.keypoints([condition])[0], joints, points, request.device)
    title = f"{checkpoint.name}: {condition} as {target}"
    _save(out, title, view, image, pose_image(joints, (image.shape[0], image.shape[1])), points)
    blocks = [{"gamma": each.gamma, "change": float(each.change), "peaks": _peaks(each)} for each in view.blocks]
    return {
        "condition": condition,
        "target": target,
        "points": [{"x": x, "y": y, "joint": joint or None} for (x, y), joint in points],
        "blocks": blocks,
        "even": 1 / view.image[0].numel(),
    }


def _look(
    generator: Any, image: np.ndarray, condition: np.ndarray, target: np.ndarray, points: Sequence[Point], device: str
) -> Any:
    import torch

    from pona.visualise import look_inside

    return look_inside(
        generator,
        torch.from_numpy(image[None]).permute(0, 3, 1, 2),
        torch.from_numpy(condition[None]),
        torch.from_numpy(target[None]),
        torch.tensor([point for point, _ in points], dtype=torch.int64).reshape(1, len(points), 2),
        device=pick_device(device),
    )


def heat_map(values: np.ndarray) -> np.ndarray:
    """Numbers as colours from dark (0) to bright (1): (...) -> (..., 3) uint8 RGB; others count as the nearest."""
    places = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(values, places, channel) for channel in HEAT.T], axis=-1).round().astype(np.uint8)


def enlarge(code: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) values at the places of a code -> (H, W) at the pixels of its image, linear between them."""
    from pona.visualise import STRIDE

    rows, columns = (np.arange(length) / STRIDE for length in size)
    wide = np.stack([np.interp(columns, np.arange(code.shape[1]), row) for row in code])
    return np.stack([np.interp(rows, np.arange(code.shape[0]), column) for column in wide.T], axis=1)


def feature_image(code: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) features as a heat map from their least to their greatest: (H, W, 3) uint8 RGB."""
    span = np.ptp(code)
    return heat_map(enlarge((code - code.min()) / (span if span > 0 else 1), size))


def overlay(image: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Attention as a heat map, its greatest at full strength, over a grey and darkened (H, W, 3) uint8 image."""
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
    found = re.fullmatch(r"\s*(-?\d{1,6})\s*,\s*(-?\d{1,6})\s*", text)
    if found is None:
        raise ReidAugError(
            f"--point {text!r} is no point; expected whole pixels X,Y of the target image, such as 32,20"
        )
    return int(found[1]), int(found[2])


def _joint_points(keypoints: np.ndarray, size: tuple[int, int]) -> list[Point]:
    """The joints of a pose that are shown, as far as they are seen."""
    from pona.keypoints import JOINTS

    height, width = size
    found = []
    for group in SHOWN_JOINTS:
        for joint in group:
            x, y = np.rint(keypoints[joint])
            if 0 <= x < width and 0 <= y < height:  # never of a missing joint
                found.append(((int(x), int(y)), JOINTS[joint]))
                break
    return found


def _peaks(block: Any) -> list[float]:
    return [] if block.attention is None else block.attention[0].flatten(1).amax(dim=1).tolist()


def _save(
    out: Path,
    title: str,
    view: Any,
    condition: np.ndarray,
    pose: np.ndarray,
    points: Sequence[Point],
) -> None:
    size = (condition.shape[0], condition.shape[1])
    painted = view.generated_images[0].permute(1, 2, 0).numpy()

    def features(code: Any) -> np.ndarray:
        return feature_image(code[0].numpy(), size)

    rows = [
        TileRow(
            [pose, condition, painted, *(mark(painted, point) for point, _ in points)],
            "target pose, condition image, generated image",
        ),
        TileRow([features(view.pose), features(view.image)], "encoders"),
    ]
    for number, block in enumerate(view.blocks, start=1):
        tiles = [features(code) for code in (block.pose, block.image, block.moved_image)]
        if block.attention is not None:
            tiles += [overlay(condition, attention) for attention in block.attention[0].numpy()]
        rows.append(TileRow(tiles, f"block {number}: {_weight(block)}"))
    names = [f"{joint} ({x}, {y})".strip() for (x, y), joint in points]
    headings = ["pose features", "image features", "after attention", *names]
    scale, _ = fit_screen(len(headings), 1, size[1])
    save_tiles(out, rows, headings, title=title, scale=scale)


def _weight(block: Any) -> str:
    if block.gamma is None:
        return "no cross attention"
    peaks = ", ".join(f"{100 * peak:.1f} %" for peak in _peaks(block))
    text = f"gamma {block.gamma:.3f}, changes the image code by {100 * float(block.change):.0f} %"
    return f"{text}; peaks: {peaks}" if peaks else text
