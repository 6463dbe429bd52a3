"""Keypoint files of images: a run goes on after a kill, other estimators' poses become rows, broken input is named."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reidaug.cli.app import app
from reidaug.core.locks import locked
from reidaug.datasets import annotate
from reidaug.datasets.annotate import find_images
from reidaug.datasets.estimators.estimator import PoseEstimator
from reidaug.datasets.keypoints import count_outside, read_annotations, write_annotations
from reidaug.datasets.market1501 import split_folder
from tests.cli import commands
from tests.cli.commands import runner, values_of
from tests.datasets.makers import write_table
from tests.factories import STANDING, double_keypoints


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes how many images each call of an estimator is given."""
    counts: list[int] = []
    original = PoseEstimator.__call__

    def counted(self: PoseEstimator, images: Any, *settings: Any) -> np.ndarray:
        counts.append(len(images))
        return original(self, images, *settings)

    monkeypatch.setattr(PoseEstimator, "__call__", counted)
    return counts


def run(*arguments: object) -> dict[str, Any]:
    return values_of("pose", *map(str, arguments))


def error_of(*arguments: object) -> str:
    return commands.error_of("pose", *map(str, arguments))


def test_folder_becomes_a_csv_as_a_library_call_gives_it(
    tmp_path: Path, tiny_root: Path, pose_model: Path, estimator: PoseEstimator
) -> None:
    folder, out = split_folder(tiny_root, "train"), tmp_path / "new" / "a.csv"
    Image.new("RGB", (100, 40)).save(folder / "other.png")
    values = run(folder, "--out", out, "--model", pose_model, "--threshold", 0, "--device", "cpu")
    assert values["images"] == values["estimated"] == 37
    annotations = read_annotations(out)
    assert list(annotations.names) == sorted(path.name for path in folder.iterdir())
    images = [np.asarray(Image.open(folder / name)) for name in annotations.names]
    np.testing.assert_array_equal(annotations.keypoints, estimator(images, 0.0))
    assert sorted(path.name for path in out.parent.iterdir()) == [".a.csv.record", "a.csv"]


def test_splits_of_a_root(tiny_root: Path) -> None:
    train, test = (list(find_images(tiny_root.parent, split)) for split in (None, "test"))
    assert len(train) == 36 and train == sorted(train)
    assert len(test) == 31 and test == sorted(test) and test[0].startswith("-1_")


def test_files_in_another_ending_give_rows_of_their_images_names(tmp_path: Path, tiny_root: Path) -> None:
    names = list(find_images(tiny_root))
    folder = split_folder(tiny_root, "train")
    (folder / names[0]).rename(folder / names[0].replace(".jpg", ".JPG"))
    assert list(find_images(tiny_root)) == names and find_images(tiny_root)[names[0]].suffix == ".JPG"
    (tmp_path / "a.json").write_text(
        json.dumps([{"image_id": names[0].replace(".jpg", ".JPG"), "keypoints": [9, 9, 0.9] * 17}])
    )
    run(tiny_root, "--read", tmp_path / "a.json", "--out", tmp_path / "a.csv")
    annotations = read_annotations(tmp_path / "a.csv")
    assert list(annotations.names) == names and np.isfinite(annotations.keypoints[0]).all()
    (folder / "x.BMP").touch()
    (folder / "._x.jpg").touch()
    assert set(find_images(folder)) == {*(path.name for path in folder.iterdir())} - {"._x.jpg"}


def test_joints_outside_of_converted_poses_are_missing_and_other_sizes_refused(tmp_path: Path, tiny_root: Path) -> None:
    names = list(find_images(tiny_root))
    joints = [9, 9, 0.9] * 15 + [64, 9, 0.9] + [9, 128, 0.9]  # the ankles, of 64 x 128 pixels
    source, out = tmp_path / "a.json", tmp_path / "a.csv"
    source.write_text(json.dumps([{"image_id": name, "keypoints": joints} for name in names]))
    run(tiny_root, "--read", source, "--out", out)
    annotations = read_annotations(out)
    assert np.argwhere(np.isnan(annotations.keypoints[0, :, 0])).ravel().tolist() == [10, 13]
    assert count_outside(annotations, out, (128, 64)) == 0
    csv = tiny_root / "market-annotation-train.csv"
    double_keypoints(csv)
    assert "of images of another size" in error_of(tiny_root, "--read", csv, "--out", tmp_path / "b.csv")


