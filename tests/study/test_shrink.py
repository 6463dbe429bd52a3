"""Shrink: what is kept, from what the missing is made, and a portion folder that appears whole or not at all."""

import json
import math
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reidaug.core.errors import ReidAugError
from reidaug.core.files import locked
from reidaug.datasets.dataset import Image
from reidaug.datasets.keypoints import Annotations, find_annotations, read_annotations, write_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import PlanRow, read_manifest, read_plan
from reidaug.study.request import ShrinkConfig
from reidaug.study.selection import make_plan, pose_distances
from reidaug.study.shrink import shrink
from tests.factories import image_named

TORSO = (2, 5, 8, 11)


@st.composite
def people(draw: st.DrawFn) -> tuple[list[Image], Annotations]:
    """A few persons with a few images; coarse poses, so that ties are common, and many unseen joints."""
    counts = draw(st.lists(st.integers(1, 7), min_size=1, max_size=8))
    random = np.random.RandomState(draw(st.integers(0, 2**31)))
    images = []
    for pid, count in enumerate(counts, start=1):
        for i in range(count):
            camid = random.randint(1, 4)
            images.append(image_named(f"{pid:04d}_c{camid}s1_{i:06d}_00.jpg"))
    keypoints = random.randint(0, 3, (len(images), 18, 2)).astype(np.float32) * 8
    keypoints[random.random_sample((len(images), 18)) < draw(st.sampled_from([0.0, 0.1, 0.9]))] = np.nan
    keypoints[random.random_sample(len(images)) < 0.2] = np.nan
    names = tuple(image.name for image in images)
    absent = random.random_sample(len(names)) < 0.1
    return images, Annotations(tuple(np.array(names)[~absent].tolist()), keypoints[~absent])


portions = st.integers(1, 99).map(lambda hundredths: hundredths / 100)
seeds = st.integers(0, 2**32 - 1)


def possible(images: list[Image], portion: float, keep: str) -> bool:
    least = len({image.pid for image in images}) if keep == "per-identity" else 1
    return round(portion * len(images)) >= least


@settings(max_examples=80, deadline=None)
@given(people(), portions, seeds, st.sampled_from(["per-identity", "uniform"]), st.sampled_from(["nearest", "random"]))
def test_plan_keeps_its_promises(
    data: tuple[list[Image], Annotations], portion: float, seed: int, keep: str, source: str
) -> None:
    images, annotations = data
    assume(possible(images, portion, keep))
    config = ShrinkConfig(portion, keep, source, seed)
    plan = make_plan(images, annotations, config)
    assert plan == make_plan(images, annotations, config)
    assert [(row.name, row.pid, row.camid) for row in plan] == [(r.name, r.pid, r.camid) for r in images]
    kept = {row.name: row for row in plan if row.kept}
    assert len(kept) == round(portion * len(images))
    present = {row.pid for row in kept.values()}
    if keep == "per-identity":
        assert present == {image.pid for image in images}
    poses = dict(zip((row.name for row in plan), annotations.select([row.name for row in plan]), strict=True))
    for row in plan:
        if row.kept:
            assert (row.action, row.condition) == ("keep", "")
        elif row.pid not in present:
            assert (row.action, row.condition) == ("drop", "")
        else:
            assert row.action == ("generate" if has_torso(poses[row.name]) else "copy")
            candidates = [other for other in kept.values() if other.pid == row.pid]
            assert kept[row.condition] in allowed(row, candidates, poses, source)


def has_torso(pose: np.ndarray) -> bool:
    return all(not np.isnan(pose[joint]).any() for joint in TORSO)


def allowed(row: PlanRow, kept: list[PlanRow], poses: dict[str, np.ndarray], source: str) -> list[PlanRow]:
    """The condition images that the rule allows, written down plainly and in loops."""
    usable = [other for other in kept if has_torso(poses[other.name])]
    if not usable:
        return [other for other in kept if other.camid == row.camid] or kept
    if source == "random":
        return usable
    distance = {other.name: plain_distance(poses[row.name], poses[other.name]) for other in usable}
    nearest = [other for other in usable if distance[other.name] <= min(distance.values()) + 1e-6]
    return [other for other in nearest if other.camid == row.camid] or nearest


