"""The data of a training: images and pairs of Market-1501 and DeepFashion, what is left out, what is refused."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pona
from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import count_outside, find_annotations, read_annotations, write_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.demo.mannequins.dataset import write_mannequins
from reidaug.demo.request import MannequinConfig
from reidaug.study.folder import Study
from reidaug.study.plan import read_plan
from reidaug.synthesis.provenance import count_known, count_seen
from reidaug.synthesis.training_data import deepfashion_data, market_data, mix
from tests.cli.commands import runner
from tests.factories import (
    FASHION_KEYPOINTS,
    FASHION_NAMES,
    FASHION_PAIRS,
    FASHION_PEOPLE,
    FASHION_VIEWS,
    STANDING,
    all_pairs,
    write_picture,
)
from tests.synthesis.commands import train

pytestmark = pytest.mark.usefixtures("own_folder")


def lacks(pose: np.ndarray) -> bool:
    return any(np.isnan(pose[joint]).any() for joint in (2, 5, 8, 11))


def pairs_command(root: Path) -> list[str]:
    return ["pairs", str(root), "--split", "train", "--out", "pairs.csv"]


def move_joint(root: Path, point: tuple[float, float]) -> tuple[str, int]:
    """Moves a wrist of the first image in a pair; returns its name and its line in the keypoint file."""
    path = root / "market-annotation-train.csv"
    annotations = read_annotations(path)
    row = int(all_pairs(annotations).min())
    annotations.keypoints[row, 4] = point
    write_annotations(path, annotations.names, annotations.keypoints)
    return annotations.names[row], row + 2


def used_names(root: Path) -> list[str]:
    """The images that stand in pairs, in the order of the keypoint file."""
    annotations = read_annotations(root / "market-annotation-train.csv")
    return [annotations.names[row] for row in np.unique(all_pairs(annotations))]


def test_no_pairs_says_what_was_lost_to_what(tiny_root: Path) -> None:
    path = tiny_root / "market-annotation-train.csv"
    header, *rows = path.read_text().splitlines()
    gone = [f"{row.split(':')[0]}: {[-1] * 18}: {[-1] * 18}" for row in rows]
    path.write_text("\n".join([header, *gone[1:]]) + "\n")
    result = train("--data", str(tiny_root))
    assert result.exit_code == 1
    expected = f"of {len(rows)} images 1 have no keypoint row, {len(rows) - 1} lack a shoulder or a hip"
    assert expected in result.stderr


def test_images_alone_of_their_person_are_counted(tiny_root: Path) -> None:
    """One usable image each of 6 persons: there is no pair, and the message says why."""
    path = tiny_root / "market-annotation-train.csv"
    annotations = read_annotations(path)
    annotations.keypoints[:] = np.nan
    annotations.keypoints[::6] = STANDING
    write_annotations(path, annotations.names, annotations.keypoints)
    result = train("--data", str(tiny_root))
    assert result.exit_code == 1
    assert "of 36 images 0 have no keypoint row, 30 lack a shoulder or a hip, 6 are the only such" in result.stderr


def test_what_is_left_out_is_said(tiny_root: Path) -> None:
    result = train("--data", str(tiny_root))
    lacking = sum(1 for row in read_annotations(tiny_root / "market-annotation-train.csv").keypoints if lacks(row))
    assert lacking >= 6
    assert f"left out: of 36 images 0 have no keypoint row, {lacking} lack a shoulder or a hip" in result.stderr


def test_only_the_pairs_of_a_file_are_trained_on(tiny_root: Path) -> None:
    assert runner.invoke(app, pairs_command(tiny_root)).exit_code == 0
    few = Path("pairs.csv").read_text().splitlines()[:4]
    Path("few.csv").write_text("\n".join(few) + "\n")
    result = train("--data", str(tiny_root), "--pairs", "few.csv", "--json")
    assert result.exit_code == 0, result.output
    assert "3 pairs, protocol paper (pairs of few.csv)" in result.stderr
    record = pona.load_checkpoint("pona.pt").training["trained_on"]
    assert set(record["names"]) == {name for row in few[1:] for name in row.split(",")}
    Path("few.csv").write_text("\n".join([few[0], *reversed(few[1:])]) + "\n")
    result = train("--data", str(tiny_root), "--pairs", "few.csv")
    assert result.exit_code == 1 and "another run" in result.stderr


def test_images_without_a_joint_are_told(tiny_root: Path) -> None:
    """A file of pairs is taken as it is, so an image without a pose can stand in it."""
    path = tiny_root / "market-annotation-train.csv"
    annotations = read_annotations(path)
    first, second = used_names(tiny_root)[:2]
    annotations.keypoints[annotations.index[first]] = np.nan
    write_annotations(path, annotations.names, annotations.keypoints)
    Path("pairs.csv").write_text(f"from,to\n{first},{second}\n")
    result = train("--data", str(tiny_root), "--pairs", "pairs.csv")
    assert result.exit_code == 0 and "1 of 2 images show no joint" in result.stderr


def test_a_file_of_all_pairs_gives_the_same_data(tiny_root: Path) -> None:
    assert runner.invoke(app, pairs_command(tiny_root)).exit_code == 0
    data = open_dataset(tiny_root)
    all_pairs, from_file = (
        market_data(data, data.images("train"), portion=None, pairs_file=path, say=lambda line: None)
        for path in (None, Path("pairs.csv"))
    )
    assert all_pairs.images == from_file.images and all_pairs.named_pairs() == from_file.named_pairs()
    assert (all_pairs.pose_images.images == from_file.pose_images.images).all()


def test_pairs_of_missing_images_break_strict(tiny_root: Path) -> None:
    assert runner.invoke(app, ["shrink", "--portion", "0.5", "--data", str(tiny_root)]).exit_code == 0
    assert runner.invoke(app, pairs_command(tiny_root)).exit_code == 0
    kept = {row.name for row in read_plan(Study(Path("study")).plan_path(0.5)) if row.kept}
    rows = Path("pairs.csv").read_text().splitlines()[1:]
    good = [row for row in rows if set(row.split(",")) <= kept]
    result = train("--portion", "0.5", "--pairs", "pairs.csv")
    assert result.exit_code == 1 and not Path("pona.pt").exists()
    assert "is missing at p = 0.50, so it must not be trained on" in result.stderr
    assert f"({len(rows) - len(good)} of {len(rows)} pairs)" in result.stderr
    Path("good.csv").write_text("\n".join(["from,to", *good]) + "\n")
    result = train("--portion", "0.5", "--pairs", "good.csv", "--json")
    assert result.exit_code == 0, result.output
    assert "protocol strict (kept images of p = 0.50, pairs of good.csv)" in result.stderr


@pytest.mark.parametrize(
    ("condition", "target", "expected"),
    [
        ("0001_c2s1_000007_00.jpg", "0001_c9s1_000000_00.jpg", "line 3: 0001_c9s1_000000_00.jpg is not a training"),
        ("0001_c2s1_000007_00.jpg", "0002_c3s1_000007_00.jpg", "line 3: .* two images of one person"),
        ("front.jpg", "back.jpg", "line 3: front.jpg is not a training image"),
    ],
)
def test_bad_pair_is_named_with_its_line(tiny_root: Path, condition: str, target: str, expected: str) -> None:
    good = "0001_c3s1_001007_01.jpg,0001_c2s1_003007_03.jpg"
    Path("pairs.csv").write_text(f"from,to\n{good}\n{condition},{target}\n")
    result = train("--data", str(tiny_root), "--pairs", "pairs.csv")
    assert result.exit_code == 1 and re.search(f"error: pairs.csv {expected}", result.stderr)


def test_pair_without_keypoints_is_named_with_its_line(tiny_root: Path) -> None:
    assert runner.invoke(app, pairs_command(tiny_root)).exit_code == 0
    last = Path("pairs.csv").read_text().splitlines()[-1].split(",")[0]
    path = tiny_root / "market-annotation-train.csv"
    path.write_text("\n".join(row for row in path.read_text().splitlines() if not row.startswith(last)) + "\n")
    result = train("--data", str(tiny_root), "--pairs", "pairs.csv")
    assert result.exit_code == 1 and f"{last} has no row in {path}" in result.stderr


@pytest.mark.parametrize("point", [(69, 30), (30, 133), (-6, 30), (112, 58)])
def test_a_joint_far_outside_its_image_is_named_with_its_line(tiny_root: Path, point: tuple[int, int]) -> None:
    name, line = move_joint(tiny_root, point)
    result = train("--data", str(tiny_root))
    assert result.exit_code == 1
    where = f"line {line}: the right wrist of {name} lies at x = {point[0]}, y = {point[1]}"
    assert f"{where}, expected x 0 to 63 and y 0 to 127 (1 such joints)" in result.stderr


def test_a_joint_just_outside_is_counted(tiny_root: Path) -> None:
    move_joint(tiny_root, (68, 30))
    result = train("--data", str(tiny_root))
    assert result.exit_code == 0, result.output
    assert "1 joints in market-annotation-train.csv lie up to 5 pixels outside their image" in result.stderr


def test_published_keypoints_lie_inside_of_their_images(published: Path) -> None:
    for split in ("train", "test"):
        path = find_annotations(published, split)
        assert count_outside(read_annotations(path), path, (128, 64)) == 0


def test_images_of_two_sizes_are_named(tiny_root: Path) -> None:
    name, other = used_names(tiny_root)[:2]
    folder = split_folder(tiny_root, "train")
    write_picture(folder / other, np.random.RandomState(0), (256, 128))
    result = train("--data", str(tiny_root))
    assert result.exit_code == 1
    assert f"{folder / other} is 256 x 128 pixels (height x width) but {folder / name} is 128 x 64" in result.stderr


def test_validation_images_of_another_size_are_named(tiny_root: Path) -> None:
    folder = split_folder(tiny_root, "gallery")
    for path in folder.glob("*.jpg"):
        write_picture(path, np.random.RandomState(0), (256, 128))
    result = train("--data", str(tiny_root))
    assert result.exit_code == 1 and "is 256 x 128 pixels (height x width), expected 128 x 64" in result.stderr


def test_truncated_image_is_named(tiny_root: Path) -> None:
    path = split_folder(tiny_root, "train") / used_names(tiny_root)[3]
    path.write_bytes(path.read_bytes()[:600])
    result = train("--data", str(tiny_root))
    assert result.exit_code == 1 and f"cannot read the image {path}" in result.stderr


def test_without_test_keypoints_there_is_no_validation(tiny_root: Path) -> None:
    (tiny_root / "market-annotation-test.csv").unlink()
    result = train("--data", str(tiny_root))
    assert result.exit_code == 0 and "no validation: no market-annotation-test.csv in" in result.stderr
    assert pona.load_checkpoint("pona.pt").training["validation"] is None


def read_fashion(fashion_root: Path, pairs_file: Path | None = None) -> tuple[pona.PoseImages, list[str], list[str]]:
    said: list[str] = []
    data = deepfashion_data(fashion_root, pairs_file=pairs_file, say=said.append)
    return data.pose_images, [image.name for image in data.images], said


def test_fashion_images_and_pairs_are_those_of_the_files(fashion_root: Path) -> None:
    images, names, _ = read_fashion(fashion_root)
    assert images.images.shape == (6, 3, 256, 176)
    assert names == FASHION_NAMES
    pairs = [f"{names[a]},{names[b]}" for a, b in images.pairs.tolist()]
    assert pairs == (fashion_root / FASHION_PAIRS).read_text().splitlines()[1:]
    np.testing.assert_array_equal(
        images.keypoints.numpy(), read_annotations(fashion_root / FASHION_KEYPOINTS).keypoints
    )


def test_fashion_keypoints_of_the_whole_images_give_the_same(fashion_root: Path) -> None:
    """The public tool subtracts the crop of 40 pixels from x and leaves -1."""
    expected = read_fashion(fashion_root)[0].keypoints.numpy()
    annotations = read_annotations(fashion_root / FASHION_KEYPOINTS)
    whole = annotations.keypoints + np.array([40, 0], dtype=np.float32)
    whole[0, 4] = np.nan
    whole[1, 4], whole[1, 7] = (39, 60), (216, 60)  # one column outside of the crop on either side
    whole[2, 4], whole[2, 7] = (40, 60), (215, 60)
    full = "fasion-annotation-train.csv"
    write_annotations(fashion_root / full, annotations.names, whole)
    (fashion_root / FASHION_KEYPOINTS).unlink()
    images, _, said = read_fashion(fashion_root)
    keypoints = images.keypoints.numpy()
    assert np.isnan(keypoints[0, 4]).all() and np.isnan(keypoints[1, [4, 7]]).all()
    assert keypoints[2, [4, 7]].tolist() == [[0, 60], [175, 60]]
    untouched = [joint for joint in range(18) if joint not in (4, 7)]
    np.testing.assert_array_equal(keypoints[:, untouched], expected[:, untouched])
    assert f"2 joints in {full} lie outside the crop and count as missing" in said


@pytest.mark.parametrize("part", ["test", "fasion-resize-annotation-test.csv", "fasion-resize-pairs-test.csv"])
def test_without_a_part_of_the_fashion_test_files_there_is_no_validation(fashion_root: Path, part: str) -> None:
    (fashion_root / part).rename(fashion_root / "away")
    said: list[str] = []
    assert deepfashion_data(fashion_root, pairs_file=None, say=said.append).validation is None
    assert any(line.startswith("no validation: no ") and part in line for line in said)


def test_a_broken_fashion_test_file_is_not_passed_over(fashion_root: Path) -> None:
    (fashion_root / "fasion-resize-annotation-test.csv").write_text("nonsense\n")
    with pytest.raises(ReidAugError, match=r"annotation-test\.csv line 1"):
        read_fashion(fashion_root)


def test_fashion_pair_without_an_image_or_keypoints_is_named_with_its_line(fashion_root: Path) -> None:
    gone = FASHION_PEOPLE[0] + FASHION_VIEWS[2]  # in the pairs of lines 3, 5, 6 and 7
    (fashion_root / "train" / gone).rename(fashion_root / "away.jpg")
    with pytest.raises(ReidAugError, match=rf"pairs-train\.csv line 3: {gone} is not in .* \(4 of 12 pairs\)"):
        read_fashion(fashion_root)
    (fashion_root / "away.jpg").rename(fashion_root / "train" / gone)
    annotations = read_annotations(fashion_root / FASHION_KEYPOINTS)
    write_annotations(fashion_root / FASHION_KEYPOINTS, annotations.names[:-1], annotations.keypoints[:-1])
    with pytest.raises(ReidAugError, match=r"pairs-train\.csv line 9: .* has no row in .*\(4 of 12 pairs\)"):
        read_fashion(fashion_root)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [("", "no pairs"), ("../a.jpg,b.jpg\n", "line 2: ../a.jpg is not in"), ("a.jpg\n", "line 2: 1 fields")],
)
def test_broken_fashion_pairs_are_refused(fashion_root: Path, rows: str, expected: str) -> None:
    (fashion_root / FASHION_PAIRS).write_text("from,to\n" + rows)
    with pytest.raises(ReidAugError, match=expected):
        read_fashion(fashion_root)


@pytest.mark.parametrize("point", [(222, 60), (-46, 60), (60, 261), (60, -7)])
def test_a_joint_outside_the_whole_fashion_image_is_named_with_its_line(
    fashion_root: Path, point: tuple[int, int]
) -> None:
    annotations = read_annotations(fashion_root / FASHION_KEYPOINTS)
    annotations.keypoints[3, 4] = point
    write_annotations(fashion_root / FASHION_KEYPOINTS, annotations.names, annotations.keypoints)
    where = f"line 5: the right wrist of {annotations.names[3]} lies at x = {point[0]}, y = {point[1]}"
    with pytest.raises(ReidAugError, match=rf"{where}, expected x -40 to 215 and y 0 to 255 \(1 such joints\)"):
        read_fashion(fashion_root)


def test_half_of_the_pairs_are_of_the_people_that_are_mixed_in(tiny_root: Path, rendered: Path) -> None:
    data, people = open_dataset(tiny_root), open_dataset(rendered)
    alone, more = (
        market_data(data, data.images("train"), portion=None, pairs_file=None, say=lambda line: None)
        for data in (data, people)
    )
    mixed = mix(alone, people, lambda line: None)
    count = len(alone.images)
    sides = mixed.pose_images.pairs >= count
    assert (sides[:, 0] == sides[:, 1]).all()  # no pair of two data sets
    assert 0.3 < sides[:, 0].double().mean() < 0.6
    pairs, theirs = mixed.pose_images.pairs, sides[:, 0]
    for part, own in ((pairs[~theirs], alone), (pairs[theirs] - count, more)):
        assert {tuple(pair) for pair in part.tolist()} == {tuple(pair) for pair in own.pose_images.pairs.tolist()}
        counts = Counter(tuple(pair) for pair in part.tolist())
        assert len(set(counts.values())) == 1  # repeated alike
    assert (mixed.pose_images.images[count:] == more.pose_images.images).all()
    assert [image.path for image in mixed.images] == [image.path for image in (*alone.images, *more.images)]
    assert len({image.name for image in mixed.images}) == len(mixed.images)
    assert mixed.validation is alone.validation


def test_a_generator_that_people_are_mixed_into_stays_strict(tiny_root: Path, rendered: Path) -> None:
    assert runner.invoke(app, ["shrink", "--data", str(tiny_root), "--portion", "0.5"]).exit_code == 0
    result = train("--portion", "0.5", "--mix", str(rendered))
    assert result.exit_code == 0, result.output
    assert "protocol strict (kept images of p = 0.50, half of the pairs from" in result.stderr
    training = pona.load_checkpoint("pona.pt").training
    assert count_known(open_dataset(tiny_root).digests("train"), [], training)[1] == len(used_names(rendered))
    assert count_seen(open_dataset(rendered).images("train"), training) == len(used_names(rendered))
    assert any(name.startswith(f"{rendered.name}/") for name in training["trained_on"]["names"])
    result = train("--portion", "0.5", "--mix", str(tiny_root))
    assert result.exit_code == 1 and "another run" in result.stderr
    result = train("--portion", "0.5", "--mix", str(tiny_root), "--out", "leaky.pt")
    assert result.exit_code == 0 and "protocol paper" in result.stderr  # the missing images were mixed in


def test_images_of_another_size_are_not_mixed_in(tiny_root: Path, rendered: Path) -> None:
    for path in split_folder(rendered, "train").iterdir():
        Image.open(path).resize((32, 64)).save(path)
    halve(rendered / "market-annotation-train.csv")
    result = train("--data", str(tiny_root), "--mix", str(rendered))
    assert result.exit_code == 1 and "(64, 32) pixels" in result.stderr and "(128, 64)" in result.stderr


def halve(path: Path) -> None:
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, (annotations.keypoints / 2).round())


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    config = MannequinConfig(train_ids=2, test_ids=2, images=4, distractors=0, junk=0, cameras=2, varied=True)
    return write_mannequins(tmp_path / "rendered", config)
