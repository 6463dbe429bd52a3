"""Evaluation of the sets of a study and the full one: what is trained, and what is not trained again."""

import json
import re
import shutil
import sys
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reid_baseline import RECIPES
from reid_baseline.efficientnet import IMAGENET
from reidaug.cli.app import app
from reidaug.core import fingerprint
from reidaug.datasets import market1501, readable
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.evaluation.results import read_results
from reidaug.study.folder import Study
from tests.cli.commands import error_of, runner, values_of
from tests.evaluation.commands import SMALL, evaluate, rows_of
from tests.factories import write_checkpoint

pytestmark = pytest.mark.usefixtures("study", "small_quick", "small_network")


def test_three_commands_end_in_a_table(study: Study, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "pona.pt", seed=0)
    assert runner.invoke(app, ["synthesize", "--ckpt", str(checkpoint)]).exit_code == 0
    result = evaluate()
    rows = rows_of(result)
    assert {(row["set"], row["portion"]) for row in rows} == {("none", 0.4), ("pona", 0.4), ("full", 1.0)}
    by_set = {row["set"]: row for row in rows}
    assert by_set["pona"]["images"] == by_set["full"]["images"] > by_set["none"]["images"]
    assert by_set["none"]["synthetic"] == by_set["full"]["synthetic"] == 0
    assert by_set["pona"]["synthetic"] == by_set["full"]["images"] - by_set["none"]["images"]
    for row in rows:
        assert 0 <= row["mean_ap_trapezoid"] <= row["mean_ap"] <= 1
        assert row["versions"]["torch"] and row["training_fingerprint"] and row["command"]
    assert "3 of 3 baselines" in result.stderr and "on cpu" in result.stderr
    again = evaluate()
    assert "nothing to train" in again.stderr
    assert rows_of(again) == rows
    assert len(study.results_path.read_text().splitlines()) == 3
    table = runner.invoke(app, ["table", "--format", "markdown"])
    assert table.exit_code == 0 and "| pona |" in table.stdout and "trapezoid" in table.stdout


