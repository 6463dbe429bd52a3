"""Augmenting: every image stays, new ones are added that other tools read; runs resume, share work and do not mix."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from reidaug.core.locks import locked
from reidaug.datasets.keypoints import find_annotations, read_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import market_set, split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import read_manifest, read_plan
from tests.cli.commands import error_of, values_of
from tests.factories import write_checkpoint

pytestmark = pytest.mark.usefixtures("own_folder")


def augment(root: Path, checkpoint: Path, *arguments: str, out: str = "augmented") -> dict[str, Any]:
    """Augments a whole data set; returns its report."""
    values = values_of("augment", *typed(root, checkpoint, *arguments, out=out))["sets"]
    assert len(values) == 1
    report: dict[str, Any] = values[0]
    return report


def typed(root: Path, checkpoint: Path, *arguments: str, out: str = "augmented") -> list[str]:
    amount = [] if {"--factor", "--per-person"} & set(arguments) else ["--per-person", "9"]
    return ["--data", str(root), "--ckpt", str(checkpoint), "--out", out, "--device", "cpu", *amount, *arguments]


def bytes_of(root: Path) -> dict[str, bytes]:
    """The training images, manifest and keypoints of a set."""
    files = [*split_folder(root, "train").glob("[!.]*"), root / "manifest.csv", root / "market-annotation-train.csv"]
    return {path.name: path.read_bytes() for path in files}


def test_every_image_stays_and_each_person_has_as_many_as_asked_for(tiny_root: Path, checkpoint: Path) -> None:
    report = augment(tiny_root, checkpoint)
    root = Path("augmented")
    original = {image.name: image for image in open_dataset(tiny_root).images("train")}
    images = {image.name: image for image in market_set(root).images("train")}
    for name, image in original.items():
        assert images[name].path.read_bytes() == image.path.read_bytes()
    assert set(Counter(image.pid for image in images.values()).values()) == {9}
    manifest = read_manifest(root / "manifest.csv")
    assert [row.name for row in manifest if not row.synthetic] == list(original)
    new = [row for row in manifest if row.synthetic]
    assert {row.name for row in new} == images.keys() - original.keys() and len(new) == 18
    keypoints = read_annotations(root / "market-annotation-train.csv")
    for row in new:
        assert row.action == "generate" and original[row.condition].camid == row.camid
        assert original[row.condition].pid == row.pid != original[row.pose].pid
        np.testing.assert_array_equal(keypoints.select([row.name]), keypoints.select([row.pose]))
        with PIL.Image.open(images[row.name].path) as written:
            assert (written.format, written.size) == ("JPEG", (64, 128))
    assert set(keypoints.names) >= images.keys() - {row.name for row in manifest if not row.synthetic}
    for split in ("query", "gallery"):
        assert market_set(root).split_fingerprint(split) == open_dataset(tiny_root).split_fingerprint(split)
    expected = {"people": 6, "real": 36, "generated": 18, "painted_now": 18, "fewer": 0, "complete": True}
    assert report == report | expected and report["portion"] is report["name"] is None


def test_torchreid_and_fast_reid_read_person_and_camera_of_new_images(tiny_root: Path, checkpoint: Path) -> None:
    augment(tiny_root, checkpoint, "--factor", "2")
    pattern = re.compile(r"([-\d]+)_c(\d)")
    for row in read_manifest(Path("augmented/manifest.csv")):
        path = Path("augmented/bounding_box_train").absolute() / row.name
        match = pattern.search(str(path))
        assert path.suffix == ".jpg" and match
        assert tuple(map(int, match.groups())) == (row.pid, row.camid)


def test_the_second_run_does_nothing_and_other_settings_are_refused_until_forced(
    tiny_root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    augment(tiny_root, checkpoint)
    before = bytes_of(Path("augmented"))
    times = {path: path.stat().st_mtime_ns for path in Path("augmented/bounding_box_train").iterdir()}
    assert augment(tiny_root, checkpoint)["painted_now"] == 0
    assert times == {path: path.stat().st_mtime_ns for path in Path("augmented/bounding_box_train").iterdir()}
    other = write_checkpoint(tmp_path / "other.pt", seed=1)
    for arguments, words in (
        (typed(tiny_root, checkpoint, "--per-person", "8"), "made with per person 9, not with per person 8"),
        (typed(tiny_root, checkpoint, "--factor", "2"), "made with per person 9, not with factor 2"),
        (typed(tiny_root, checkpoint, "--seed", "3"), "made with seed 0, not with seed 3"),
        (typed(tiny_root, other), "made with tiny.pt"),
    ):
        error = error_of("augment", *arguments)
        assert words in error and "give another --out, or --force" in error
    assert bytes_of(Path("augmented")) == before
    assert augment(tiny_root, checkpoint, "--seed", "3", "--force")["painted_now"] == 18
    assert bytes_of(Path("augmented")).keys() == before.keys() and bytes_of(Path("augmented")) != before
    first = next(split_folder(tiny_root, "train").iterdir())
    first.write_bytes(first.read_bytes() + b" ")
    assert "made with images" in error_of("augment", *typed(tiny_root, checkpoint, "--seed", "3"))


def test_the_same_seed_gives_the_same_bytes_in_one_process_or_two(
    tiny_root: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    augment(tiny_root, checkpoint, "--batch-size", "1", out="alone")
    arguments = typed(tiny_root, checkpoint, "--batch-size", "1", "--json", out="together")
    together = [
        subprocess.Popen(
            [sys.executable, "-m", "reidaug", "augment", *arguments],
            env={**os.environ, "WORLD_SIZE": "2", "RANK": rank},
            stdout=subprocess.PIPE,
        )
        for rank in "01"
    ]
    reports = [json.loads(process.communicate()[0])["sets"][0] for process in together]
    assert sum(report["painted_now"] for report in reports) == 18 and any(report["complete"] for report in reports)
    assert bytes_of(Path("together")) == bytes_of(Path("alone"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    first = augment(tiny_root, checkpoint, "--batch-size", "1", out="shared")
    assert not first["complete"] and not Path("shared/manifest.csv").exists() and 0 < first["painted_now"] < 18
    monkeypatch.setenv("RANK", "0")
    second = augment(tiny_root, checkpoint, "--batch-size", "1", out="shared")
    assert second["complete"] and first["painted_now"] + second["painted_now"] == 18
    assert bytes_of(Path("shared")) == bytes_of(Path("alone"))


def test_the_batch_size_changes_rounding_alone(tiny_root: Path, checkpoint: Path) -> None:
    for size in ("1", "7"):
        augment(tiny_root, checkpoint, "--batch-size", size, "--precision", "fp32", out=size)
    one, seven = (market_set(Path(size)).images("train") for size in ("1", "7"))
    assert [image.name for image in one] == [image.name for image in seven]
    for a, b in zip(one, seven, strict=True):
        pixels = [np.asarray(PIL.Image.open(image.path)).astype(int) for image in (a, b)]
        assert np.abs(pixels[0] - pixels[1]).mean() < 0.1  # another kernel, seen through JPEG


def test_a_run_that_was_killed_goes_on_to_the_same_set(tiny_root: Path, checkpoint: Path) -> None:
    augment(tiny_root, checkpoint, "--batch-size", "1", out="whole")
    arguments = typed(tiny_root, checkpoint, "--batch-size", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "reidaug", "augment", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    folder, deadline = Path("augmented/bounding_box_train"), time.monotonic() + 60
    while (
        time.monotonic() < deadline
        and process.poll() is None
        and not (folder.is_dir() and len(os.listdir(folder)) > 37)
    ):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Path("augmented/manifest.csv").exists()
    there = len(list(folder.glob("*.jpg"))) - 36
    assert augment(tiny_root, checkpoint, "--batch-size", "1")["painted_now"] == 18 - there < 18
    assert bytes_of(Path("augmented")) == bytes_of(Path("whole"))


def test_the_same_share_twice_is_refused_naming_the_holder(tiny_root: Path, checkpoint: Path) -> None:
    with locked(Path("augmented/.lock-0-of-1"), "the other run"):
        assert f"process {os.getpid()}" in error_of("augment", *typed(tiny_root, checkpoint))


def test_generated_images_are_no_real_ones(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    augment(tiny_root, checkpoint, "--copy")
    assert not Path("augmented/query").is_symlink()
    Path("augmented").rename("moved")
    error = error_of("augment", *typed(Path("moved"), checkpoint, "--per-person", "10", out="more"))
    assert "18 of 54 training images of" in error and "give the data set that they were made from" in error
    reduced = augment(study.set_root(0.4, "none"), checkpoint, out="from-reduced")  # its manifest names none
    assert reduced["real"] == 14
    Path(tiny_root / "manifest.csv").write_text("file,of,another,program\n")
    assert augment(tiny_root, checkpoint, out="others")["real"] == 36


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--factor", "2", "--per-person", "9"], "both of --per-person and --factor"),
        (["--factor", "inf"], "--factor inf: expected a number from 1"),
        (["--factor", "1"], "each of the 6 people has enough images"),
        (["--per-person", "6"], "each of the 6 people has enough images"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(
    tiny_root: Path, checkpoint: Path, arguments: list[str], words: str
) -> None:
    assert words in error_of("augment", *typed(tiny_root, checkpoint, *arguments))
    assert not Path("augmented").exists()


def test_outputs_that_cannot_be_are_refused(tiny_root: Path, checkpoint: Path) -> None:
    before = sorted(path.name for path in tiny_root.iterdir())
    for out in (tiny_root, tiny_root / "new"):
        assert "is the data set itself, or lies in it" in error_of(
            "augment", *typed(tiny_root, checkpoint, out=str(out))
        )
    assert sorted(path.name for path in tiny_root.iterdir()) == before
    assert "05_c3" in error_of("augment", *typed(tiny_root, checkpoint, out="run_05_c3"))
    Path("full").mkdir()
    Path("full/letter.txt").write_text("mine")
    assert "is not empty" in error_of("augment", *typed(tiny_root, checkpoint, out="full"))
    assert "--portion 0.4 is of a study" in error_of("augment", *typed(tiny_root, checkpoint, "--portion", "0.4"))
    arguments = ["--ckpt", str(checkpoint), "--per-person", "9", "--data", str(tiny_root)]
    assert "give --out FOLDER" in error_of("augment", *arguments)
    assert "neither of --per-person and --factor" in error_of("augment", "--ckpt", str(checkpoint), "--out", "x")


def test_images_that_cannot_be_read_are_named_and_nothing_is_written(tiny_root: Path, checkpoint: Path) -> None:
    for split in ("train", "gallery"):
        sorted(split_folder(tiny_root, split).glob("*.jpg"))[2].write_bytes(b"\xff\xd8")
    assert "2 images of " in error_of("augment", *typed(tiny_root, checkpoint))
    assert not Path("augmented").exists()


def test_images_of_two_sizes_are_named(tiny_root: Path, checkpoint: Path) -> None:
    path = sorted(split_folder(tiny_root, "train").iterdir())[3]
    PIL.Image.open(path).resize((80, 160)).save(path)
    error = error_of("augment", *typed(tiny_root, checkpoint))
    assert path.name in error and "35 of 36 images are 128 x 64" in error and "one size" in error


def test_a_person_without_a_usable_pose_is_counted(tiny_root: Path, checkpoint: Path) -> None:
    path = find_annotations(tiny_root, "train")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("0003_")]
    path.write_text("\n".join(lines) + "\n")
    report = augment(tiny_root, checkpoint)
    assert (report["fewer"], report["generated"]) == (1, 15)
    assert sum(row.pid == 3 for row in read_manifest(Path("augmented/manifest.csv"))) == 6


def test_training_images_are_enough(tiny_root: Path, checkpoint: Path) -> None:
    whole = augment(tiny_root, checkpoint, out="whole")
    for split in ("query", "gallery"):
        shutil.rmtree(split_folder(tiny_root, split))
    (tiny_root / "market-annotation-test.csv").unlink()
    report = augment(tiny_root, checkpoint)
    assert report["complete"] and report["generated"] == whole["generated"]
    assert [path.name for path in Path("augmented").iterdir() if path.is_dir()] == ["bounding_box_train"]


def test_a_reduced_set_is_augmented_from_its_own_images_alone(study: Study, checkpoint: Path) -> None:
    arguments = ["augment", "--ckpt", str(checkpoint), "--per-person", "5", "--device", "cpu"]
    (report,) = values_of(*arguments)["sets"]
    kept = {row.name: row for row in read_plan(study.plan_path(0.4)) if row.kept}
    manifest = read_manifest(study.set_root(0.4, "augmented") / "manifest.csv")
    assert {row.name for row in manifest if not row.synthetic} == kept.keys()
    assert all(kept[row.condition].pid == row.pid != kept[row.pose].pid for row in manifest if row.synthetic)
    assert study.sets(0.4) == ["none", "augmented"]
    everything = {image.name for image in study.data_of(0.4).images("train")}
    assert not everything & {row.name for row in manifest if row.synthetic}
    assert (report["portion"], report["name"], report["real"]) == (0.4, "augmented", 14)
    assert report["missing"] == 22 and report["seen_missing"] is None and report["complete"]
    (other,) = values_of(*arguments, "--portion", "0.4", "--name", "twice", "--seed", "4")["sets"]
    assert other["name"] == "twice" and study.sets(0.4) == ["none", "augmented", "twice"]
    error = error_of("synthesize", "--ckpt", str(checkpoint), "--name", "augmented", "--device", "cpu")
    assert "per person 5" in error and "not with the plan of the portion" in error
    assert "no portion 0.30" in error_of(*arguments, "--portion", "0.3")
    assert json.loads((study.portion_dir(0.4) / "twice" / "synthesis.json").read_text())["augmentation"]["seed"] == 4