def plain_distance(first: np.ndarray, second: np.ndarray) -> float:
    both = [(a, b) for a, b in zip(first, second, strict=True) if not np.isnan(a).any() and not np.isnan(b).any()]
    return sum(math.dist(a, b) for a, b in both) / len(both) if both else math.inf


@settings(max_examples=60, deadline=None)
@given(people(), portions, portions, seeds, st.sampled_from(["per-identity", "uniform"]))
def test_kept_sets_are_nested(
    data: tuple[list[Image], Annotations], first: float, second: float, seed: int, keep: str
) -> None:
    images, annotations = data
    small, large = sorted((first, second))
    assume(possible(images, small, keep))
    kept = [
        {row.name for row in make_plan(images, annotations, ShrinkConfig(portion, keep, seed=seed)) if row.kept}
        for portion in (small, large)
    ]
    assert kept[0] <= kept[1]


@settings(max_examples=40, deadline=None)
@given(people(), portions)
def test_too_small_a_portion_names_the_smallest_possible_one(
    data: tuple[list[Image], Annotations], portion: float
) -> None:
    images, annotations = data
    assume(not possible(images, portion, "per-identity"))
    with pytest.raises(ReidAugError, match="too few") as caught:
        make_plan(images, annotations, ShrinkConfig(portion))
    named = re.search(r"smallest possible portion is (0\.\d\d)$", str(caught.value))
    enough = [p / 100 for p in range(1, 100) if possible(images, p / 100, "per-identity")]
    assert (float(named[1]) if named else None) == (enough[0] if enough else None)


@pytest.mark.parametrize("portion", [0.2, 0.4])
def test_seeds_differ_and_every_image_has_its_chance(portion: float) -> None:
    images = [image_named(f"{1 + i // 5:04d}_c1s1_{i:06d}_00.jpg") for i in range(20)]
    annotations = Annotations((), np.empty((0, 18, 2), dtype=np.float32))
    kept: Counter[str] = Counter()
    for seed in range(400):
        kept.update(row.name for row in make_plan(images, annotations, ShrinkConfig(portion, seed=seed)) if row.kept)
    # Binomial, 400 trials: mean 80 or 160, standard deviation at most 10; five of them either way.
    assert len(kept) == 20 and all(abs(count - 400 * portion) < 50 for count in kept.values())


def test_random_source_draws_evenly() -> None:
    images = [image_named(f"0001_c1s1_{i:06d}_00.jpg") for i in range(1000)]
    annotations = Annotations(tuple(r.name for r in images), np.ones((1000, 18, 2), dtype=np.float32))
    plan = make_plan(images, annotations, ShrinkConfig(0.01, source="random"))
    conditions = Counter(row.condition for row in plan if row.condition)
    # 990 draws among 10: mean 99, standard deviation 9.4; five of them either way.
    assert len(conditions) == 10 and all(52 < count < 146 for count in conditions.values())


def test_distance_in_numbers() -> None:
    poses = np.full((4, 18, 2), np.nan, dtype=np.float32)
    poses[0, :2] = [(0, 0), (10, 10)]
    poses[1, :3] = [(3, 4), (10, 10), (50, 50)]
    poses[2, 1] = (10, 22)
    expected = [[0, 2.5, 12, math.inf], [2.5, 0, 12, math.inf], [12, 12, 0, math.inf], [math.inf] * 4]
    assert pose_distances(poses, poses).tolist() == expected


@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        ({"portion": 0.0}, "out of range"),
        ({"portion": 0.125}, "two decimals"),
        ({"portion": 0.4, "keep": "all"}, "keep is 'all'"),
        ({"portion": 0.4, "source": "best"}, "source is 'best'"),
        ({"portion": 0.4, "seed": -1}, "seed is -1"),
    ],
)
def test_impossible_settings(settings_: dict[str, object], expected: str) -> None:
    with pytest.raises(ReidAugError, match=expected):
        ShrinkConfig(**settings_)  # type: ignore[arg-type]


