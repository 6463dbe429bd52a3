"""Synthesis: a drop-in set of the identical structure; runs resume, share work and refuse mixtures."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.core.files import locked
from reidaug.core.shares import shard_from_environment
from reidaug.datasets.keypoints import find_annotations, read_annotations, write_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import read_manifest, read_plan
from reidaug.study.request import ShrinkConfig
from reidaug.study.shrink import shrink
from reidaug.synthesis.provenance import count_seen, describe_training_images
from reidaug.synthesis.request import SynthesisOptions
from reidaug.synthesis.synthesize import SynthesisReport, synthesize
from tests.factories import images_in, write_checkpoint

PORTION = 0.4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained generator."""
    return write_checkpoint(tmp_path_factory.mktemp("ckpt") / "tiny.pt", seed=0)


def run(study: Study, checkpoint: Path, **options: Any) -> SynthesisReport:
    return synthesize(study, PORTION, checkpoint, SynthesisOptions(device="cpu", **options), lambda done, total: None)


def test_completed_set_has_the_identical_structure(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    report = run(study, checkpoint)
    root = study.set_root(PORTION, "pona")
    original = {path.name for path in split_folder(tiny_root, "train").glob("*.jpg")}
    assert {path.name for path in split_folder(root, "train").iterdir()} == original
    plan = {row.name: row for row in read_plan(study.plan_path(PORTION))}
    manifest = read_manifest(root / "manifest.csv")
    assert {row.name for row in manifest} == original
    for row in manifest:
        written = split_folder(root, "train") / row.name
        source = split_folder(tiny_root, "train") / (row.condition or row.name)
        assert row.synthetic == (row.action != "keep") == (not plan[row.name].kept)
        if row.action == "generate":
            assert Image.open(written).size == (64, 128)
            assert written.read_bytes() != (split_folder(tiny_root, "train") / row.name).read_bytes()
        else:
            assert written.read_bytes() == source.read_bytes()
    for split in ("query", "gallery"):
        assert sorted(os.listdir(split_folder(root, split))) == sorted(os.listdir(split_folder(tiny_root, split)))
    counts = [sum(row.action == action for row in manifest) for action in ("keep", "generate", "copy")]
    assert [report.kept, report.generated, report.copied] == counts
    assert counts[1] > 0


def test_keypoints_of_the_set_are_those_that_its_images_show(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    run(study, checkpoint)
    root = study.set_root(PORTION, "pona")
    original, written = (read_annotations(find_annotations(folder, "train")) for folder in (tiny_root, root))
    shown = [row.condition if row.action == "copy" else row.name for row in read_manifest(root / "manifest.csv")]
    names = [row.name for row in read_manifest(root / "manifest.csv")]
    np.testing.assert_array_equal(written.select(names), original.select(shown))


def test_images_follow_the_reading_rules_of_torchreid_and_fast_reid(study: Study, checkpoint: Path) -> None:
    run(study, checkpoint)
    pattern = re.compile(r"([-\d]+)_c(\d)")  # both search the whole path
    root = study.set_root(PORTION, "pona")
    for split in ("train", "query", "gallery"):
        paths = list(split_folder(root, split).glob("*.jpg"))
        assert paths
        for path in paths:
            pid, camid = map(int, pattern.search(str(path.absolute())).groups())  # type: ignore[union-attr]
            assert f"{pid:04d}_c{camid}" in path.name or path.name.startswith(f"-1_c{camid}")
            assert -1 <= pid <= 1501 and 1 <= camid <= 6


def test_second_run_generates_nothing_and_changes_no_byte(study: Study, checkpoint: Path) -> None:
    run(study, checkpoint)
    folder = split_folder(study.set_root(PORTION, "pona"), "train")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert run(study, checkpoint).painted_now == 0
    assert before == {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_generator_generates_the_size_that_it_was_trained_on(study: Study, tmp_path: Path) -> None:
    other = write_checkpoint(tmp_path / "large.pt", seed=0, training={"image_size": [256, 128]})
    with pytest.raises(ReidAugError, match=r"trained on images of \[256, 128\] pixels .* these have \[128, 64\]"):
        run(study, other)
    assert study.unfinished_sets(PORTION) == []
    assert run(study, write_checkpoint(other, seed=0, training={"image_size": [128, 64]})).complete


def test_images_of_another_size_are_refused_at_any_batch_size(
    study: Study, tiny_root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    folder = split_folder(tiny_root, "train")
    for path in sorted(folder.glob("*.jpg"))[-6:]:  # all of one person
        Image.open(path).resize((32, 64)).save(path)
    other = Study(tmp_path / "other")
    shrink(open_dataset(tiny_root), other, ShrinkConfig(PORTION))
    with pytest.raises(ReidAugError, match=r"is 64 x 32 pixels .* expected 128 x 64"):
        run(other, checkpoint, batch_size=1)
    assert other.unfinished_sets(PORTION) == ["pona"]


def test_a_finished_set_becomes_one_that_can_be_moved(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    run(study, checkpoint)
    query = split_folder(study.set_root(PORTION, "pona"), "query")
    assert query.is_symlink()
    run(study, checkpoint, copy=True)
    assert not query.is_symlink()
    assert sorted(path.name for path in query.iterdir()) == sorted(os.listdir(split_folder(tiny_root, "query")))
    run(study, checkpoint)
    assert not query.is_symlink()


def test_batch_size_changes_no_byte(study: Study, checkpoint: Path) -> None:
    run(study, checkpoint, name="one", batch_size=1, precision="fp32")
    run(study, checkpoint, name="many", batch_size=7, precision="fp32")
    one, many = (split_folder(study.set_root(PORTION, name), "train") for name in ("one", "many"))
    for path in one.iterdir():
        first, second = (np.asarray(Image.open(folder / path.name)).astype(int) for folder in (one, many))
        assert np.abs(first - second).max() <= 2  # rounding of another kernel, seen through JPEG


def test_shares_of_two_processes_make_the_same_set(
    study: Study, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(study, checkpoint, name="alone")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    first = run(study, checkpoint, name="shared")
    assert not first.complete and study.sets(PORTION) == ["none", "alone"]
    monkeypatch.setenv("RANK", "0")
    assert run(study, checkpoint, name="shared").complete
    alone, shared = (split_folder(study.set_root(PORTION, name), "train") for name in ("alone", "shared"))
    assert {p.name for p in alone.iterdir()} == {p.name for p in shared.iterdir()}
    assert study.sets(PORTION) == ["none", "alone", "shared"]


def array_task(**values: int) -> dict[str, str]:
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1)),
        ({"RANK": "2", "WORLD_SIZE": "4"}, (2, 4)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "3"}, (1, 3)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, (0, 1)),  # sbatch --ntasks=4, and no srun starts the others
        (array_task(ID=12, MIN=10, COUNT=4), (2, 4)),
        (array_task(ID=1, MIN=0, COUNT=2) | {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3"}, (5, 6)),
        (array_task(ID=4, MIN=0, COUNT=4, STEP=2, MAX=6), (2, 4)),
    ],
)
def test_shard_from_environment(environment: dict[str, str], expected: tuple[int, int]) -> None:
    assert shard_from_environment(environment) == expected


@pytest.mark.parametrize("environment", [{"RANK": "x", "WORLD_SIZE": "2"}, {"RANK": "2", "WORLD_SIZE": "2"}])
def test_impossible_shard_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ReidAugError):
        shard_from_environment(environment)


def test_an_array_with_gaps_is_to_be_sent_whole() -> None:
    for task in (2, 5):  # sbatch --array=2,5
        with pytest.raises(ReidAugError, match="send the whole array again"):
            shard_from_environment(array_task(ID=task, MIN=2, MAX=5, COUNT=2, STEP=1))


def test_two_generators_never_mix_under_one_name(study: Study, checkpoint: Path, tmp_path: Path) -> None:
    run(study, checkpoint)
    other = write_checkpoint(tmp_path / "other.pt", seed=1)
    with pytest.raises(ReidAugError, match="--name"):
        run(study, other)
    assert run(study, other, force=True).painted_now > 0


def test_another_precision_is_named_as_such(study: Study, checkpoint: Path) -> None:
    run(study, checkpoint, precision="fp32")
    with pytest.raises(ReidAugError, match=r"precision fp32.*not with precision bf16.*another --name"):
        run(study, checkpoint, precision="bf16")


def test_moved_keypoints_are_not_generated_by_an_old_plan(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    run(study, checkpoint)
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, annotations.keypoints * 0.5)
    for name in ("pona", "another"):
        with pytest.raises(ReidAugError, match=r"keypoints .* have changed since p = 0.40 .*shrink --force"):
            run(study, checkpoint, name=name)


def test_the_same_share_twice_is_refused_naming_the_holder(study: Study, checkpoint: Path) -> None:
    lock = study.set_root(PORTION, "pona").parent / ".lock-0-of-1"
    with locked(lock, "the other run"), pytest.raises(ReidAugError, match=f"process {os.getpid()}"):
        run(study, checkpoint)


def test_shares_that_are_cut_otherwise_hold_the_same_images_and_are_refused(
    study: Study, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study.set_root(PORTION, "pona").parent
    with locked(folder / ".lock-1-of-2", "a share"), pytest.raises(ReidAugError, match=f"process {os.getpid()}"):
        run(study, checkpoint)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with locked(folder / ".lock-1-of-2", "a share"), locked(folder / ".lock-0-of-1", "a look at it", shared=True):
        assert not run(study, checkpoint).complete


@pytest.mark.parametrize("name", ["none", "full", "", "a/b", "..", "a b", "gen5_c3"])
def test_names_that_would_do_harm_are_refused(study: Study, checkpoint: Path, name: str) -> None:
    with pytest.raises(ReidAugError, match=r"--name|torchreid"):
        run(study, checkpoint, name=name)


def test_truncated_condition_image_is_named_and_leaves_no_manifest(
    study: Study, tiny_root: Path, checkpoint: Path
) -> None:
    row = next(row for row in read_plan(study.plan_path(PORTION)) if row.action == "generate")
    broken = split_folder(tiny_root, "train") / row.condition
    broken.write_bytes(broken.read_bytes()[:500])
    shrink(open_dataset(tiny_root), study, ShrinkConfig(PORTION), force=True)
    with pytest.raises(ReidAugError, match=re.escape(row.condition)):
        run(study, checkpoint)
    assert study.sets(PORTION) == ["none"]


def test_images_that_changed_since_shrink_are_refused(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    next(split_folder(tiny_root, "train").glob("*.jpg")).unlink()
    with pytest.raises(ReidAugError, match="have changed since"):
        run(study, checkpoint)


def test_a_finished_set_keeps_its_record_when_synthesize_runs_again(study: Study, checkpoint: Path) -> None:
    run(study, checkpoint)
    record = study.set_root(PORTION, "pona").parent / "synthesis.json"
    before = record.read_bytes()
    (study.data_of(PORTION).root / "market-annotation-train.csv").unlink()
    with pytest.raises(ReidAugError):
        run(study, checkpoint)
    assert record.read_bytes() == before


def test_a_set_is_not_replaced_while_a_share_of_it_is_generated(study: Study, checkpoint: Path, tmp_path: Path) -> None:
    run(study, checkpoint)
    lock = study.set_root(PORTION, "pona").parent / ".lock-1-of-2"
    other = write_checkpoint(tmp_path / "other.pt", seed=1)
    with locked(lock, "the other share"), pytest.raises(ReidAugError, match="process"):
        run(study, other, force=True)
    assert study.sets(PORTION) == ["none", "pona"]


def test_seen_images_are_known_by_content(study: Study, tiny_root: Path, tmp_path: Path) -> None:
    folder = split_folder(tiny_root, "train")
    missing = [row.name for row in read_plan(study.plan_path(PORTION)) if not row.kept]
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for index, name in enumerate(missing[:3]):
        (renamed / f"{index}.jpg").write_bytes((folder / name).read_bytes())
    training = {"trained_on": describe_training_images(images_in(renamed, ["0.jpg", "1.jpg", "2.jpg"]), None)}
    assert count_seen(images_in(folder, missing), training) == 3
    assert count_seen(images_in(folder, missing[3:]), training) == 0
    assert count_seen(images_in(folder, missing), {}) is None
    report = run(study, write_checkpoint(tmp_path / "leaky.pt", 0, training))
    assert report.seen_missing == 3


def test_killed_run_leaves_only_whole_files_and_goes_on(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    command = [sys.executable, "-m", "reidaug", "synthesize", "--ckpt", str(checkpoint), "--batch-size", "1"]
    environment = {**os.environ, "REIDAUG_STUDY": str(study.path)}
    folder = split_folder(study.set_root(PORTION, "pona"), "train")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while (
        time.monotonic() < deadline and process.poll() is None and not (folder.is_dir() and any(folder.glob("*.jpg")))
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in folder.glob("*.jpg"):
        Image.open(path).load()
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert study.sets(PORTION) == ["none", "pona"]
    assert len(list(folder.glob("*.jpg"))) == len(list(split_folder(tiny_root, "train").glob("*.jpg")))
