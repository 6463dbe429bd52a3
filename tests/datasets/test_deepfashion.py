"""DeepFashion: crop and keypoints as the public code makes them, a training that runs, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import pona
from pona.train import PRESETS
from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.datasets.deepfashion import crop_keypoints, read_fashion_images
from reidaug.datasets.keypoints import Annotations, read_annotations, write_annotations
from reidaug.synthesis.training_data import deepfashion_data
from tests.factories import STANDING, write_picture

runner = CliRunner()
PEOPLE = ("fashionWOMENBlouses_Shirtsid0000311501_", "fashionMENPantsid0000161101_")
VIEWS = ("1front.jpg", "2side.jpg", "7additional.jpg")
KEYPOINTS, FULL_KEYPOINTS, PAIRS = (
    f"fasion-{kind}-train.csv" for kind in ("resize-annotation", "annotation", "resize-pairs")
)


@pytest.fixture(autouse=True)
def small_preset(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The preset's own discriminators of width 64 take half a minute for these two iterations.
    monkeypatch.setitem(PRESETS, "deepfashion", replace(PRESETS["deepfashion"], discriminator_width=8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two people in three views, for training and (in other pictures) for the test; some images are not yet cropped."""
    root, random = tmp_path / "fashion_data", np.random.RandomState(0)
    names = [person + view for person in PEOPLE for view in VIEWS]
    pairs = [(person + a, person + b) for person in PEOPLE for a in VIEWS for b in VIEWS if a != b]
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        for row, name in enumerate(names):
            write_picture(root / split / name, random, (256, 256 if row % 2 else 176))
        keypoints = (2 * STANDING + (24, 0) + random.randint(-6, 7, (len(names), 18, 2))).astype(np.float32)
        write_annotations(root / f"fasion-resize-annotation-{split}.csv", names, keypoints)
        rows = "".join(f"{a},{b}\n" for a, b in pairs)
        (root / f"fasion-resize-pairs-{split}.csv").write_text("from,to\n" + rows)
    return root


def train(*arguments: str) -> Result:
    small = ["--width", "8", "--iterations", "2", "--batch-size", "2", "--perceptual", "none", "--device", "cpu"]
    return runner.invoke(app, ["train", "--preset", "deepfashion", "--out", "pona.pt", *small, *arguments])


def read(root: Path, pairs_file: Path | None = None) -> tuple[pona.PoseImages, list[str], list[str]]:
    said: list[str] = []
    data = deepfashion_data(root, pairs_file=pairs_file, say=said.append)
    return data.pose_images, [image.name for image in data.images], said