def test_a_killed_process_goes_on_with_what_is_in_the_package_alone(tmp_path: Path, tiny_root: Path) -> None:
    (tmp_path / "transformers.py").write_text("raise ImportError('not installed')")
    out, part = tmp_path / "a.csv", tmp_path / ".a.csv.part"
    command = [sys.executable, "-m", "reidaug", "pose", tiny_root, "--out", out, "--batch-size", "1", "--json"]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and (not part.exists() or len(part.read_bytes().splitlines()) < 4):
            time.sleep(0.005)
        process.kill()
    assert not out.exists()
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    values = json.loads(result.stdout)
    assert values["images"] == 36 and 0 < values["estimated"] < 36 and "loading the pose model movenet" in result.stderr
    run(tiny_root, "--out", tmp_path / "whole.csv", "--batch-size", 16)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("damage", [b"", b"0002_c1s1_000451_03.jpg: [1, 2", b"rubbish\n\xff\n"])
def test_a_killed_run_goes_on(
    tmp_path: Path, tiny_root: Path, seen: list[int], monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    whole, out, part = tmp_path / "whole.csv", tmp_path / "a.csv", tmp_path / ".a.csv.part"
    arguments = ["--batch-size", 8, "--threshold", 0]
    run(tiny_root, "--out", whole, *arguments)
    counted = PoseEstimator.__call__

    def killed(self: PoseEstimator, images: Any, *settings: Any) -> np.ndarray:
        if len(part.read_bytes().splitlines()) > 16:
            raise KeyboardInterrupt
        return counted(self, images, *settings)

    with monkeypatch.context() as patch:
        patch.setattr(PoseEstimator, "__call__", killed)
        assert runner.invoke(app, ["pose", str(tiny_root), "--out", str(out), *map(str, arguments)]).exit_code == 130
    assert not out.exists()
    with open(part, "ab") as file:
        file.write(damage)
    seen.clear()
    assert run(tiny_root, "--out", out, *arguments)["estimated"] == 36 - 16 == sum(seen)
    assert out.read_bytes() == whole.read_bytes() and not part.exists()


def test_complete_file_is_left_alone_and_another_is_refused(tmp_path: Path, tiny_root: Path, seen: list[int]) -> None:
    out = tmp_path / "a.csv"
    run(tiny_root, "--out", out)
    seen.clear()
    result = runner.invoke(app, ["pose", str(tiny_root), "--out", str(out)])
    assert result.exit_code == 0 and "nothing was done" in result.stderr and not seen
    assert run(tiny_root, "--out", out, "--force")["estimated"] == 36
    changed = sorted(split_folder(tiny_root, "train").iterdir())[0]
    Image.new("RGB", (64, 128)).save(changed, "JPEG")  # as when another generator writes under the same names
    assert "was not made of these images as they are now" in error_of(tiny_root, "--out", out)
    out.write_text("mine")
    assert "--force" in error_of(tiny_root, "--out", out) and out.read_text() == "mine"
    assert "is a folder" in error_of(tiny_root, "--out", tmp_path, "--force")


def test_a_broken_image_is_named_and_the_rest_is_kept(tmp_path: Path, tiny_root: Path, seen: list[int]) -> None:
    victim = sorted(split_folder(tiny_root, "train").iterdir())[20]
    content, out = victim.read_bytes(), tmp_path / "a.csv"
    victim.write_bytes(content[:200])
    message = error_of(tiny_root, "--out", out, "--batch-size", 8)
    assert str(victim) in message and "replace or remove it" in message
    assert "threshold 0.3, now 0.5" in error_of(tiny_root, "--out", out, "--threshold", 0.5)
    first = sorted(split_folder(tiny_root, "train").iterdir())[0]
    first.write_bytes(content)
    victim.unlink()  # what is done is kept: 16 poses, less the image that has changed
    assert run(tiny_root, "--out", out, "--batch-size", 8)["estimated"] == 35 - 15
    whole = tmp_path / "whole.csv"
    run(tiny_root, "--out", whole, "--batch-size", 8)
    assert out.read_bytes() == whole.read_bytes()


def test_force_starts_again_with_other_settings(tmp_path: Path, tiny_root: Path, seen: list[int]) -> None:
    out = tmp_path / "a.csv"
    (tmp_path / ".a.csv.part").write_text('{"threshold": 0.7}\n')
    assert "threshold 0.7, now 0.3" in error_of(tiny_root, "--out", out)
    assert run(tiny_root, "--out", out, "--force")["estimated"] == 36 and not (tmp_path / ".a.csv.part").exists()


def test_two_runs_at_once(tmp_path: Path, tiny_root: Path) -> None:
    with locked(tmp_path / ".a.csv.lock", "a.csv"):
        assert f"process {os.getpid()}" in error_of(tiny_root, "--out", tmp_path / "a.csv")


def test_broken_data(tmp_path: Path, tiny_root: Path) -> None:
    empty, out = tmp_path / "empty", tmp_path / "a.csv"
    empty.mkdir()
    assert "nowhere" in error_of("nowhere", "--out", out)
    assert "no image in" in error_of(empty, "--out", out)
    assert "omit --split" in error_of(split_folder(tiny_root, "train"), "--out", out, "--split", "test")
    Image.new("RGB", (4, 4)).save(empty / "a:b.png")
    assert "rename it" in error_of(empty, "--out", out)


def test_conversion_gives_each_image_a_row(tmp_path: Path, tiny_root: Path) -> None:
    names = sorted(path.name for path in split_folder(tiny_root, "train").iterdir())
    entries = [{"image_id": name, "keypoints": [9, 9, 0.9] * 17} for name in [*names[:4], "other.jpg"]]
    source, out = tmp_path / "a.json", tmp_path / "new" / "a.csv"
    source.write_text(json.dumps(entries))
    command = [str(tiny_root), "--read", str(source), "--out", str(out)]
    result = runner.invoke(app, ["pose", *command, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"out": str(out), "images": 36, "without_joints": 32, "usable_poses": 4}
    assert "32 of 36 images are not in" in result.stderr and "1 images of" in result.stderr
    annotations = read_annotations(out)
    assert list(annotations.names) == names and np.isfinite(annotations.keypoints[:4]).all()
    run(*command)  # it is there already
    source.write_text(json.dumps(entries[1:]))
    assert "--force" in error_of(*command) and len(read_annotations(out)) == 36
    run(*command, "--force")
    source.write_text(json.dumps(entries[-1:]))
    assert "has no image of" in error_of(*command, "--force")


def test_poses_of_a_table_of_images_are_named_as_its_images(tmp_path: Path) -> None:
    rows = [{"path": f"{pid}/{file}.jpg", "pid": pid} for pid in (1, 2) for file in (f"own{pid}", "same")]
    table = write_table(tmp_path / "people.csv", rows)
    assert list(find_images(table)) == [f"000{pid}_c1s1_00000{n}_00.jpg" for pid in (1, 2) for n in (1, 2)]
    given = np.stack([STANDING + shift for shift in (0, 1, 2)]).astype(np.float32)
    write_annotations(tmp_path / "given.csv", ["own1.jpg", "own2.jpg", "same.jpg"], given)
    values = values_of("pose", str(table), "--read", str(tmp_path / "given.csv"), "--out", str(tmp_path / "out.csv"))
    assert values["images"] == 4
    poses = read_annotations(tmp_path / "out.csv")
    np.testing.assert_array_equal(poses.select(["0001_c1s1_000001_00.jpg", "0002_c1s1_000001_00.jpg"]), given[:2])
    both = poses.select(["0001_c1s1_000002_00.jpg", "0002_c1s1_000002_00.jpg"])
    assert np.isnan(both).all()  # two images have this file name: whose pose it is nobody knows
    assert "no people" in commands.error_of("pose", str(tmp_path / "no people"), "--out", str(tmp_path / "x.csv"))
    assert "not a data set" in commands.error_of("pose", str(tmp_path / "given.csv"), "--out", str(tmp_path / "x.csv"))


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_run_that_is_killed_at_its_very_end_goes_on(
    tmp_path: Path, tiny_root: Path, seen: list[int], monkeypatch: pytest.MonkeyPatch, force: list[str]
) -> None:
    folder, out = split_folder(tiny_root, "query"), tmp_path / "a.csv"
    if force:
        run(folder, "--out", out, "--threshold", 0.9)
    written = annotate.atomic_write
    for fatal in (".a.csv.record", "a.csv"):

        def killed(path: Path, content: str, after: str = fatal) -> None:
            written(path, content)
            if path.name == after:
                raise RuntimeError("killed")

        monkeypatch.setattr(annotate, "atomic_write", killed)
        assert "killed" in error_of(folder, "--out", out, *force)
        monkeypatch.undo()
        monkeypatch.setattr(annotate, "atomic_write", written)
    seen.clear()
    assert run(folder, "--out", out)["estimated"] == 0 and not seen
    assert sorted(path.name for path in tmp_path.glob("*a.csv*")) == [".a.csv.record", "a.csv"]


def test_a_record_that_is_no_text_is_another_one(tmp_path: Path, tiny_root: Path) -> None:
    run(split_folder(tiny_root, "query"), "--out", tmp_path / "a.csv")
    (tmp_path / ".a.csv.record").write_bytes(b"\xff\xfe")
    assert "was not made of these images" in error_of(split_folder(tiny_root, "query"), "--out", tmp_path / "a.csv")
