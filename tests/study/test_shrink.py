"""Shrink: the reduced set, and a portion folder that appears whole or not at all."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.core.locks import locked
from reidaug.datasets.keypoints import FILES, find_annotations, read_annotations, write_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.pairs import usable
from reidaug.study.folder import Study
from reidaug.study.plan import PlanRow, read_manifest, read_plan
from reidaug.study.request import ShrinkConfig
from reidaug.study.shrink import shrink, shrink_summary
from tests.cli.commands import runner
from tests.factories import SPOIL, STANDING, write_picture


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
    assert copied and not usable(poses.select([row.name for row in copied])).any()
    for row in copied:
        kept = [other.name for other in plan_of.values() if other.kept and other.pid == row.pid]
        if usable(poses.select(kept)).any():
            assert usable(poses.select([row.condition])).all()


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


def test_where_nothing_is_missing_of_those_who_are_kept_it_is_said(tmp_path: Path) -> None:
    """Two people with an image each: one is kept, the other one is gone."""
    data = tmp_path / "data"
    for folder, pids in (("bounding_box_train", (1, 2)), ("query", (3,)), ("bounding_box_test", (3,))):
        (data / folder).mkdir(parents=True)
        for pid in pids:
            write_picture(data / folder / f"{pid:04d}_c1s1_000001_00.jpg", np.random.RandomState(pid))
    write_annotations(
        data / FILES["train"], [f"000{pid}_c1s1_000001_00.jpg" for pid in (1, 2)], np.stack([STANDING] * 2)
    )
    report = shrink(open_dataset(data), Study(tmp_path / "study"), ShrinkConfig(0.5, keep="uniform"))
    assert (report.kept, report.drop, report.generate, report.copy) == (1, 1, 0, 0)
    said = shrink_summary(report)
    assert "nothing to generate: of the people who have an image left, none is missing" in said and "hips" not in said


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
    with pytest.raises(ReidAugError, match=r"was made with images of .*Market-1501"):
        shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))


def test_a_data_set_that_has_moved_is_known_by_its_images(study: Study, tiny_root: Path, tmp_path: Path) -> None:
    plan, none = study.plan_path(0.4).read_bytes(), study.set_root(0.4, "none")
    moved = tiny_root.rename(tmp_path / "moved")
    assert shrink(open_dataset(moved), study, ShrinkConfig(0.4)).existed
    assert study.plan_path(0.4).read_bytes() == plan and study.data_of(0.4).root == moved
    for split in ("query", "gallery"):
        assert split_folder(none, split).resolve() == split_folder(moved, split)
    shutil.move(study.path, tmp_path / "elsewhere")
    assert shrink(open_dataset(moved), Study(tmp_path / "elsewhere"), ShrinkConfig(0.4)).existed


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
    with pytest.raises(ReidAugError, match=r"give 0\.16 to 0\.98"):  # round(0.16 * 36) = 6 identities
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


@pytest.mark.parametrize("spoil", SPOIL)
def test_keypoints_of_other_images_are_refused(tiny_root: Path, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(find_annotations(tiny_root, "train"))
    with pytest.raises(ReidAugError, match=r"annotation-train.csv line \d+: .*is this the keypoint file of images of"):
        shrink(open_dataset(tiny_root), Study(tmp_path / "study"), ShrinkConfig(0.4))
    assert not (tmp_path / "study").exists()


def test_each_image_is_compared_with_its_own_size(tiny_root: Path, tmp_path: Path) -> None:
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    row = int(usable(annotations.keypoints).argmax())
    annotations.keypoints[row] *= 2
    write_annotations(path, annotations.names, annotations.keypoints)
    image = split_folder(tiny_root, "train") / annotations.names[row]
    with pytest.raises(ReidAugError, match=f"of {image.name} lies at"):
        shrink(open_dataset(tiny_root), Study(tmp_path / "study"), ShrinkConfig(0.4))
    write_picture(image, np.random.RandomState(0), (256, 128))
    assert shrink(open_dataset(tiny_root), Study(tmp_path / "study"), ShrinkConfig(0.4)).images == 36


def test_images_without_a_row_are_copied_and_counted(tiny_root: Path, tmp_path: Path) -> None:
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    missing = [row.name for row in plan_for(tiny_root, tmp_path / "a") if row.action == "generate"][:3]
    rows = [row for row, name in enumerate(annotations.names) if name not in missing]
    write_annotations(path, [annotations.names[row] for row in rows], annotations.keypoints[rows])
    report = shrink(open_dataset(tiny_root), Study(tmp_path / "b"), ShrinkConfig(0.4))
    assert report.unannotated == 3
    assert all(row.action == "copy" and row.condition for row in read_plan(report.plan) if row.name in missing)


@pytest.mark.parametrize("renamed_rows", [False, True], ids=["rows in .jpg", "rows as the files"])
def test_images_in_other_endings_make_the_same_plan_and_a_set_in_jpg(
    tiny_root: Path, tmp_path: Path, renamed_rows: bool
) -> None:
    """The bytes of a kept image stay as they are, under the name that other tools look for."""
    before = shrink(open_dataset(tiny_root), Study(tmp_path / "before"), ShrinkConfig(0.4))
    names = {split: names_in(tiny_root, split) for split in ("train", "query", "gallery")}
    for split in names:
        for image in open_dataset(tiny_root).images(split)[:5]:
            with Image.open(image.path) as picture:
                picture.load()
            image.path.unlink()
            picture.save(image.path.with_suffix(".PNG"))
    csv = find_annotations(tiny_root, "train")
    if renamed_rows:
        csv.write_text(csv.read_text().replace("0001_c2s1_000007_00.jpg", "0001_c2s1_000007_00.PNG"))
    after = shrink(open_dataset(tiny_root), Study(tmp_path / "after"), ShrinkConfig(0.4))
    plan = read_plan(after.plan)
    assert plan == read_plan(before.plan) and after.unannotated == 0
    folders = {split: split_folder(after.root, split) for split in names}
    assert sorted(os.listdir(folders["train"])) == [row.name for row in plan if row.kept]
    assert all(sorted(os.listdir(folders[split])) == names[split] for split in ("query", "gallery"))
    kept = [image for image in open_dataset(tiny_root).images("train") if (folders["train"] / image.name).exists()]
    assert {image.path.suffix for image in kept} == {".jpg", ".PNG"}
    assert all((folders["train"] / image.name).read_bytes() == image.path.read_bytes() for image in kept)


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


def test_cameras_that_other_tools_misread_are_said_where_they_are_written(tiny_root: Path, own_folder: Path) -> None:
    name = "0101_c12s1_000001_00.jpg"
    folder = split_folder(tiny_root, "query")
    result = runner.invoke(app, ["shrink", "--portion", "0.6", "--data", str(tiny_root)])
    assert result.exit_code == 0 and "first digit" not in result.stderr
    next(folder.iterdir()).rename(folder / name)
    for command in (
        ["shrink", "--portion", "0.4", "--data", str(tiny_root)],
        ["split", str(folder), "out", "--same-camera", "count"],
    ):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
        line = " ".join(result.stderr.split())
        assert line.count("camera 12 in a file name") == 1 and "as camera 1, without a word" in line