def test_training_runs_and_the_checkpoint_loads(root: Path) -> None:
    result = train("--data", str(root), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["preset"] == "deepfashion"
    assert "6 images, 12 pairs, protocol paper (pairs of" in result.stderr
    checkpoint = pona.load_checkpoint("pona.pt")
    config = checkpoint.generator.config
    assert (config.norm, config.sigma, config.width) == ("instance", None, 8)
    record = checkpoint.training["trained_on"]
    assert record["names"] == [person + view for person in PEOPLE for view in VIEWS]
    assert len(record["fingerprint"]) == len(record["pairs"]) == 16
    assert checkpoint.training["validation"]["l1_copy"] > 0
    keypoints = read_annotations(root / KEYPOINTS).keypoints
    image = pona.generate_images(
        checkpoint.generator,
        read(root)[0].images[:1],
        torch.from_numpy(keypoints[:1]),
        torch.from_numpy(keypoints[1:2]),
    )
    assert image.shape == (1, 3, 256, 176)


def test_images_and_pairs_are_those_of_the_files(root: Path) -> None:
    images, names, _ = read(root)
    assert images.images.shape == (6, 3, 256, 176)
    assert names == [person + view for person in PEOPLE for view in VIEWS]
    pairs = [f"{names[a]},{names[b]}" for a, b in images.pairs.tolist()]
    assert pairs == (root / PAIRS).read_text().splitlines()[1:]
    np.testing.assert_array_equal(images.keypoints.numpy(), read_annotations(root / KEYPOINTS).keypoints)


def test_a_whole_image_loses_forty_columns_on_both_sides(root: Path) -> None:
    paths = [root / "train" / (PEOPLE[0] + view) for view in VIEWS[:2]]
    cropped, whole = (np.asarray(Image.open(path)) for path in paths)
    assert (cropped.shape, whole.shape) == ((256, 176, 3), (256, 256, 3))
    pixels = read_fashion_images(paths)
    np.testing.assert_array_equal(pixels[0], cropped)
    np.testing.assert_array_equal(pixels[1], whole[:, 40:216])


def test_keypoints_of_the_whole_images_give_the_same(root: Path) -> None:
    """The public tool subtracts the crop of 40 pixels from x and leaves -1."""
    expected = read(root)[0].keypoints.numpy()
    annotations = read_annotations(root / KEYPOINTS)
    whole = annotations.keypoints + np.array([40, 0], dtype=np.float32)
    whole[0, 4] = np.nan
    whole[1, 4], whole[1, 7] = (39, 60), (216, 60)  # one column outside of the crop on either side
    whole[2, 4], whole[2, 7] = (40, 60), (215, 60)
    write_annotations(root / FULL_KEYPOINTS, annotations.names, whole)
    (root / KEYPOINTS).unlink()
    images, _, said = read(root)
    keypoints = images.keypoints.numpy()
    assert np.isnan(keypoints[0, 4]).all() and np.isnan(keypoints[1, [4, 7]]).all()
    assert keypoints[2, [4, 7]].tolist() == [[0, 60], [175, 60]]
    untouched = [joint for joint in range(18) if joint not in (4, 7)]
    np.testing.assert_array_equal(keypoints[:, untouched], expected[:, untouched])
    assert f"2 joints in {FULL_KEYPOINTS} lie outside the crop and count as missing" in said


def test_joints_that_the_crop_cuts_off_leave_no_heat_as_in_the_public_files() -> None:
    """The published keypoints are not clipped: x runs from -40 to 215."""
    keypoints = np.full((1, 18, 2), 50, dtype=np.float32)
    keypoints[0, :4] = [(-40, 9), (215, 9), (175, 255), (0, 0)]
    cropped, outside = crop_keypoints(Annotations(("a.jpg",), keypoints), Path("k.csv"), 0)
    assert outside == 2
    before, after = (
        pona.render_heatmaps(torch.from_numpy(points), size=(256, 176), sigma=None)
        for points in (keypoints, cropped.keypoints)
    )
    assert (before == after).all() and after.sum() == 16


def test_other_pairs_are_another_training(root: Path, tmp_path: Path) -> None:
    pairs = (root / PAIRS).read_text().splitlines()
    (tmp_path / "few.csv").write_text("\n".join([*pairs[:5], ""]))
    images, names, _ = read(root, tmp_path / "few.csv")
    assert (len(images.pairs), len(names)) == (4, 3)
    assert train("--data", str(root)).exit_code == 0
    result = train("--data", str(root), "--pairs", "few.csv")
    assert result.exit_code == 1 and "another run" in result.stderr


@pytest.mark.parametrize("part", ["test", "fasion-resize-annotation-test.csv", "fasion-resize-pairs-test.csv"])
def test_without_a_part_of_the_test_files_there_is_no_validation(root: Path, part: str) -> None:
    (root / part).rename(root / "away")
    said: list[str] = []
    assert deepfashion_data(root, pairs_file=None, say=said.append).validation is None
    assert any(line.startswith("no validation: no ") and part in line for line in said)


def test_a_broken_test_file_is_not_passed_over(root: Path) -> None:
    (root / "fasion-resize-annotation-test.csv").write_text("nonsense\n")
    with pytest.raises(ReidAugError, match=r"annotation-test\.csv line 1"):
        read(root)


@pytest.mark.parametrize("part", ["train", KEYPOINTS, PAIRS])
def test_missing_part_of_the_training_files_is_named(root: Path, part: str) -> None:
    (root / part).rename(root / "away")
    result = train("--data", str(root))
    assert result.exit_code == 1 and f"error: no {part}" in result.stderr and result.stderr.count("\n") == 1


def test_a_market_folder_is_refused(tiny_root: Path) -> None:
    result = train("--data", str(tiny_root))
    assert result.exit_code == 1 and "expected the public DeepFashion layout" in result.stderr
    assert "needs --data FOLDER" in train().stderr


@pytest.mark.parametrize("arguments", [["--portion", "0.4"], ["--study", "other"]])
def test_a_study_is_refused(root: Path, arguments: list[str]) -> None:
    result = train("--data", str(root), *arguments)
    assert result.exit_code == 1 and "a study is of Market-1501" in result.stderr


@pytest.mark.parametrize("size", [(256, 192), (128, 64), (1101, 750)])
def test_another_size_is_named_with_the_file(root: Path, size: tuple[int, int]) -> None:
    write_picture(root / "train" / (PEOPLE[1] + VIEWS[1]), np.random.RandomState(1), size)
    expected = rf"{VIEWS[1]} is {size[0]} x {size[1]} pixels .* expected 256 x 176, or 256 x 256"
    with pytest.raises(ReidAugError, match=expected):
        read(root)


def test_truncated_image_is_named(root: Path) -> None:
    path = root / "train" / (PEOPLE[1] + VIEWS[1])
    path.write_bytes(path.read_bytes()[:700])
    result = train("--data", str(root))
    assert result.exit_code == 1 and f"cannot read the image {path}" in result.stderr


def test_pair_without_an_image_or_keypoints_is_named_with_its_line(root: Path) -> None:
    gone = PEOPLE[0] + VIEWS[2]  # in the pairs of lines 3, 5, 6 and 7
    (root / "train" / gone).rename(root / "away.jpg")
    with pytest.raises(ReidAugError, match=rf"pairs-train\.csv line 3: {gone} is not in .* \(4 of 12 pairs\)"):
        read(root)
    (root / "away.jpg").rename(root / "train" / gone)
    annotations = read_annotations(root / KEYPOINTS)
    write_annotations(root / KEYPOINTS, annotations.names[:-1], annotations.keypoints[:-1])
    with pytest.raises(ReidAugError, match=r"pairs-train\.csv line 9: .* has no row in .*\(4 of 12 pairs\)"):
        read(root)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [("", "no pairs"), ("../a.jpg,b.jpg\n", "line 2: ../a.jpg is not in"), ("a.jpg\n", "line 2: 1 fields")],
)
def test_broken_pairs_are_refused(root: Path, rows: str, expected: str) -> None:
    (root / PAIRS).write_text("from,to\n" + rows)
    with pytest.raises(ReidAugError, match=expected):
        read(root)


