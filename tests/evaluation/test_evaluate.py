"""Evaluation of the sets of a study and the full one: what is trained, on what, and what is not trained again."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

import reid_baseline
from reid_baseline import (
    BACKBONES,
    RECIPES,
    Backbone,
    Recipe,
    build_model,
    evaluate_ranking,
    extract_features,
    load_images,
    load_model,
)
from reid_baseline.device import choose_precision
from reid_baseline.resnet import resnet18, resnet18_url
from reid_baseline.resume import FORMAT
from reid_baseline.sampling import draw_batches
from reidaug.cli.app import app
from reidaug.core import fingerprint
from reidaug.core.files import locked
from reidaug.datasets import market1501
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.evaluation.results import append_result, read_results, result_key, result_of
from reidaug.study.folder import Study
from tests.factories import write_checkpoint

SMALL = ["--recipe", "quick", "--arch", "resnet18", "--epochs", "1", "--device", "cpu"]
runner = CliRunner()
pytestmark = pytest.mark.usefixtures("study", "small_quick", "small_network")


def evaluate(*arguments: str) -> Result:
    return runner.invoke(app, ["evaluate", *SMALL, "--json", *arguments])


def test_three_commands_end_in_a_table(study: Study, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "pona.pt", seed=0)
    assert runner.invoke(app, ["synthesize", "--ckpt", str(checkpoint)]).exit_code == 0
    result = evaluate()
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
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
    assert json.loads(again.stdout)["rows"] == rows
    assert len(study.results_path.read_text().splitlines()) == 3
    table = runner.invoke(app, ["table", "--format", "markdown"])
    assert table.exit_code == 0 and "| pona |" in table.stdout and "trapezoid" in table.stdout


def test_folders_are_scanned_once_and_images_hashed_once(
    study: Study, tiny_root: Path, trained_on: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for query and gallery, which are looked at again after they were decoded."""
    scanned, hashed = Counter[Path](), Counter[Path]()
    scan, digest = market1501.list_files, fingerprint.file_digest
    monkeypatch.setattr(market1501, "list_files", lambda folder: scanned.update([folder.resolve()]) or scan(folder))
    monkeypatch.setattr(fingerprint, "file_digest", lambda path: hashed.update([path.resolve()]) or digest(path))
    assert evaluate("--controls", "all", "--seeds", "2").exit_code == 0
    twice = {split_folder(tiny_root, split) for split in ("query", "gallery")}
    once = {split_folder(root, "train").resolve() for root in (tiny_root, study.set_root(0.4, "none"))}
    assert scanned == {**dict.fromkeys(once, 1), **dict.fromkeys(twice, 2)}
    images = {path for folder in once for path in folder.glob("*.jpg")}
    tests = {path for folder in twice for path in folder.glob("*.jpg")}
    assert hashed == {**dict.fromkeys(images, 1), **dict.fromkeys(tests, 2)} and len(images) == 50


def test_another_seed_trains_only_what_is_missing_to_another_number(study: Study) -> None:
    evaluate()
    result = evaluate("--seeds", "2")
    full = [row["mean_ap"] for row in json.loads(result.stdout)["rows"] if row["set"] == "full"]
    assert len(full) == 2 and full[0] != full[1]
    assert "2 of 4 baselines" in result.stderr
    assert sorted((result.set, result.seed) for result in read_results(study.results_path)) == [
        *(("full", 0), ("full", 1), ("none", 0), ("none", 1))
    ]


def test_a_precision_that_is_asked_for_has_results_and_a_table_of_its_own(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], size=(64, 64)))  # smaller ones stay in float32
    auto = choose_precision(torch.device("cpu"))
    precisions = ["auto", "fp32", "bf16"][: 3 if auto == "bf16" else 2]  # without units for bf16 it takes minutes
    asked = {}
    for precision in precisions:
        rows = json.loads(evaluate("--precision", precision).stdout)["rows"]
        assert {row["precision"] for row in rows} == {auto if precision == "auto" else precision}
        asked[precision] = {row["key"]: row["mean_ap"] for row in rows}
    assert len({key for rows in asked.values() for key in rows}) == 2 * len(precisions)
    assert [*asked["auto"].values()] == [*asked[auto].values()]
    assert auto == "fp32" or [*asked["fp32"].values()] != [*asked["bf16"].values()]
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    titles = [line for line in table.splitlines() if "mAP in %" in line]
    wanted = ["1 seed", *precisions[1:]]
    assert [title.split(" epoch, ")[1].split(", ")[0].strip("*") for title in titles] == wanted
    assert "nothing to train" in evaluate("--precision", "fp32").stderr


