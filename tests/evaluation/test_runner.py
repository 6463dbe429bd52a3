"""Training and scoring run by run: on what, what is kept, what fails, what was changed or locked meanwhile."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import reid_baseline
from reid_baseline import (
    BACKBONES,
    Backbone,
    Recipe,
    build_model,
    evaluate_ranking,
    extract_features,
    load_images,
    load_model,
)
from reid_baseline.resnet import resnet18, resnet18_url
from reid_baseline.resume import FORMAT
from reid_baseline.sampling import draw_batches
from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.core.locks import locked
from reidaug.datasets.layouts import open_dataset
from reidaug.evaluation.results import append_result, read_results, result_of
from reidaug.evaluation.runner import load_training_images
from reidaug.study.folder import Study
from reidaug.study.training_sets import TrainingSet, Transform
from tests.cli.commands import runner
from tests.evaluation.commands import SMALL, evaluate, rows_of
from tests.factories import images_in, write_checkpoint

pytestmark = pytest.mark.usefixtures("study", "small_quick", "small_network")


def test_each_baseline_is_trained_on_what_its_row_says(
    study: Study, trained_on: list[dict[str, Any]], tmp_path: Path
) -> None:
    weights = tmp_path / "start.pth"
    torch.save(build_model("resnet18", 2).state_dict(), weights)
    arguments = ("--controls", "source-copy,flip,none-matched", "--seeds", "2", "--weights", str(weights))
    assert rows_of(evaluate(*arguments, "--synthetic-weight", "0.5"))
    cells = [(result.set, result.seed) for result in read_results(study.results_path)]  # in the order of training
    by_cell = dict(zip(cells, trained_on, strict=True))
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
    assert rows_of(evaluate("--controls", "source-copy", "--synthetic-weight", "0.5"))
    results = read_results(study.results_path)  # in the order of training
    marked = {result.set: call["synthetic"] for result, call in zip(results, trained_on, strict=True)}
    assert torch.equal(marked["pona"], marked["source-copy"])


def test_a_baseline_that_fails_does_not_stop_the_others(study: Study) -> None:
    image = sorted((study.set_root(0.4, "none") / "bounding_box_train").glob("*.jpg"))[0]
    image.unlink()
    image.write_bytes(b"no JPEG")
    result = evaluate()
    assert result.exit_code == 1 and "none, p = 0.40, seed 0 failed:" in result.stderr
    assert "error: 1 of 2 baselines could not be trained" in result.stderr and image.name in result.stderr
    assert [result.set for result in read_results(study.results_path)] == ["full"]


def test_the_state_of_another_kind_of_device_is_left_aside(study: Study) -> None:
    rows = rows_of(evaluate())
    study.results_path.unlink()
    state = study.path / ".work" / f"{rows[0]['key']}.pt"
    torch.save({"format": FORMAT, "identity": "of another precision", "epochs_done": 1, "seconds": 1.0}, state)
    result = evaluate()
    assert f"{state.name} is of a training with other" in result.stderr
    assert "none, p = 0.40, seed 0 starts again:" in result.stderr
    assert [row["mean_ap"] for row in rows_of(result)] == [row["mean_ap"] for row in rows]
    assert not state.exists()


def test_trained_networks_are_kept_when_asked_for(study: Study, tiny_root: Path) -> None:
    row = rows_of(evaluate("--save-models"))[0]
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


def test_scores_by_query_lie_beside_the_results(study: Study) -> None:
    rows = rows_of(evaluate())
    for row in rows:
        lines = list(csv.DictReader((study.queries_path / f"{row['key']}.csv").open()))
        assert len(lines) == 8
        counted = [float(line["ap_trapezoid"]) for line in lines if line["ap_trapezoid"]]
        assert sum(counted) / len(counted) == pytest.approx(row["mean_ap_trapezoid"], abs=1e-5)


def test_cell_held_by_another_process_is_skipped_and_named(study: Study) -> None:
    rows = rows_of(evaluate())
    key = next(row["key"] for row in rows if row["set"] == "none")
    study.results_path.unlink()
    with locked(study.path / ".work" / f"{key}.lock", "another run"):
        result = evaluate()
    assert result.exit_code == 1 and f"process {os.getpid()}" in result.stderr
    assert [result.set for result in read_results(study.results_path)] == ["full"]


def test_a_cell_that_another_process_has_finished_meanwhile_is_done(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = rows_of(evaluate())[0]
    study.results_path.unlink()
    with locked(study.path / ".work" / f"{none['key']}.lock", "another run"):
        train = reid_baseline.train_baseline

        def finished_elsewhere(*arguments: Any, **options: Any) -> Any:
            append_result(study.results_path, result_of(none, "the other process"))
            return train(*arguments, **options)

        monkeypatch.setattr(reid_baseline, "train_baseline", finished_elsewhere)
        result = evaluate()
    assert result.exit_code == 0 and "skipped" in result.stderr
    assert {row["set"] for row in rows_of(result)} == {"none", "full"}


def test_images_that_change_during_an_evaluation_give_no_number(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    load = reid_baseline.load_images

    def write_again(*arguments: Any) -> Any:
        path = next((study.set_root(0.4, "none") / "bounding_box_train").iterdir())
        path.write_bytes(path.read_bytes())
        return load(*arguments)

    monkeypatch.setattr(reid_baseline, "load_images", write_again)
    result = evaluate()
    assert result.exit_code == 1 and "images of none, p = 0.40 have changed" in result.stderr
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
    key = rows_of(evaluate("--save-models"))[0]["key"]
    kept = [study.features_path(key), study.model_path(key)]
    study.results_path.unlink()
    for path in kept:
        path.write_bytes(b"of an earlier build")
    row = rows_of(evaluate())[0]
    assert row["key"] == key and all(path.read_bytes()[:2] == b"PK" for path in kept)
    study.results_path.unlink()
    kept[0].unlink()
    kept[1].write_bytes(b"of an earlier build")
    evaluate()
    assert all(path.read_bytes()[:2] == b"PK" for path in kept)
    assert "2 results got re-ranked scores" in evaluate("--rerank").stderr


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
    resumed = rows_of(evaluate("--epochs", "3"))
    assert epochs == [2, 0, 1, 2] and len(resumed) == 2
    study.results_path.unlink()
    again = rows_of(evaluate("--epochs", "3"))
    assert epochs[4:] == [0, 1, 2, 0, 1, 2]
    assert [row["mean_ap"] for row in resumed] == [row["mean_ap"] for row in again]
    assert not list(study.path.glob(".work/*.pt"))


def test_images_are_changed_as_their_set_says_and_refused_when_their_files_are_others(tiny_root: Path) -> None:
    images = tuple(images_in(tiny_root / "query"))
    plain = TrainingSet("none", 0.4, "f", images)
    plain = replace(plain, stamp=plain.current_stamp())
    loaded = load_training_images(plain, (32, 16))
    assert loaded.shape == (8, 3, 32, 16) and loaded.dtype == torch.uint8
    inverted = replace(plain, transform=Transform([], lambda pixels: pixels.bitwise_not_()))
    assert torch.equal(load_training_images(inverted, (32, 16)), 255 - loaded)
    images[0].path.write_bytes(images[1].path.read_bytes())
    with pytest.raises(ReidAugError, match=r"images of none, p = 0\.40 have changed"):
        load_training_images(plain, (32, 16))
