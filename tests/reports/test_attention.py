"""reidaug attention: heat maps and marks at their positions, and error messages."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import pona
from pona.visualise import look_inside
from reidaug.datasets.posed_images import PosedImages
from reidaug.reports.attention import HEAT, enlarge, feature_image, heat_map, mark, overlay
from reidaug.reports.tiles import GAP, HEADING, pose_image
from tests.cli import commands
from tests.cli.commands import picture_of
from tests.factories import posed_images_of, wake

attention, error_of = partial(picture_of, "attention"), partial(commands.error_of, "attention")
WIDTH, HEIGHT = 128, 256  # of a tile: twice the image
SIZE = (128, 64)


def save_generator(path: str, **changes: bool) -> None:
    generator = wake(pona.PoNAGenerator(width=8, blocks=2, **changes))
    pona.save_checkpoint(path, generator, generator.config, {})


@pytest.fixture
def source(own_folder: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> PosedImages:
    monkeypatch.setenv("REIDAUG_DATA", str(tiny_root))
    save_generator("pona.pt")
    return posed_images_of(tiny_root)


def tile(picture: np.ndarray, column: int, row: int, rows: int = 4) -> np.ndarray:
    """A tile at the size of the image; rows count from the end, as headings above may take several lines."""
    bottom = len(picture) - 2 * GAP - (rows - 1 - row) * (HEADING + HEIGHT + GAP)
    left = GAP + column * (WIDTH + GAP)
    return picture[bottom - HEIGHT : bottom : 2, left : left + WIDTH : 2]


def test_every_tile_is_what_it_says(source: PosedImages) -> None:
    report, picture = attention("--ckpt", "pona.pt", "--point", "10,20", "--point", "60, 127")
    condition, target = report["condition"], report["target"]
    assert condition[:4] == target[:4] in ("0101", "0102", "0103", "0104") and condition != target
    assert [tuple(point.values()) for point in report["points"]] == [(10, 20, None), (60, 127, None)]
    image = source.images([condition])
    view = look_inside(
        pona.load_checkpoint("pona.pt").generator,
        torch.from_numpy(image).permute(0, 3, 1, 2),
        torch.from_numpy(source.keypoints([condition])),
        torch.from_numpy(source.keypoints([target])),
        torch.tensor([[[10, 20], [60, 127]]]),
    )
    generated = view.generated_images[0].permute(1, 2, 0).numpy()
    pose = pose_image(source.keypoints([target])[0], SIZE)
    first = [pose, image[0], generated, mark(generated, (10, 20)), mark(generated, (60, 127))]
    rows = [first, [feature_image(code[0].numpy(), SIZE) for code in (view.pose, view.image)]]
    for block, values in zip(view.blocks, report["blocks"], strict=True):
        features = [feature_image(code[0].numpy(), SIZE) for code in (block.pose, block.image, block.moved_image)]
        rows.append([*features, *(overlay(image[0], share) for share in block.attention[0].numpy())])
        assert values["gamma"] == pytest.approx(block.gamma) and values["change"] == pytest.approx(float(block.change))
        assert values["peaks"] == pytest.approx(block.attention[0].amax(dim=(1, 2)).tolist())
        assert max(values["peaks"]) > 2 * report["even"] == 2 / (32 * 16)
    for row, images in enumerate(rows):
        for column, expected in enumerate(images):
            assert np.array_equal(tile(picture, column, row), expected), (row, column)
    assert (tile(picture, 2, 1) == 255).all()


def test_points_are_joints_that_are_seen(source: PosedImages) -> None:
    condition, target = [name for name in source.usable() if name.startswith("0102")][:2]
    named = ["--ckpt", "pona.pt", "--condition", condition, "--target", target]
    report, _ = attention(*named)
    assert (report["condition"], report["target"]) == (condition, target)
    joints = {point["joint"]: (point["x"], point["y"]) for point in report["points"]}
    kinds = [name.split()[-1] for name in joints]
    assert kinds == [kind for kind in ("nose", "wrist", "hip", "ankle") if kind in kinds] and "hip" in kinds
    keypoints = source.keypoints([target])[0]
    for name, point in joints.items():
        assert point == tuple(np.rint(keypoints[pona.keypoints.JOINTS.index(name)]))


def test_no_cross_attention_shows_features_and_refuses_points(source: PosedImages) -> None:
    save_generator("blind.pt", cross_attention=False)
    report, picture = attention("--ckpt", "blind.pt", "--seed", "3")
    assert report["points"] == [] and [block["gamma"] for block in report["blocks"]] == [None, None]
    assert np.array_equal(tile(picture, 1, 3), tile(picture, 2, 3)) and np.ptp(tile(picture, 0, 3)) > 100
    assert "no cross attention" in error_of("--ckpt", "blind.pt", "--point", "1,1")


def test_same_seed_same_bytes(source: PosedImages) -> None:
    for out, seed in zip("xyz", "112", strict=True):
        attention("--ckpt", "pona.pt", "--out", f"{out}.png", "--seed", seed)
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes() != Path("z.png").read_bytes()


def test_what_cannot_be_drawn_is_one_clear_line(source: PosedImages) -> None:
    hidden = next(name for name in source.by_name if name not in source.usable())
    assert "no image 'nobody.jpg' with keypoints" in error_of("--ckpt", "pona.pt", "--target", "nobody.jpg")
    assert f"{hidden} has no usable pose" in error_of("--ckpt", "pona.pt", "--condition", hidden)
    outside = error_of("--ckpt", "pona.pt", "--point=64,3")
    assert "point 64,3 is outside of the image; expected x from 0 to 63" in outside
    assert "point -1,3 is outside" in error_of("--ckpt", "pona.pt", "--point=-1,3")
    for text in ("here", "3", "1,2,3", "1.5,2", ""):
        assert f"--point {text!r}: expected whole pixels X,Y" in error_of("--ckpt", "pona.pt", f"--point={text}")
    assert "pona.pt is a file" in error_of("--ckpt", "pona.pt", "--out", "pona.pt/attention.png")
    Path("text.pt").write_text("no checkpoint")
    assert "text.pt is no file of plain tensors" in error_of("--ckpt", "text.pt")
    assert not Path("attention.png").exists()


def test_heat_rises_from_dark_to_bright() -> None:
    assert np.array_equal(heat_map(np.linspace(0, 1, 5)), HEAT)
    brightness = heat_map(np.linspace(0, 1, 256)) @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) >= 0).all() and brightness[0] < 2 and brightness[-1] > 240
    assert np.array_equal(heat_map(np.array([-1.0, 2.0])), HEAT[[0, -1]])


def test_a_position_of_a_code_lies_on_every_fourth_pixel() -> None:
    code = np.arange(12.0).reshape(3, 4) ** 2
    wide = enlarge(code, (12, 16))
    assert np.array_equal(wide[::4, ::4], code)
    assert wide[2, 0] == (code[0, 0] + code[1, 0]) / 2 and wide[11, 15] == code[-1, -1]


def test_a_position_of_a_code_depends_on_the_pixels_around_it() -> None:
    """Position i of the image encoder's code depends on pixels around 4 i, as `enlarge` and points assume."""
    torch.manual_seed(0)
    encoder = pona.PoNAGenerator(width=8, blocks=1).eval().image_encoder
    image = torch.zeros(1, 3, 64, 64, requires_grad=True)
    (strength,) = torch.autograd.grad(encoder(image + 0.1)[0, :, 7, 8].sum(), image)
    y, x = (np.average(np.arange(64), weights=strength.abs().sum(dim=(0, 1, axis)).numpy()) for axis in (3, 2))
    assert abs(y - 28) < 1 and abs(x - 32) < 1


def test_flat_features_are_dark_and_an_overlay_keeps_the_image_where_nothing_looks() -> None:
    assert (feature_image(np.full((2, 2), 3.0), (8, 8)) == HEAT[0]).all()
    image = np.full((8, 8, 3), 100, dtype=np.uint8)
    shown = overlay(image, np.array([[0.0, 0.0], [0.0, 0.5]]))
    assert (shown[0] == 60).all() and (shown[:, 0] == 60).all()
    assert np.array_equal(shown[4, 4], HEAT[-1])