def test_same_seed_gives_the_same_number(study: Study, tmp_path: Path) -> None:
    first = json.loads(evaluate().stdout)["rows"]
    study.results_path.unlink()
    second = json.loads(evaluate().stdout)["rows"]
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


def test_equal_sets_share_one_training_and_both_stand_in_the_table(study: Study) -> None:
    none = study.set_root(0.4, "none").parent
    shutil.copytree(none, none.with_name("twin"), symlinks=True)
    rows = json.loads(evaluate().stdout)["rows"]
    assert [row["set"] for row in rows] == ["none", "twin", "full"]
    assert rows[0]["mean_ap"] == rows[1]["mean_ap"] and rows[0]["key"] == rows[1]["key"] != rows[2]["key"]
    assert "nothing to train" in evaluate().stderr
    again = json.loads(runner.invoke(app, ["table", "--json"]).stdout)["rows"]
    assert sorted(row["set"] for row in again) == ["full", "none", "twin"]


def test_the_table_shows_the_set_that_is_there_also_when_it_was_made_before(study: Study, tmp_path: Path) -> None:
    checkpoints = [write_checkpoint(tmp_path / f"{seed}.pt", seed=seed) for seed in (0, 1)]
    keys = []
    for number in (0, 1, 0):
        made = runner.invoke(app, ["synthesize", "--ckpt", str(checkpoints[number]), "--name", "pona", "--force"])
        assert made.exit_code == 0, made.output
        keys.append({row["set"]: row["key"] for row in json.loads(evaluate().stdout)["rows"]}["pona"])
        table = json.loads(runner.invoke(app, ["table", "--json"]).stdout)["rows"]
        assert [row["key"] for row in table if row["set"] == "pona"] == [keys[-1]]
    assert keys[0] == keys[2] != keys[1]