@pytest.mark.parametrize("portion", [0.2, 0.4])
def test_published_names_keep_all_identities(published: Path, portion: float) -> None:
    """12,936 images of 751 persons; 11 pixels to the nearest kept image at 0.2, 17 to a random one (measured)."""
    annotations = read_annotations(find_annotations(published, "train"))
    images = list(map(image_named, sorted(annotations.names)))
    plan = make_plan(images, annotations, ShrinkConfig(portion))
    kept = [row for row in plan if row.kept]
    assert len(plan) == 12936 and len(kept) == {0.2: 2587, 0.4: 5174}[portion] and len({row.pid for row in kept}) == 751
    actions = Counter(row.action for row in plan)
    # 12,936 - 12,116 images have no usable pose; those of them that are missing are copied.
    assert actions["copy"] == 820 - sum(not has_torso(pose) for pose in annotations.select([row.name for row in kept]))
    poses = dict(zip(annotations.names, annotations.keypoints, strict=True))
    for source, least, most in (("nearest", 8, 12), ("random", 16, 18)):
        plan = make_plan(images, annotations, ShrinkConfig(portion, source=source))
        generated = [row for row in plan if row.action == "generate"][::50]
        assert least < np.mean([plain_distance(poses[row.name], poses[row.condition]) for row in generated]) < most


def test_plain_draw_loses_identities(published: Path) -> None:
    annotations = read_annotations(find_annotations(published, "train"))
    images = list(map(image_named, sorted(annotations.names)))
    plan = make_plan(images, annotations, ShrinkConfig(0.2, keep="uniform"))
    assert 55 < 751 - len({row.pid for row in plan if row.kept}) < 80  # 65-70 on average


def test_reduced_set_is_a_whole_root(tiny_root: Path, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    report = shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))
    assert (report.images, report.kept, report.missing, report.identities, report.vanished) == (36, 14, 22, 6, 0)
    assert report.generate + report.copy == 22 and report.copy > 0 and report.drop == 0 and not report.existed
    plan = read_plan(study.plan_path(0.4))
    assert [row.name for row in plan] == [image.name for image in open_dataset(tiny_root).images("train")]
    kept = [row.name for row in plan if row.kept]
    root = study.set_root(0.4, "none")
    assert report.root == root and sorted(os.listdir(split_folder(root, "train"))) == kept
    copied, source = split_folder(root, "train"), split_folder(tiny_root, "train")
    assert all((copied / name).read_bytes() == (source / name).read_bytes() for name in kept)
    for split in ("query", "gallery"):
        assert split_folder(root, split).is_symlink()
        assert names_in(root, split) == names_in(tiny_root, split)
    manifest = read_manifest(root / "manifest.csv")
    assert [(row.name, row.synthetic, row.action) for row in manifest] == [(name, False, "keep") for name in kept]
    original, reduced = (read_annotations(find_annotations(folder, "train")) for folder in (tiny_root, root))
    assert list(reduced.names) == [name for name in original.names if name in kept]
    np.testing.assert_array_equal(reduced.keypoints, original.select(reduced.names))
    assert find_annotations(root, "test").read_bytes() == find_annotations(tiny_root, "test").read_bytes()
    assert study.portions() == [0.4] and study.sets(0.4) == ["none"] and study.data_of(0.4).root == tiny_root
    assert not (study.path / "study.toml").exists()
    assert json.loads(json.dumps(report.values()))["root"] == str(root)