@pytest.mark.parametrize("point", [(222, 60), (-46, 60), (60, 261), (60, -7)])
def test_a_joint_outside_the_whole_image_is_named_with_its_line(root: Path, point: tuple[int, int]) -> None:
    annotations = read_annotations(root / KEYPOINTS)
    annotations.keypoints[3, 4] = point
    write_annotations(root / KEYPOINTS, annotations.names, annotations.keypoints)
    where = f"line 5: the right wrist of {annotations.names[3]} lies at x = {point[0]}, y = {point[1]}"
    with pytest.raises(ReidAugError, match=rf"{where}, expected x -40 to 215 and y 0 to 255 \(1 such joints\)"):
        read(root)


def test_a_grid_of_pairs(root: Path) -> None:
    generator = pona.PoNAGenerator(width=8, blocks=1)
    pona.save_checkpoint("pona.pt", generator, generator.config, {})
    result = runner.invoke(
        app, ["grid", "--ckpt", "pona.pt", "--data", str(root), "--layout", "pairs", "--json", "--device", "cpu"]
    )
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    pairs = list(zip(values["persons"], values["poses"], strict=True))
    assert sorted(person.rpartition("_")[0] + "_" for person, _ in pairs) == sorted(PEOPLE)
    assert all(a != b and a.rpartition("_")[0] == b.rpartition("_")[0] for a, b in pairs)
    with Image.open("grid.png") as picture:
        assert picture.width > 4 * 176 and picture.height > 2 * 256
