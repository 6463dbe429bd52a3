"""Pictures for people: poses as coloured limbs, images side by side under headings."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reidaug.core.files import write_image

GAP = 6  # pixels between tiles
HEADING = 18  # pixels, height of a heading line
TILE = (128, 64)  # height and width in pixels of an image in a ranked row
FRAME = 4  # pixels, width of the frame around it
MARK = 17  # pixels, the square of a mark in a corner of it
MARKS = {  # lines of points, in shares of the square
    "tick": (((0.15, 0.55), (0.4, 0.8), (0.85, 0.2)),),
    "cross": (((0.2, 0.2), (0.8, 0.8)), ((0.2, 0.8), (0.8, 0.2))),
}
WIDEST = 1240  # pixels, the width that a picture should not exceed
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


@dataclass(frozen=True, eq=False)
class TileRow:
    """Images side by side, (H, W, 3) uint8 RGB of one size, None = no image; and a line above them."""

    images: Sequence[np.ndarray | None]
    heading: str = ""


def save_tiles(
    path: Path,
    rows: Sequence[TileRow],
    headings: Sequence[str] = (),
    *,
    title: str = "",
    top: Sequence[np.ndarray | None] = (),
    groups: int = 1,
    scale: int = 1,
    apart: bool = False,
) -> None:
    """Writes rows of images under headings as one PNG, whole or not at all; long texts are broken into lines.

    Args:
        path: the PNG.
        rows: what is shown.
        headings: a short text for each column.
        title: a text above all.
        top: images above each group.
        groups: into how many groups side by side the rows are divided.
        scale: enlargement.
        apart: whether the first column is set off by a wider gap.
    """
    height, width = (scale * side for side in next(x for x in rows[0].images if x is not None).shape[:2])
    lefts = [GAP + column * (width + GAP) for column in range(max(len(row.images) for row in rows))]
    if apart:
        lefts[1:] = [left + 2 * GAP for left in lefts[1:]]
    block = lefts[-1] + width + GAP
    lines = -(-len(rows) // groups)
    groups = -(-len(rows) // lines)
    titles, heads = break_lines(title, groups * block - 2 * GAP), [break_lines(heading, width) for heading in headings]
    above = [break_lines(row.heading, block - 2 * GAP) for row in rows]
    heading_height = HEADING * max(map(len, above))
    head_y = HEADING * len(titles)
    top_y = head_y + HEADING * max(map(len, heads), default=0)
    first_y = top_y + (height + GAP if top else 0)
    canvas = Image.new("RGB", (groups * block, first_y + lines * (heading_height + height + GAP) + GAP), "white")
    draw = ImageDraw.Draw(canvas)

    def write(x: int, y: int, lines: Sequence[str], anchor: str) -> None:
        for number, line in enumerate(lines):
            draw.text((x, y + (number + 0.5) * HEADING + 1), line, fill="black", font=_font(), anchor=anchor)

    def paste(group: int, y: int, images: Sequence[np.ndarray | None]) -> None:
        for left, image in zip(lefts, images, strict=False):
            if image is not None:
                tile = Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST)
                canvas.paste(tile, (group * block + left, y))

    write(GAP, 0, titles, "lm")
    for group in range(groups):
        for left, head in zip(lefts, heads, strict=False):
            write(group * block + left + width // 2, head_y, head, "mm")
        paste(group, top_y, top)
    for number, row in enumerate(rows):
        group, line = divmod(number, lines)
        y = first_y + line * (heading_height + height + GAP)
        write(group * block + GAP, y, above[number], "lm")
        paste(group, y + heading_height, row.images)
    write_image(path, canvas, "PNG")


def break_lines(text: str, width: int) -> list[str]:
    """Breaks a text into lines of at most `width` pixels: after a blank, _ or /, else anywhere."""
    font, lines = _font(), [""]
    for part in re.findall(r"[^ _/]*[ _/]|[^ _/]+", text):
        if lines[-1] and font.getlength((lines[-1] + part).rstrip()) > width:
            lines.append("")
        for letter in part:
            if lines[-1] and letter != " " and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines if text else []


@functools.cache
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(13)


def fit_screen(columns: int, rows: int, width: int) -> tuple[int, int]:
    """The largest enlargement (2 or 1) and then number of groups (2 or 1) at which images of `width` pixels fit."""
    for scale in (2, 1):
        for groups in (2, 1) if rows > 4 else (1,):
            if groups * (columns * (width * scale + GAP) + 3 * GAP) <= WIDEST:
                return scale, groups
    return 1, 1


def save_comparison(path: Path, rows: Sequence[Sequence[np.ndarray]]) -> None:
    """Writes rows of four (H, W, 3) uint8 images, one for each of `HEADINGS`, at twice their size in two groups."""
    save_tiles(path, [TileRow(row) for row in rows], HEADINGS, groups=2, scale=2)


def frame(image: np.ndarray, colour: tuple[int, int, int], mark: str = "") -> np.ndarray:
    """An (H, W, 3) uint8 RGB image at the size `TILE`, in a frame of an RGB colour.

    Args:
        image: any size.
        colour: of the frame.
        mark: "tick" or "cross", drawn in the upper left corner for eyes and printers without colours; empty = none.
    """
    framed = np.empty((TILE[0] + 2 * FRAME, TILE[1] + 2 * FRAME, 3), dtype=np.uint8)
    framed[:] = colour
    framed[FRAME:-FRAME, FRAME:-FRAME] = np.asarray(Image.fromarray(image).resize(TILE[::-1], Image.Resampling.BICUBIC))
    if not mark:
        return framed
    picture = Image.fromarray(framed)
    draw = ImageDraw.Draw(picture)
    draw.rectangle([0, 0, MARK, MARK], fill=colour)
    for line in MARKS[mark]:
        draw.line([(x * MARK, y * MARK) for x, y in line], fill="white", width=2)
    return np.asarray(picture)