def test_a_set_made_again_takes_its_old_seeds_and_neighbours_out_of_the_table(study: Study, tiny_root: Path) -> None:
    assert evaluate("--seeds", "2", "--controls", "source-copy").exit_code == 0
    options = ["--portion", "0.4", "--data", str(tiny_root), "--force"]
    assert runner.invoke(app, ["shrink", *options, "--seed", "5"]).exit_code == 0
    assert evaluate().exit_code == 0
    table = json.loads(runner.invoke(app, ["table", "--json"]).stdout)["rows"]
    assert sorted((row["set"], row["seed"]) for row in table) == [("full", 0), ("full", 1), ("none", 0)]
    assert runner.invoke(app, ["shrink", *options]).exit_code == 0
    assert "nothing to train" in evaluate().stderr
    table = json.loads(runner.invoke(app, ["table", "--json"]).stdout)["rows"]
    assert sorted({row["set"] for row in table}) == ["full", "none", "source-copy"] and len(table) == 6


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Small batches, and what `train_baseline` is called with: it gives the same untrained network every time."""
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], batch_size=6))
    calls = []
    model = build_model("resnet18", 12).eval()

    def watched(images: Any, labels: Any, recipe: Any, **options: Any) -> Any:
        calls.append({"images": images.clone(), "recipe": recipe, **options})
        return model

    monkeypatch.setattr(reid_baseline, "train_baseline", watched)
    monkeypatch.setattr(reid_baseline, "training_seconds", lambda path: 0.0)
    return calls


def test_each_baseline_is_trained_on_what_its_row_says(
    study: Study, trained_on: list[dict[str, Any]], tmp_path: Path
) -> None:
    weights = tmp_path / "start.pth"
    torch.save(build_model("resnet18", 2).state_dict(), weights)
    arguments = ("--controls", "source-copy,flip,none-matched", "--seeds", "2", "--weights", str(weights))
    rows = json.loads(evaluate(*arguments, "--synthetic-weight", "0.5").stdout)["rows"]
    by_cell = dict(zip([(row["set"], row["seed"]) for row in rows], trained_on, strict=True))
    assert {cell: call["seed"] for cell, call in by_cell.items()} == {cell: cell[1] for cell in by_cell}
    assert {call["weights"] for call in trained_on} == {str(weights)}
    steps = {
        name: by_cell[name, 0]["recipe"].epochs * (len(by_cell[name, 0]["images"]) // 6)
        for name in ("none", "none-matched", "full")
    }
    assert steps["none"] < steps["none-matched"] == steps["full"]
    copy, flip = by_cell["source-copy", 1], by_cell["flip", 1]
    copied = copy["synthetic"]
    assert torch.equal(copied, flip["synthetic"]) and copied.sum() == 22 and copy["recipe"].synthetic_weight == 0.5
    assert torch.equal(flip["images"][copied], copy["images"][copied].flip(3))
    assert torch.equal(flip["images"][~copied], copy["images"][~copied])
    assert by_cell["full", 0]["synthetic"] is None


def test_a_copy_for_lack_of_a_pose_is_as_synthetic_in_a_generated_set_as_in_a_control(
    study: Study, trained_on: list[dict[str, Any]], tmp_path: Path
) -> None:
    checkpoint = write_checkpoint(tmp_path / "pona.pt", seed=0)
    assert runner.invoke(app, ["synthesize", "--ckpt", str(checkpoint)]).exit_code == 0
    assert ",copy\n" in (study.set_root(0.4, "pona") / "manifest.csv").read_text()
    rows = json.loads(evaluate("--controls", "source-copy", "--synthetic-weight", "0.5").stdout)["rows"]
    marked = {row["set"]: call["synthetic"] for row, call in zip(rows, trained_on, strict=True)}
    assert torch.equal(marked["pona"], marked["source-copy"])


@pytest.mark.parametrize("matched_first", [True, False])
def test_a_set_and_a_control_of_one_experiment_stand_in_their_own_tables(study: Study, matched_first: bool) -> None:
    short, long = ("--controls", "none-matched"), ("--epochs", "2")
    for arguments in (short, long) if matched_first else (long, short):
        assert evaluate(*arguments).exit_code == 0
    rows = json.loads(runner.invoke(app, ["table", "--json"]).stdout)["rows"]
    places = sorted((row["epochs"], row["set"], row["trained_epochs"]) for row in rows)
    matched = next(row["trained_epochs"] for row in rows if row["set"] == "none-matched")
    assert places == [(1, "full", 1), (1, "none", 1), (1, "none-matched", matched), (2, "full", 2), (2, "none", 2)]
    keys = {(row["epochs"], row["set"]): row["key"] for row in rows}
    assert (keys[1, "none-matched"] == keys[2, "none"]) == (matched == 2)


def test_images_that_make_map_undefined_are_named_before_any_training(study: Study, tiny_root: Path) -> None:
    for split in ("query", "gallery"):
        for path in split_folder(tiny_root, split).glob("*_c?s1_*"):
            path.rename(path.with_name(re.sub("_c.", "_c1", path.name)))
    result = evaluate()
    assert result.exit_code == 1 and "all images are of camera 1" in result.stderr
    assert "to train" not in result.stderr and not study.results_path.exists()


def test_a_baseline_that_fails_does_not_stop_the_others(study: Study) -> None:
    image = sorted((study.set_root(0.4, "none") / "bounding_box_train").glob("*.jpg"))[0]
    image.unlink()
    image.write_bytes(b"no JPEG")
    result = evaluate()
    assert result.exit_code == 1 and "none, p = 0.40, seed 0 failed:" in result.stderr
    assert "error: 1 of 2 baselines could not be trained" in result.stderr and image.name in result.stderr
    assert [result.set for result in read_results(study.results_path)] == ["full"]


def test_the_state_of_another_kind_of_device_is_left_aside(study: Study) -> None:
    rows = json.loads(evaluate().stdout)["rows"]
    study.results_path.unlink()
    state = study.path / ".work" / f"{rows[0]['key']}.pt"
    torch.save({"format": FORMAT, "identity": "of another precision"}, state)
    result = evaluate()
    assert f"{state.name} is of a training with other images, settings or versions, or on another kind" in result.stderr
    assert "none, p = 0.40, seed 0 starts again:" in result.stderr
    assert [row["mean_ap"] for row in json.loads(result.stdout)["rows"]] == [row["mean_ap"] for row in rows]
    assert not state.exists()


def test_copies_are_treated_with_the_care_that_generated_images_get(study: Study) -> None:
    rows = json.loads(evaluate("--controls", "source-copy,none-matched", "--synthetic-weight", "0.5").stdout)["rows"]
    care = {row["set"]: row["care"] for row in rows}
    weighted = {"synthetic_weight": 0.5}
    assert care == {"none": {}, "none-matched": {}, "source-copy": weighted, "full": {}}
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    assert "| source-copy (weight 0.5) | 0.40 | none |" in table and "controls, which cost nothing" in table


def test_json_holds_the_differences_and_their_verdicts(study: Study) -> None:
    (comparison,) = json.loads(evaluate("--controls", "source-copy").stdout)["comparisons"]
    assert [comparison[key] for key in ("name", "portion", "reference")] == ["source-copy", 0.4, "none"]
    assert comparison["verdict"] == "one seed: no claim" and comparison["epochs"] == 1
    assert comparison["interval"][0] <= comparison["gain"] <= comparison["interval"][1]


def test_key_depends_on_what_differs_from_the_default_so_that_later_settings_change_no_old_key(study: Study) -> None:
    row = json.loads(evaluate().stdout)["rows"][0]
    recipe = replace(RECIPES["quick"], epochs=1)
    assert "synthetic_weight" not in recipe.differences() and recipe.differences()["name"] == "quick"
    setting = {"recipe": recipe.differences(), "arch": "resnet18", "weights": "none"}
    assert row["key"] == result_key(row["training_fingerprint"], row["test_fingerprint"], setting, 0)
    assert row["configuration"]["recipe"]["synthetic_weight"] == 1.0  # the row itself tells everything


def test_controls_stand_in_the_table_and_the_matched_one_takes_as_many_steps(study: Study) -> None:
    result = evaluate("--controls", "none-matched,flip", "--epochs", "2")
    assert result.exit_code == 0, result.output
    by_set = {row["set"]: row for row in json.loads(result.stdout)["rows"]}
    assert by_set.keys() == {"none", "none-matched", "flip", "full"}
    assert by_set["flip"]["images"] == by_set["full"]["images"] == 36
    batches = {name: row["images"] // 32 or 1 for name, row in by_set.items()}
    matched = by_set["none-matched"]
    assert matched["images"] == by_set["none"]["images"]
    assert matched["trained_epochs"] * batches["none"] == 2 * batches["full"]
    assert matched["epochs"] == 2  # of the table that it stands in
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    assert "| flip | 0.40 | none |" in table and "one seed: no claim" in table
    assert "flip: each missing image is its condition image mirrored" in table


def test_care_for_generated_images_is_another_cell_and_theirs_alone(study: Study, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "pona.pt", seed=0)
    assert runner.invoke(app, ["synthesize", "--ckpt", str(checkpoint)]).exit_code == 0
    plain = {row["set"]: row for row in json.loads(evaluate().stdout)["rows"]}
    result = evaluate("--synthetic-weight", "0.5", "--smooth-synthetic", "0.2", "--real-per-synthetic", "2")
    assert "to train: 1 of 3 baselines (pona (p = 0.40))" in result.stderr
    careful = {row["set"]: row for row in json.loads(result.stdout)["rows"]}
    assert careful["none"] == plain["none"] and careful["full"] == plain["full"]
    assert careful["pona"]["key"] != plain["pona"]["key"] and plain["pona"]["care"] == {}
    wanted = {"synthetic_weight": 0.5, "synthetic_smoothing": 0.2, "real_per_synthetic": 2.0}
    assert careful["pona"]["care"] == wanted
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    assert "| pona |" in table and "| pona (weight 0.5, smoothing 0.2, real per synthetic 2) |" in table


def test_trained_networks_are_kept_when_asked_for(study: Study, tiny_root: Path) -> None:
    row = json.loads(evaluate("--save-models").stdout)["rows"][0]
    model, recipe = load_model(study.path / "models" / f"{row['key']}.pt")
    features = {}
    for split in ("query", "gallery"):
        images = open_dataset(tiny_root).images(split)
        pixels = load_images([image.path for image in images], recipe.size)
        pids, camids = (np.array([getattr(image, name) for image in images]) for name in ("pid", "camid"))
        features[split] = (extract_features(model, pixels, recipe, "cpu"), pids, camids)
    arrays = [features[split][part] for part in range(3) for split in ("query", "gallery")]
    assert evaluate_ranking(*arrays).mean_ap == pytest.approx(row["mean_ap"])
    assert "nothing to train" in evaluate("--save-models").stderr


def test_a_network_that_was_not_kept_is_trained_again_to_the_same_number(study: Study) -> None:
    first = json.loads(evaluate().stdout)["rows"]
    again = evaluate("--save-models")
    assert "2 of 2 baselines" in again.stderr
    assert [row["mean_ap"] for row in json.loads(again.stdout)["rows"]] == [row["mean_ap"] for row in first]


def test_scores_by_query_lie_beside_the_results(study: Study) -> None:
    rows = json.loads(evaluate().stdout)["rows"]
    for row in rows:
        lines = list(csv.DictReader((study.queries_path / f"{row['key']}.csv").open()))
        assert len(lines) == 8
        counted = [float(line["ap_trapezoid"]) for line in lines if line["ap_trapezoid"]]
        assert sum(counted) / len(counted) == pytest.approx(row["mean_ap_trapezoid"], abs=1e-5)


def test_set_that_lost_an_image_is_refused(study: Study) -> None:
    next((study.set_root(0.4, "none") / "bounding_box_train").glob("*.jpg")).unlink()
    result = evaluate()
    assert result.exit_code == 1 and "manifest" in result.stderr


def test_cell_held_by_another_process_is_skipped_and_named(study: Study) -> None:
    rows = json.loads(evaluate().stdout)["rows"]
    key = next(row["key"] for row in rows if row["set"] == "none")
    study.results_path.unlink()
    with locked(study.path / ".work" / f"{key}.lock", "another run"):
        result = evaluate()
    assert result.exit_code == 1 and f"process {os.getpid()}" in result.stderr
    assert [result.set for result in read_results(study.results_path)] == ["full"]


def test_a_cell_that_another_process_has_finished_meanwhile_is_done(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = json.loads(evaluate().stdout)["rows"][0]
    study.results_path.unlink()
    with locked(study.path / ".work" / f"{none['key']}.lock", "another run"):
        train = reid_baseline.train_baseline

        def finished_elsewhere(*arguments: Any, **options: Any) -> Any:
            append_result(study.results_path, result_of(none, "the other process"))
            return train(*arguments, **options)

        monkeypatch.setattr(reid_baseline, "train_baseline", finished_elsewhere)
        result = evaluate()
    assert result.exit_code == 0 and "skipped" in result.stderr
    assert {row["set"] for row in json.loads(result.stdout)["rows"]} == {"none", "full"}


def test_images_that_change_during_an_evaluation_give_no_number(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    load = reid_baseline.load_images

    def write_again(*arguments: Any) -> Any:
        path = next((study.set_root(0.4, "none") / "bounding_box_train").iterdir())
        path.write_bytes(path.read_bytes())
        return load(*arguments)

    monkeypatch.setattr(reid_baseline, "load_images", write_again)
    result = evaluate()
    assert (
        result.exit_code == 1 and "images of none, p = 0.40 have changed since this evaluation began" in result.stderr
    )
    assert [result.set for result in read_results(study.results_path)] == ["full"]


@pytest.mark.parametrize("what", ["weights", "query"])
def test_weights_or_test_images_that_change_during_an_evaluation_give_no_number(
    what: str, study: Study, tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, query = tmp_path / "start.pth", next((tiny_root / "query").glob("*.jpg"))
    torch.save(build_model("resnet18", 2).state_dict(), weights)
    content = query.read_bytes()

    def overwrite(*_: Any, **__: Any) -> float:
        if what == "weights":
            torch.save(build_model("resnet18", 3).state_dict(), weights)
        else:
            query.write_bytes(next((tiny_root / "bounding_box_train").glob("*.jpg")).read_bytes())
        return 0.0

    monkeypatch.setattr(reid_baseline, "estimate_seconds", overwrite)  # it is asked when all has been looked at
    try:
        result = evaluate("--weights", str(weights))
    finally:
        query.write_bytes(content)
    assert result.exit_code == 1 and not study.results_path.exists()
    named = {"weights": str(weights), "query": "the images of query or gallery"}[what]
    assert f"{named} ha" in result.stderr and "changed since this evaluation began: run it again" in result.stderr


def test_a_baseline_without_memory_does_not_stop_the_others(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    train = reid_baseline.train_baseline

    def too_large(images: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        if len(images) == 14:  # of the reduced set
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return train(images, *arguments, **options)

    monkeypatch.setattr(reid_baseline, "train_baseline", too_large)
    result = evaluate()
    assert result.exit_code == 1 and "none, p = 0.40, seed 0 failed: out of memory: give" in result.stderr
    assert [result.set for result in read_results(study.results_path)] == ["full"]


def test_features_that_were_kept_do_not_outlive_the_row_that_they_are_of(study: Study) -> None:
    key = json.loads(evaluate("--save-models").stdout)["rows"][0]["key"]
    kept = [study.features_path(key), study.model_path(key)]
    study.results_path.unlink()
    for path in kept:
        path.write_bytes(b"of an earlier build")
    row = json.loads(evaluate().stdout)["rows"][0]
    assert row["key"] == key and all(path.read_bytes()[:2] == b"PK" for path in kept)
    study.results_path.unlink()
    kept[0].unlink()
    kept[1].write_bytes(b"of an earlier build")
    evaluate()
    assert all(path.read_bytes()[:2] == b"PK" for path in kept)
    assert "2 results got re-ranked scores" in evaluate("--rerank").stderr


def test_absent_imagenet_weights_are_said_in_one_line(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: (_ for _ in ()).throw(OSError("no network")))
    result = evaluate("--weights", "imagenet")
    assert result.exit_code == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: ") and "ImageNet weights of resnet18" in line


def test_missing_weights_file(study: Study) -> None:
    result = evaluate("--weights", "nowhere.pth")
    assert result.exit_code == 1 and "nowhere.pth" in result.stderr


def test_seconds_are_those_of_all_sittings(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reid_baseline.training_seconds", lambda path: 1000.0 * path.is_file())
    assert evaluate().exit_code == 0
    assert all(1000 <= result.seconds < 1100 for result in read_results(study.results_path))


EVALUATE_SLOWLY = """
import time
from dataclasses import replace
import reid_baseline.train as train
from reid_baseline import RECIPES
RECIPES["quick"] = replace(RECIPES["quick"], size=(32, 16))
train.SAVE_SECONDS = 0
draw, epochs = train.draw_batches, 0
def draw_slowly(*arguments):
    global epochs
    epochs += 1
    while epochs == 3:
        open("third", "w").close()
        time.sleep(0.1)
    return draw(*arguments)
