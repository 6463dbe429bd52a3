"""Pictures for people: lines of text, sizes, poses, frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from reidaug.reports.tiles import (
    FRAME,
    GAP,
    GREEN,
    HEADING,
    TILE,
    TileRow,
    break_lines,
    fit_screen,
    frame,
    pose_image,
    save_tiles,
)
from tests.factories import STANDING


@pytest.mark.parametrize("width", [20, 64, 128, 300])
def test_labels_are_broken_and_never_cut(width: int) -> None:
    text = "runs/one/pona.best.pt: 0101_c1s1_000007_00.jpg in the pose of fashionMENPantsid0000161101_7additional.jpg"
    lines = break_lines(text, width)
    font = ImageFont.load_default(13)
    assert "".join(lines) == text and all(font.getlength(line.rstrip()) <= width for line in lines)
    assert break_lines("", width) == [] and break_lines("condition", 128) == ["condition"]
    assert break_lines("target pose", 64) == ["target ", "pose"]


def test_a_sheet_fits_the_screen() -> None:
    assert fit_screen(columns=9, rows=2, width=64) == (2, 1)  # one person in 8 poses
    assert fit_screen(columns=4, rows=8, width=64) == (2, 2) and fit_screen(columns=5, rows=8, width=64) == (2, 1)
    assert fit_screen(columns=4, rows=8, width=176) == (1, 1) and fit_screen(columns=99, rows=9, width=64) == (1, 1)


def test_a_pose_has_limbs_between_the_joints_that_are_seen() -> None:
    pose = STANDING.astype(np.float32)
    image = pose_image(pose, (128, 64))
    assert image.shape == (128, 64, 3) and all(image[y, x].max() > 100 for x, y in STANDING)
    assert image[75, 26].any() and not image[[0, -1]].any() and not image[:, [0, -1]].any()  # a thigh; no border
    pose[9] = np.nan  # the right knee
    less = pose_image(pose, (128, 64))
    assert not less[~image.any(axis=2)].any()  # nothing new
    assert not less[75, 26].any() and np.array_equal(less[:, 34:], image[:, 34:])


@pytest.mark.parametrize("groups", [1, 2])
def test_tiles_lie_below_their_headings_and_what_is_absent_is_white(groups: int, tmp_path: Path) -> None:
    images = [np.full((10, 20, 3), 10 * number, dtype=np.uint8) for number in range(1, 7)]
    rows = [TileRow([images[0], images[1]]), TileRow([images[2], None]), TileRow([images[4], images[5]])]
    save_tiles(tmp_path / "tiles.png", rows, ["a", "b"], groups=groups, scale=2)
    with Image.open(tmp_path / "tiles.png") as picture:
        pixels = np.asarray(picture)
    lines, block = (2, 2 * (40 + GAP) + GAP) if groups == 2 else (3, 2 * (40 + GAP) + GAP)
    assert pixels.shape == (HEADING + lines * (20 + GAP) + GAP, groups * block, 3)
    for number, row in enumerate(rows):
        group, line = divmod(number, lines)
        for column, image in enumerate(row.images):
            y, x = HEADING + line * (20 + GAP), group * block + GAP + column * (40 + GAP)
            assert (pixels[y : y + 20, x : x + 40] == (255 if image is None else image[0, 0])).all(), (number, column)
            assert (pixels[y : y + 20, x - 1] == 255).all()


def test_a_frame_surrounds_an_image_of_any_size() -> None:
    framed = frame(np.full((30, 30, 3), 7, dtype=np.uint8), GREEN)
    assert framed.shape == (TILE[0] + 2 * FRAME, TILE[1] + 2 * FRAME, 3)
    assert (framed[FRAME:-FRAME, FRAME:-FRAME] == 7).all() and (framed[:FRAME] == GREEN).all()
    assert (framed[:, -FRAME:] == GREEN).all()