def test_copied_images_have_a_usable_condition_where_there_is_one(tiny_root: Path, tmp_path: Path) -> None:
    plan_of = {row.name: row for row in plan_for(tiny_root, tmp_path)}
    poses = read_annotations(find_annotations(tiny_root, "train"))
    copied = [row for row in plan_of.values() if row.action == "copy"]
    assert copied and not any(has_torso(pose) for pose in poses.select([row.name for row in copied]))
    for row in copied:
        kept = [other.name for other in plan_of.values() if other.kept and other.pid == row.pid]
        if any(has_torso(pose) for pose in poses.select(kept)):
            assert has_torso(poses.select([row.condition])[0])


def names_in(root: Path, split: str) -> list[str]:
    return [image.name for image in open_dataset(root).images(split)]


def plan_for(root: Path, folder: Path) -> list[PlanRow]:
    return read_plan(shrink(open_dataset(root), Study(folder), ShrinkConfig(0.4)).plan)


def test_copy_is_independent_of_the_data_set(tiny_root: Path, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    shrink(open_dataset(tiny_root), study, ShrinkConfig(0.5), copy=True)
    names = {split: sorted(os.listdir(split_folder(tiny_root, split))) for split in ("query", "gallery")}
    shutil.rmtree(tiny_root)
    for split, expected in names.items():
        assert sorted(os.listdir(split_folder(study.set_root(0.5, "none"), split))) == expected


def test_uniform_says_how_many_vanish(tiny_root: Path, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    report = shrink(open_dataset(tiny_root), study, ShrinkConfig(0.06, keep="uniform"))
    assert report.kept == 2 and report.vanished in (4, 5) and report.drop == 6 * report.vanished
    assert report.drop == sum(row.action == "drop" for row in read_plan(report.plan))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_again_does_nothing_and_reports_the_same(tiny_root: Path, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    first = shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))
    before = snapshot(study.path)
    again = shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))
    assert snapshot(study.path) == before
    assert again.existed and again.values() == first.values() | {"existed": True}
    other = Study(tmp_path / "other")
    shrink(open_dataset(tiny_root), other, ShrinkConfig(0.4))
    assert other.plan_path(0.4).read_bytes() == study.plan_path(0.4).read_bytes()


def test_other_settings_are_refused_unless_forced(study: Study, tiny_root: Path) -> None:
    stale = study.set_root(0.4, "pona")
    stale.mkdir(parents=True)
    before = snapshot(study.path)
    for config in (ShrinkConfig(0.4, seed=1), ShrinkConfig(0.4, "uniform"), ShrinkConfig(0.4, source="random")):
        with pytest.raises(ReidAugError, match="--force"):
            shrink(open_dataset(tiny_root), study, config)
    with pytest.raises(ReidAugError, match="copy False"):
        shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4), copy=True)
    assert snapshot(study.path) == before
    shrink(open_dataset(tiny_root), study, ShrinkConfig(0.2))  # another portion is another matter
    lock = stale.parent / ".lock-0-of-1"
    with locked(lock, "it"), pytest.raises(ReidAugError, match=r"the set pona of portion 0\.40"):
        shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4, seed=1), force=True)
    assert stale.exists()
    shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4, seed=1), force=True)
    assert not stale.parent.exists() and study.portions() == [0.2, 0.4]
    assert not shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4, seed=1), force=True).existed


def test_changed_data_are_noticed(study: Study, tiny_root: Path) -> None:
    first, second, *_ = sorted(split_folder(tiny_root, "train").iterdir())
    first.write_bytes(second.read_bytes())
    with pytest.raises(ReidAugError, match="was made with images"):
        shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))


def test_moved_keypoints_are_noticed(study: Study, tiny_root: Path) -> None:
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, annotations.keypoints * 0.5)  # all distances halve: the plan stays
    with pytest.raises(ReidAugError, match="was made with keypoints"):
        shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))


@pytest.mark.parametrize("damage", ["plan.csv", "shrink.json", "none/Market-1501-v15.09.15/manifest.csv"])
def test_damaged_portion_is_named(study: Study, tiny_root: Path, damage: str) -> None:
    (study.portion_dir(0.4) / damage).unlink()
    with pytest.raises(ReidAugError, match="incomplete or changed"):
        shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))
    assert not shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4), force=True).existed


