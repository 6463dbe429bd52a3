"""Synthesis: a drop-in set of the identical structure; runs resume, share work and refuse mixtures."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pona
from reidaug.core.errors import ReidAugError
from reidaug.core.locks import locked
from reidaug.datasets.keypoints import find_annotations, read_annotations, write_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import read_manifest, read_plan
from reidaug.study.records import read_shrink_record, write_record
from reidaug.study.request import ShrinkConfig
from reidaug.study.shrink import shrink, shrink_summary
from tests.factories import double_keypoints, write_checkpoint
from tests.synthesis.commands import PORTION, complete


def test_completed_set_has_the_identical_structure(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    report = complete(study, checkpoint)
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


def test_a_set_without_a_generated_image_is_called_so(tiny_root: Path, own_folder: Path, checkpoint: Path) -> None:
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, annotations.keypoints * np.nan)
    summary = shrink_summary(shrink(open_dataset(tiny_root), Study(own_folder / "study"), ShrinkConfig(PORTION)))
    assert "nothing to generate: no missing image shows both shoulders and both hips" in summary
    report = complete(Study(own_folder / "study"), checkpoint)
    nothing = replace(report, generated=0, copied=0).sentence()
    assert "of the people who have an image left, none is missing; the set is the " in nothing and "hips" not in nothing
    sentence = report.sentence()
    assert "pona: nothing was generated, because no missing image shows both shoulders and both hips" in sentence
    assert "the set is 14 kept images and 22 copies of them" in sentence


def test_second_run_generates_nothing_and_changes_no_byte(study: Study, checkpoint: Path) -> None:
    complete(study, checkpoint)
    folder = split_folder(study.set_root(PORTION, "pona"), "train")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert complete(study, checkpoint).painted_now == 0
    assert before == {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_shares_of_two_processes_make_the_same_set(
    study: Study, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(study, checkpoint, name="alone")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    first = complete(study, checkpoint, name="shared")
    assert not first.complete and study.sets(PORTION) == ["none", "alone"]
    monkeypatch.setenv("RANK", "0")
    assert complete(study, checkpoint, name="shared").complete
    alone, shared = (split_folder(study.set_root(PORTION, name), "train") for name in ("alone", "shared"))
    assert {p.name for p in alone.iterdir()} == {p.name for p in shared.iterdir()}
    assert study.sets(PORTION) == ["none", "alone", "shared"]


def test_two_generators_never_mix_under_one_name(study: Study, checkpoint: Path, tmp_path: Path) -> None:
    complete(study, checkpoint)
    other = write_checkpoint(tmp_path / "other.pt", seed=1)
    with pytest.raises(ReidAugError, match="--name"):
        complete(study, other)
    assert complete(study, other, force=True).painted_now > 0


def test_a_batch_with_images_that_are_not_finite_is_not_written(study: Study, checkpoint: Path, tmp_path: Path) -> None:
    loaded = pona.load_checkpoint(checkpoint)
    state = loaded.generator.state_dict()
    state["decoder.0.weight"] *= 1e6  # beyond fp16, not beyond fp32
    pona.save_checkpoint(tmp_path / "large.pt", loaded.generator, loaded.config, {})
    with pytest.raises(pona.PoNAError, match=r"\d+ of \d+ generated images are not finite: .*precision fp32"):
        complete(study, tmp_path / "large.pt", precision="fp16")
    written = {path.name for path in split_folder(study.set_root(PORTION, "pona"), "train").iterdir()}
    assert written == {row.name for row in read_plan(study.plan_path(PORTION)) if row.action in ("keep", "copy")}
    assert study.unfinished_sets(PORTION) == ["pona"]
    assert complete(study, tmp_path / "large.pt", precision="fp32", force=True).complete


def test_another_precision_is_named_as_such(study: Study, checkpoint: Path) -> None:
    complete(study, checkpoint, precision="fp32")
    with pytest.raises(ReidAugError, match=r"precision fp32.*not with precision bf16.*another --name"):
        complete(study, checkpoint, precision="bf16")


def test_moved_keypoints_are_not_generated_by_an_old_plan(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    complete(study, checkpoint)
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, annotations.keypoints * 0.5)
    for name in ("pona", "another"):
        with pytest.raises(ReidAugError, match=r"keypoints .* have changed since p = 0.40 .*shrink --force"):
            complete(study, checkpoint, name=name)


def test_keypoints_of_other_images_are_refused_where_an_older_plan_has_them(
    study: Study, tiny_root: Path, checkpoint: Path
) -> None:
    path = find_annotations(tiny_root, "train")
    double_keypoints(path)
    record = read_shrink_record(study.shrink_path(PORTION))
    names = [image.name for image in study.data_of(PORTION).images("train")]
    write_record(study.shrink_path(PORTION), replace(record, keypoints=read_annotations(path).fingerprint(names)))
    with pytest.raises(ReidAugError, match="is this the keypoint file of images of another size"):
        complete(study, checkpoint)
    assert not study.set_root(PORTION, "pona").exists()


def test_the_same_share_twice_is_refused_naming_the_holder(study: Study, checkpoint: Path) -> None:
    lock = study.set_root(PORTION, "pona").parent / ".lock-0-of-1"
    with locked(lock, "the other run"), pytest.raises(ReidAugError, match=f"process {os.getpid()}"):
        complete(study, checkpoint)


def test_shares_that_are_cut_otherwise_hold_the_same_images_and_are_refused(
    study: Study, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study.set_root(PORTION, "pona").parent
    with locked(folder / ".lock-1-of-2", "a share"), pytest.raises(ReidAugError, match=f"process {os.getpid()}"):
        complete(study, checkpoint)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with locked(folder / ".lock-1-of-2", "a share"), locked(folder / ".lock-0-of-1", "a look at it", shared=True):
        assert not complete(study, checkpoint).complete


@pytest.mark.parametrize("name", ["none", "full", "", "a/b", "..", "a b", "gen5_c3"])
def test_names_that_would_do_harm_are_refused(study: Study, checkpoint: Path, name: str) -> None:
    with pytest.raises(ReidAugError, match=r"--name|torchreid"):
        complete(study, checkpoint, name=name)


def test_images_that_changed_since_shrink_are_refused(study: Study, tiny_root: Path, checkpoint: Path) -> None:
    next(split_folder(tiny_root, "train").glob("*.jpg")).unlink()
    with pytest.raises(ReidAugError, match="have changed since"):
        complete(study, checkpoint)


def test_a_finished_set_keeps_its_record_when_synthesize_runs_again(study: Study, checkpoint: Path) -> None:
    complete(study, checkpoint)
    record = study.set_root(PORTION, "pona").parent / "synthesis.json"
    before = record.read_bytes()
    (study.data_of(PORTION).root / "market-annotation-train.csv").unlink()
    with pytest.raises(ReidAugError):
        complete(study, checkpoint)
    assert record.read_bytes() == before


def test_a_set_is_not_replaced_while_a_share_of_it_is_generated(study: Study, checkpoint: Path, tmp_path: Path) -> None:
    complete(study, checkpoint)
    lock = study.set_root(PORTION, "pona").parent / ".lock-1-of-2"
    other = write_checkpoint(tmp_path / "other.pt", seed=1)
    with locked(lock, "the other share"), pytest.raises(ReidAugError, match="process"):
        complete(study, other, force=True)
    assert study.sets(PORTION) == ["none", "pona"]


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


def test_force_replaces_a_set_with_a_broken_record(study: Study, checkpoint: Path) -> None:
    root = complete(study, checkpoint).root
    (root.parent / "synthesis.json").write_text("{")
    with pytest.raises(ReidAugError, match="--force"):
        complete(study, checkpoint)
    assert complete(study, checkpoint, force=True).painted_now > 0


def test_what_a_killed_run_left_half_written_is_not_in_the_set(study: Study, checkpoint: Path) -> None:
    folder = split_folder(complete(study, checkpoint).root, "train")
    next(folder.iterdir()).unlink()
    (folder / ".0123456789abcdef.partial").touch()
    assert complete(study, checkpoint).complete
    assert not list(folder.glob(".*"))
