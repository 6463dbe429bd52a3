"""Pictures for people: poses as coloured limbs, images side by side under headings."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reidaug.files import atomic_write

GAP = 6  # pixels between tiles
HEADING = 18  # pixels of a heading line
TILE = (128, 64)  # height and width in pixels of an image in a ranked row
FRAME = 4  # pixels around it
GREEN, RED, GREY = (0, 150, 0), (220, 0, 0), (110, 110, 110)
HEADINGS = ("condition", "target pose", "generated", "real")


def pose_image(keypoints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A pose as coloured limbs on black.

    Args:
        keypoints: (18, 2), (x, y) in pixels, NaN = missing.
        size: (height, width) in pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    from pona.keypoints import LIMBS

    scale = 4  # drawn large, then reduced: Pillow draws without smoothing
    image = Image.new("RGB", (size[1] * scale, size[0] * scale))
    draw = ImageDraw.Draw(image)
    for index, (start, end) in enumerate(LIMBS):
        points = keypoints[[start, end]] * scale
        if np.isfinite(points).all():
            colour = _hue(index / len(LIMBS))
            draw.line([tuple(point) for point in points.tolist()], fill=colour, width=2 * scale)
    for x, y in (keypoints[np.isfinite(keypoints).all(axis=1)] * scale).tolist():
        draw.ellipse([x - scale, y - scale, x + scale, y + scale], fill=(255, 255, 255))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BOX))


def _hue(share: float) -> tuple[int, int, int]:
    red, green, blue = (np.clip(np.abs((share * 6 + shift) % 6 - 3) - 1, 0, 1) for shift in (0, 4, 2))
    return int(255 * red), int(255 * green), int(255 * blue)


def save_comparison(
    path: Path,
    rows: Sequence[Sequence[np.ndarray]],
    headings: Sequence[str] = HEADINGS,
    groups: int = 2,
    scale: int = 2,
) -> None:
    """Writes rows of images under headings as one PNG, whole or not at all.

    Args:
        path: the PNG.
        rows: for each row one (H, W, 3) uint8 image a heading, all of one size.
        headings: a short word for each column.
        groups: how many blocks of columns stand side by side.
        scale: enlargement.
    """
    height, width = (scale * side for side in rows[0][0].shape[:2])
    lines = -(-len(rows) // groups)
    block = len(headings) * (width + GAP) + 2 * GAP
    canvas = Image.new("RGB", (groups * block, HEADING + lines * (height + GAP) + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(13)
    for group in range(min(groups, len(rows))):
        for column, heading in enumerate(headings):
            x = group * block + GAP + column * (width + GAP)
            draw.text((x + width / 2, HEADING / 2 + 1), heading, fill="black", font=font, anchor="mm")
    for index, images in enumerate(rows):
        group, line = divmod(index, lines)
        for column, image in enumerate(images):
            tile = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
            canvas.paste(tile, (group * block + GAP + column * (width + GAP), HEADING + line * (height + GAP)))
    content = io.BytesIO()
    canvas.save(content, "PNG", optimize=True)
    atomic_write(path, content.getvalue())


@dataclass(frozen=True, eq=False)
class RankedRow:
    """A query and what was found for it; images are (H, W, 3) uint8 RGB of any size."""

    heading: str
    query: np.ndarray
    matches: tuple[np.ndarray, ...]  # best first
    right: tuple[bool, ...]  # of each match


def save_ranks(path: Path, title: str, rows: Sequence[RankedRow], columns: int) -> None:
    """Writes ranked rows as one PNG, whole or not at all: the query in a grey frame, right ones green, wrong ones red.

    Args:
        path: the PNG.
        title: one line at the top.
        rows: at most ``columns`` matches each.
        columns: places for matches.
    """
    height, width = TILE[0] + 2 * FRAME, TILE[1] + 2 * FRAME
    line = HEADING + height + GAP
    canvas = Image.new("RGB", ((columns + 1) * (width + GAP) + 3 * GAP, HEADING + len(rows) * line + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(13)
    draw.text((GAP, HEADING / 2 + 1), title, fill="black", font=font, anchor="lm")
    for number, row in enumerate(rows):
        top = HEADING + number * line
        draw.text((GAP, top + HEADING / 2 + 1), row.heading, fill="black", font=font, anchor="lm")
        colours = [GREY, *(GREEN if right else RED for right in row.right)]
        for column, (image, colour) in enumerate(zip([row.query, *row.matches], colours, strict=True)):
            x, y = GAP + column * (width + GAP) + (2 * GAP if column else 0), top + HEADING
            canvas.paste(colour, (x, y, x + width, y + height))
            tile = Image.fromarray(image).resize((TILE[1], TILE[0]), Image.Resampling.BICUBIC)
            canvas.paste(tile, (x + FRAME, y + FRAME))
    content = io.BytesIO()
    canvas.save(content, "PNG", optimize=True)
    atomic_write(path, content.getvalue())
