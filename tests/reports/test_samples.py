"""reidaug grid: each tile is what its generator generates for its pair; which images are drawn; error messages."""

from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

import pona
from reidaug.cli.app import app
from reidaug.datasets.posed_images import PosedImages
from reidaug.reports.tiles import GAP, HEADING, pose_image
from reidaug.synthesis.painter import shipped_checkpoint
from tests.cli import commands
from tests.cli.commands import picture_of, runner
from tests.factories import posed_images_of, wake

error_of = partial(commands.error_of, "grid")
WIDTH, HEIGHT = 128, 256  # of a tile: twice the image


def save_generator(path: Path, norm: str) -> None:
    generator = wake(pona.PoNAGenerator(width=8, blocks=1, norm=norm))
    pona.save_checkpoint(path, generator, generator.config, {})


@pytest.fixture
def source(own_folder: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> PosedImages:
    monkeypatch.setenv("REIDAUG_DATA", str(tiny_root))
    save_generator(Path("a.pt"), "batch")
    save_generator(Path("b.pt"), "instance")
    return posed_images_of(tiny_root)


def grid(*arguments: str, ckpt: tuple[str, ...] = ("a.pt",)) -> tuple[dict, np.ndarray]:
    return picture_of("grid", *(part for name in ckpt for part in ("--ckpt", name)), *arguments)


def tile(picture: np.ndarray, column: int, bottom: int, group: int = 0, columns: int = 0) -> np.ndarray:
    """The tile whose lower edge is at row `bottom` of the picture; at the size of the image."""
    block = GAP + columns * (WIDTH + GAP) + 2 * GAP
    left = group * block + GAP + column * (WIDTH + GAP) + (2 * GAP if column else 0)
    doubled = picture[bottom - HEIGHT : bottom, left : left + WIDTH]
    small = doubled[::2, ::2]
    assert np.array_equal(np.repeat(np.repeat(small, 2, axis=0), 2, axis=1), doubled)
    return small


def bottoms(picture: np.ndarray, count: int, heading: int = HEADING) -> list[int]:
    """The lower edges of the last rows."""
    step = heading + HEIGHT + GAP
    last = len(picture) - 2 * GAP
    return [last - step * (count - 1 - row) for row in range(count)]


def generated(source: PosedImages, ckpt: str, person: str, pose: str) -> np.ndarray:
    images = pona.generate_images(
        pona.load_checkpoint(ckpt).generator,
        torch.from_numpy(source.images([person])).permute(0, 3, 1, 2),
        torch.from_numpy(source.keypoints([person])),
        torch.from_numpy(source.keypoints([pose])),
        precision="fp32",
    )
    return images[0].permute(1, 2, 0).numpy()


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    """Up to rounding: another batch size takes another kernel."""
    assert np.abs(actual.astype(int) - expected).max() <= 1


def pid(name: str) -> str:
    return name.split("_")[0]


def test_one_person_in_many_poses_for_two_generators(source: PosedImages) -> None:
    chosen, picture = grid("--count", "3", ckpt=("a.pt", "b.pt"))
    (person,), poses = chosen["persons"], chosen["poses"]
    assert len(set(poses)) == 3 and person not in poses
    for row, (ckpt, bottom) in enumerate(zip(("a.pt", "b.pt"), bottoms(picture, 2), strict=True)):
        assert np.array_equal(tile(picture, 0, bottom), source.images([person])[0]), row
        for column, pose in enumerate(poses, start=1):
            assert_same(tile(picture, column, bottom), generated(source, ckpt, person, pose))
            drawn = tile(picture, column, bottoms(picture, 2)[0] - HEIGHT - GAP - HEADING)
            assert np.array_equal(drawn, pose_image(source.keypoints([pose])[0], (128, 64)))
    shown = [tile(picture, column, bottom).astype(int) for column in (1, 2) for bottom in bottoms(picture, 2)]
    assert min(np.abs(one - other).max() for one, other in combinations(shown, 2)) > 10  # or the above says nothing


def test_many_persons_in_one_pose(source: PosedImages) -> None:
    chosen, picture = grid("--layout", "persons", ckpt=("a.pt", "b.pt"))
    (pose,) = chosen["poses"]
    assert sorted(map(pid, chosen["persons"])) == ["0101", "0102", "0103", "0104"]  # the test people, each once
    assert pose not in chosen["persons"] and pose in source.usable()
    for person, bottom in zip(chosen["persons"], bottoms(picture, 4), strict=True):
        assert np.array_equal(tile(picture, 0, bottom), source.images([person])[0])
        for column, ckpt in enumerate(("a.pt", "b.pt"), start=1):
            assert_same(tile(picture, column, bottom), generated(source, ckpt, person, pose))


def test_pairs_show_the_real_image(source: PosedImages) -> None:
    chosen, picture = grid("--layout", "pairs")
    pairs = list(zip(chosen["persons"], chosen["poses"], strict=True))
    assert len({pid(person) for person, _ in pairs}) == len(pairs) == 4
    for (person, pose), bottom in zip(pairs, bottoms(picture, 4), strict=True):
        assert pid(person) == pid(pose) and person != pose
        assert_same(tile(picture, 2, bottom), generated(source, "a.pt", person, pose))
        assert np.array_equal(tile(picture, 3, bottom), source.images([pose])[0])


def test_pairs_of_two_people_have_no_real_image_and_form_two_groups(source: PosedImages) -> None:
    names = [name for name in source.usable() if pid(name) in ("0101", "0102")]
    first, second = ([name for name in names if pid(name) == who] for who in ("0101", "0102"))
    asked = [part for a, b in zip(first[:5], second[:5], strict=True) for part in ("--condition", a, "--target", b)]
    chosen, picture = grid("--layout", "pairs", *asked)
    assert chosen["persons"] == first[:5] and chosen["poses"] == second[:5]
    rows = bottoms(picture, 3)
    for index in range(5):
        group, row = divmod(index, 3)
        shown = tile(picture, 2, rows[row], group, columns=4)
        assert_same(shown, generated(source, "a.pt", first[index], second[index]))
        assert (tile(picture, 3, rows[row], group, columns=4) == 255).all()


def test_same_seed_same_bytes(source: PosedImages) -> None:
    drawn = (("x.png", "1"), ("y.png", "1"), ("z.png", "2"))
    poses = [grid("--out", out, "--count", "2", "--seed", seed)[0]["poses"] for out, seed in drawn]
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes() != Path("z.png").read_bytes()
    assert poses[0] == poses[1] != poses[2]


def test_the_data_set_that_a_study_remembers(source: PosedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runner.invoke(app, ["shrink", "--portion", "0.4"]).exit_code == 0
    monkeypatch.delenv("REIDAUG_DATA")
    assert len(grid("--count", "2")[0]["poses"]) == 2


def test_two_files_of_one_name_are_told_apart(source: PosedImages) -> None:
    Path("other").mkdir()
    save_generator(Path("other/a.pt"), "instance")
    _, picture = grid("--count", "1", ckpt=("a.pt", "other/a.pt", "./a.pt"))  # the first and the last are one
    assert len(picture) < 4 * HEIGHT
    first, second = (picture[y - HEIGHT - HEADING : y - HEIGHT, : 40 * GAP] for y in bottoms(picture, 2))
    assert not np.array_equal(first, second)


def test_shipped_is_the_generator_of_the_package(source: PosedImages) -> None:
    chosen, picture = grid("--count", "1", ckpt=("shipped",))
    shown = tile(picture, 1, *bottoms(picture, 1))
    assert_same(shown, generated(source, str(shipped_checkpoint()), chosen["persons"][0], chosen["poses"][0]))
    assert runner.invoke(app, ["shrink", "--portion", "0.9"]).exit_code == 0
    assert runner.invoke(app, ["synthesize", "--ckpt", "shipped"]).exit_code == 0


def test_what_cannot_be_drawn_is_one_clear_line(source: PosedImages) -> None:
    assert "no image 'nobody.jpg' with keypoints" in error_of("--ckpt", "a.pt", "--condition", "nobody.jpg")
    assert "a.pt is a file, expected a folder" in error_of("--ckpt", "a.pt", "--out", "a.pt/grid.png")
    assert "none.pt does not exist" in error_of("--ckpt", "none.pt")
    Path("text.pt").write_text("no checkpoint")
    assert "text.pt is no file of plain tensors" in error_of("--ckpt", "a.pt", "--ckpt", "text.pt")
    assert "device 'abc' cannot be used" in error_of("--ckpt", "a.pt", "--device", "abc")
    assert not Path("grid.png").exists()
    assert runner.invoke(app, ["grid", "--ckpt", "a.pt", "--count", "0"]).exit_code == 2
    assert runner.invoke(app, ["grid"]).exit_code == 2