def test_images_are_looked_at_once_by_all_commands_of_a_job(
    study: Study, tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = write_checkpoint(tmp_path / "pona.pt", seed=0)
    looked_at: list[str] = []
    read = readable.read_image
    monkeypatch.setattr(readable, "cache_folder", lambda: tmp_path / "other-cache")
    monkeypatch.setattr(readable, "read_image", lambda path: looked_at.append(path.name) or read(path))
    values_of("synthesize", "--ckpt", str(checkpoint))  # of a study that was shrunk elsewhere
    assert len(looked_at) == 36
    assert evaluate().exit_code == 0
    assert len(looked_at) == 67 == len(set(looked_at))
    values_of("shrink", "--portion", "0.6", "--data", str(tiny_root))
    values_of("augment", "--portion", "0.6", "--ckpt", str(checkpoint), "--factor", "1.5")
    assert len(looked_at) == 67
    broken = sorted(split_folder(tiny_root, "query").iterdir())[2]
    broken.write_bytes(broken.read_bytes()[:700])
    assert f"an image of {tiny_root} cannot be read: {broken}" in error_of("evaluate", *SMALL)


def test_any_network_of_timm_from_a_file(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason=f"timm is not installed: {IMAGENET.install}")
    weights = tmp_path / "vit.pth"
    torch.save(timm.create_model("test_vit").state_dict(), weights)
    result = evaluate("--arch", "test_vit", "--weights", weights)
    assert [(row["set"], row["arch"], row["weights"][:8]) for row in rows_of(result)] == [
        ("none", "test_vit", "vit.pth:"),
        ("full", "test_vit", "vit.pth:"),
    ]
    assert "0.01 instead of quick's" in result.stderr and {row["versions"]["timm"] for row in rows_of(result)}
    again = evaluate("--arch", "test_vit2", "--weights", weights)
    assert again.exit_code == 1 and "vit.pth contain no test_vit2" in again.stderr.splitlines()[-1]


def test_a_network_of_timm_on_its_weights_and_on_none() -> None:
    for package in ("timm", IMAGENET.package):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: {IMAGENET.install}")
    lite = ("--arch", "tf_efficientnet_lite0")
    for weights in ("imagenet", "none"):
        rows = rows_of(evaluate(*lite, "--weights", weights))
        assert {(row["set"], row["arch"], row["weights"]) for row in rows} == {
            *(("none", lite[1], weights), ("full", lite[1], weights))
        }
        assert all(0 < row["mean_ap"] < 1 for row in rows)


@pytest.mark.parametrize("missing", ["timm", IMAGENET.package])
def test_what_a_network_of_timm_lacks_is_one_line_before_any_training(
    missing: str, trained_on: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing != "timm":
        pytest.importorskip("timm", reason=f"timm is not installed: {IMAGENET.install}")
    monkeypatch.setitem(sys.modules, missing, None)
    result = evaluate("--arch", "tf_efficientnet_lite0", "--weights", "imagenet")
    assert result.exit_code == 1 and not trained_on
    last = result.stderr.splitlines()[-1]
    assert missing in last and "not installed" in last and "pip install 'reidaug[timm]'" in last


def test_folders_are_scanned_once_and_images_hashed_once(
    study: Study, tiny_root: Path, trained_on: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for query and gallery, which are looked at again after they were decoded."""
    scanned, hashed = Counter[Path](), Counter[Path]()
    scan, digest = market1501.list_files, fingerprint.file_digest
    monkeypatch.setattr(market1501, "list_files", lambda folder: scanned.update([folder.resolve()]) or scan(folder))
    monkeypatch.setattr(fingerprint, "file_digest", lambda path: hashed.update([path.resolve()]) or digest(path))
    assert evaluate("--controls", "none-matched,duplicate,source-copy,flip", "--seeds", "2").exit_code == 0
    twice = {split_folder(tiny_root, split) for split in ("query", "gallery")}
    once = {split_folder(root, "train").resolve() for root in (tiny_root, study.set_root(0.4, "none"))}
    assert scanned == {**dict.fromkeys(once, 1), **dict.fromkeys(twice, 2)}
    images = {path for folder in once for path in folder.glob("*.jpg")}
    tests = {path for folder in twice for path in folder.glob("*.jpg")}
    assert hashed == {**dict.fromkeys(images, 1), **dict.fromkeys(tests, 2)} and len(images) == 50


def test_a_study_follows_its_data_set(study: Study, tiny_root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    checkpoint = write_checkpoint(tmp_path / "pona.pt", seed=0)
    synthesis = ["synthesize", "--ckpt", str(checkpoint)]
    values_of(*synthesis)
    rows = rows_of(evaluate("--save-models"))
    lines = study.results_path.read_bytes()
    moved = tiny_root.rename(tmp_path / "moved")
    for command in (["evaluate", *SMALL], synthesis, ["ranks", "--name", "full"]):
        assert "give --data FOLDER" in error_of(*command)
    data = ["--data", str(moved)]
    assert rows_of(evaluate(*data)) == rows and study.results_path.read_bytes() == lines
    query = split_folder(study.set_root(0.4, "pona"), "query")
    assert values_of(*synthesis, *data)["sets"][0]["painted_now"] == 0
    assert query.resolve() == split_folder(moved, "query")
    assert values_of("ranks", "--name", "full", *data)["queries"]
    shutil.move(study.path, tmp_path / "elsewhere")
    monkeypatch.setenv("REIDAUG_DATA", str(moved))
    monkeypatch.setenv("REIDAUG_STUDY", str(tmp_path / "elsewhere"))
    assert rows_of(evaluate()) == rows
    assert [row["key"] for row in values_of("table")["rows"]] == [row["key"] for row in rows]
    assert values_of("shrink", "--portion", "0.4")["existed"]
    monkeypatch.delenv("REIDAUG_DATA")
    assert rows_of(evaluate()) == rows  # the new place is written down
    first, second, *_ = sorted(split_folder(moved, "train").iterdir())
    other = tmp_path / "other"
    shutil.copytree(moved, other)
    (split_folder(other, "train") / first.name).write_bytes(second.read_bytes())
    asked, now = (open_dataset(root).split_fingerprint("train") for root in (moved, other))
    fingerprints = f"(fingerprint {now}, not {asked})"
    train = ["train", "--preset", "mini", "--portion", "0.4", "--out", "new.pt"]
    for command in (["evaluate", *SMALL], ["shrink", "--portion", "0.4"], synthesis, train):
        assert fingerprints in error_of(*command, "--data", str(other)), command


def test_another_seed_trains_only_what_is_missing_to_another_number(study: Study) -> None:
    evaluate()
    result = evaluate("--seeds", "2")
    full = [row["mean_ap"] for row in rows_of(result) if row["set"] == "full"]
    assert len(full) == 2 and full[0] != full[1]
    assert "2 of 4 baselines" in result.stderr
    assert sorted((result.set, result.seed) for result in read_results(study.results_path)) == [
        *(("full", 0), ("full", 1), ("none", 0), ("none", 1))
    ]


def test_same_seed_gives_the_same_number(study: Study, tmp_path: Path) -> None:
    first = rows_of(evaluate())
    study.results_path.unlink()
    second = rows_of(evaluate())
    assert [row["mean_ap"] for row in first] == [row["mean_ap"] for row in second]


def test_changed_images_are_another_experiment(study: Study, tiny_root: Path) -> None:
    evaluate()
    image = next((tiny_root / "query").glob("*.jpg"))
    content = image.read_bytes()
    image.write_bytes(next((tiny_root / "bounding_box_train").glob("*.jpg")).read_bytes())
    try:
        assert "2 of 2 baselines" in evaluate().stderr
    finally:
        image.write_bytes(content)


def test_unfinished_set_is_left_out_and_named(study: Study, tmp_path: Path) -> None:
    (study.set_root(0.4, "begun") / "bounding_box_train").mkdir(parents=True)
    result = evaluate()
    assert result.exit_code == 0 and "begun, p = 0.40, is not complete" in result.stderr


def test_images_that_make_map_undefined_are_named_before_any_training(study: Study, tiny_root: Path) -> None:
    for split in ("query", "gallery"):
        for path in split_folder(tiny_root, split).glob("*_c?s1_*"):
            path.rename(path.with_name(re.sub("_c.", "_c1", path.name)))
    result = evaluate()
    assert result.exit_code == 1 and "all images are of camera 1" in result.stderr
    assert "--same-camera count" in result.stderr
    assert "to train" not in result.stderr and not study.results_path.exists()
    for row in rows_of(evaluate("--same-camera", "count")):
        assert row["same_camera"] == row["configuration"]["same_camera"] == "count" and row["queries"] > 0
    for path in split_folder(tiny_root, "gallery").glob("010*"):
        path.unlink()
    query, *others = split_folder(tiny_root, "query").iterdir()
    for path in others:
        path.unlink()
    (split_folder(tiny_root, "gallery") / query.name).hardlink_to(query)
    assert "no query has another gallery image" in error_of("evaluate", *SMALL, "--same-camera", "count")


def test_rows_with_and_without_the_own_camera_are_never_in_one_table(study: Study) -> None:
    plain = rows_of(evaluate("--save-models"))
    counted = rows_of(evaluate("--same-camera", "count", "--save-models", "--rerank"))
    assert "nothing to train" in evaluate("--same-camera", "count").stderr
    assert {row["key"] for row in plain}.isdisjoint(row["key"] for row in counted)
    assert all("same_camera" not in row for row in plain) and rows_of(evaluate()) == plain
    tables = runner.invoke(app, ["table", "--format", "markdown"]).stdout.split("mAP in %")[1:]
    assert ["own camera counts" in table for table in tables] == [False, True]
    assert ["not Market-1501's protocol" in table for table in tables] == [False, True]
    assert {row["same_camera"] for row in values_of("table")["summary"]} == {None, "count"}
    (key,) = (row["key"] for row in counted if row["set"] == "full")
    (full,) = (row for row in counted if row["set"] == "full")
    drawn = values_of("ranks", "--key", key, "--worst", "100")["queries"]
    scores = [query["ap"] for query in drawn if query["ap"] is not None]
    assert np.mean(scores) == pytest.approx(full["mean_ap"], abs=0.02)  # kept features are of half precision
    assert any(m["right"] and m["name"][5:7] == query["name"][5:7] for query in drawn for m in query["matches"])


def test_json_holds_the_differences_and_their_verdicts(study: Study) -> None:
    (comparison,) = json.loads(evaluate("--controls", "source-copy").stdout)["comparisons"]
    assert [comparison[key] for key in ("name", "portion", "reference")] == ["source-copy", 0.4, "none"]
    assert comparison["verdict"] == "one seed: no claim" and comparison["epochs"] == 1
    assert comparison["interval"][0] <= comparison["gain"] <= comparison["interval"][1]


def test_set_that_lost_an_image_is_refused(study: Study) -> None:
    next((study.set_root(0.4, "none") / "bounding_box_train").glob("*.jpg")).unlink()
    result = evaluate()
    assert result.exit_code == 1 and "manifest" in result.stderr


def test_absent_imagenet_weights_are_said_in_one_line(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: (_ for _ in ()).throw(OSError("no network")))
    result = evaluate("--weights", "imagenet")
    assert result.exit_code == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: ") and "ImageNet weights of resnet18" in line


def test_re_ranked_scores_stand_in_the_table(study: Study) -> None:
    evaluate("--save-models", "--rerank")
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    assert "with k-reciprocal re-ranking" in table and "k1 = 20, k2 = 6, lambda = 0.3" in table


def test_a_set_of_one_person_is_named_before_any_training(study: Study, tiny_root: Path) -> None:
    for path in split_folder(tiny_root, "train").glob("*.jpg"):
        if not path.name.startswith("0001"):
            path.unlink()
    assert runner.invoke(app, ["shrink", "--portion", "0.4", "--force"]).exit_code == 0
    result = evaluate()
    assert result.exit_code == 1 and "to train" not in result.stderr
    assert "none, p = 0.40 has images of one person" in result.stderr
    swept = runner.invoke(app, ["sweep", *SMALL, "--portions", "0.5"])
    assert swept.exit_code == 1 and "full, p = 1.00 has images of one person" in swept.stderr
    assert study.portions() == [0.4]


def test_an_augmented_set_is_measured_beside_controls_of_its_size(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], batch_size=6))
    checkpoint = str(write_checkpoint(tmp_path / "tiny.pt", seed=0))
    assert values_of("augment", "--ckpt", checkpoint, "--factor", "2")["sets"][0]["complete"]
    rows = {row["set"]: row for row in rows_of(evaluate("--epochs", "7", "--controls", "duplicate,none-matched"))}
    plain = {"none", "full", "duplicate", "none-matched"}
    assert rows.keys() == plain | {"augmented", "duplicate for augmented", "none-matched for augmented"}
    assert [rows[name]["images"] for name in ("none", "augmented", "duplicate for augmented", "duplicate")] == [
        *(14, 28, 28, 36)
    ]
    assert rows["augmented"]["synthetic"] == rows["duplicate for augmented"]["synthetic"] == 14
    assert rows["augmented"]["missing"] == 22
    epochs = [rows[name]["trained_epochs"] for name in ("none", "none-matched for augmented", "none-matched")]
    assert epochs[0] < epochs[1] < epochs[2]
    assert len({row["key"] for row in rows.values()}) == 7
    shown = runner.invoke(app, ["table", "--format", "markdown"])
    assert shown.exit_code == 0
    line = next(line for line in shown.stdout.splitlines() if line.startswith("| augmented | 0.40 | 0 "))
    assert line.startswith("| augmented | 0.40 | 0 | 14 | 14 | 0 | unknown |")
    assert "controls for augmented" in shown.stdout