def test_two_at_once_are_refused(tiny_root: Path, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    with locked(study.path / ".p0.40.lock", "it"), pytest.raises(ReidAugError, match=r"portion 0\.40 is being made by"):
        shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))
    shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))


def test_full_disk_leaves_nothing_half_written(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(tmp_path / "study")
    copyfile, calls = shutil.copyfile, []

    def full_after_ten(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) > 10:
            raise OSError(28, "No space left on device")
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", full_after_ten)
    with pytest.raises(OSError, match="No space"):
        shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))
    assert len(calls) > 10 and [path.name for path in study.path.iterdir()] == [".p0.40.lock"]
    monkeypatch.undo()
    shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))


def test_left_overs_of_a_killed_run_do_no_harm(tiny_root: Path, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    (study.path / ".p0.40.partial" / "none" / "x").mkdir(parents=True)
    assert study.portions() == []
    shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))
    assert not (study.path / ".p0.40.partial").exists() and study.sets(0.4) == ["none"]


def test_bad_input_writes_nothing(tiny_root: Path, tmp_path: Path) -> None:
    with pytest.raises(ReidAugError, match="05_c3"):
        shrink(open_dataset(tiny_root), Study(tmp_path / "run_05_c3_x"), ShrinkConfig(0.4))
    with pytest.raises(ReidAugError, match=r"smallest possible portion is 0\.16"):  # round(0.16 * 36) = 6 identities
        shrink(open_dataset(tiny_root), Study(tmp_path / "study"), ShrinkConfig(0.1))
    path = find_annotations(tiny_root, "train")
    rows = path.read_text()
    path.write_text(rows + "0001_c1s1_0_0.jpg: [1]: [1]\n")
    with pytest.raises(ReidAugError, match="line 38"):
        shrink(open_dataset(tiny_root), Study(tmp_path / "study"), ShrinkConfig(0.4))
    write_annotations(path, ["0009_c1s1_0_0.jpg"], np.ones((1, 18, 2)))
    with pytest.raises(ReidAugError, match="no row for any training image"):
        shrink(open_dataset(tiny_root), Study(tmp_path / "study"), ShrinkConfig(0.4))
    path.write_text(rows)
    (split_folder(tiny_root, "train") / "-1_c1s1_000000_00.jpg").touch()
    with pytest.raises(ReidAugError, match="junk"):
        shrink(open_dataset(tiny_root), Study(tmp_path / "study"), ShrinkConfig(0.4))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_images_without_a_row_are_copied_and_counted(tiny_root: Path, tmp_path: Path) -> None:
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    missing = [row.name for row in plan_for(tiny_root, tmp_path / "a") if row.action == "generate"][:3]
    rows = [row for row, name in enumerate(annotations.names) if name not in missing]
    write_annotations(path, [annotations.names[row] for row in rows], annotations.keypoints[rows])
    report = shrink(open_dataset(tiny_root), Study(tmp_path / "b"), ShrinkConfig(0.4))
    assert report.unannotated == 3
    assert all(row.action == "copy" and row.condition for row in read_plan(report.plan) if row.name in missing)


def test_other_tools_read_the_reduced_set(tiny_root: Path, tmp_path: Path) -> None:
    """torchreid and fast-reid glob `*.jpg` and search `([-\\d]+)_c(\\d)` in the whole path."""
    report = shrink(open_dataset(tiny_root), Study(tmp_path / "study"), ShrinkConfig(0.4))
    for split in ("train", "query", "gallery"):
        expected = {image.name: (image.pid, image.camid) for image in open_dataset(report.root).images(split)}
        read = {}
        for path in split_folder(report.root, split).glob("*.jpg"):
            pid, camid = map(int, re.search(r"([-\d]+)_c(\d)", str(path)).groups())  # type: ignore[union-attr]
            assert -1 <= pid <= 1501 and 1 <= camid <= 6
            read[path.name] = (pid, camid)
        assert read == expected