train.draw_batches = draw_slowly
from reidaug.__main__ import main
main()
"""


def test_an_evaluation_killed_within_a_training_goes_on_in_it_and_gives_the_same_number(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "resnet18", Backbone(resnet18, resnet18_url))
    command = [sys.executable, "-c", EVALUATE_SLOWLY, "evaluate", *SMALL, "--epochs", "3"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None and not (tmp_path / "third").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not read_results(study.results_path)
    epochs: list[int] = []

    def watched(
        labels: torch.Tensor, synthetic: None, recipe: Recipe, generator: torch.Generator
    ) -> list[torch.Tensor]:
        epochs.append(generator.initial_seed())  # that of seed 0 is the number of the epoch
        return draw_batches(labels, synthetic, recipe, generator)

    monkeypatch.setattr("reid_baseline.train.draw_batches", watched)
    resumed = json.loads(evaluate("--epochs", "3").stdout)["rows"]
    assert epochs == [2, 0, 1, 2] and len(resumed) == 2
    study.results_path.unlink()
    again = json.loads(evaluate("--epochs", "3").stdout)["rows"]
    assert epochs[4:] == [0, 1, 2, 0, 1, 2]
    assert [row["mean_ap"] for row in resumed] == [row["mean_ap"] for row in again]
    assert not list(study.path.glob(".work/*.pt"))
