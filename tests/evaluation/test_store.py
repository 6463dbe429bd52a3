"""The results of a study for an evaluation: complete ones, shared ones, those that come back."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reid_baseline import RECIPES
from reidaug.cli.app import app
from reidaug.core.left_overs import remove_left_overs
from reidaug.core.locks import locked
from reidaug.core.machine import TIME
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.results import append_result, current_results, read_results
from reidaug.evaluation.runs import Run
from reidaug.evaluation.setting import choose_setting
from reidaug.evaluation.start import Start
from reidaug.evaluation.store import ResultStore, left_overs_of
from reidaug.study.folder import Study
from reidaug.study.training_sets import Provenance
from tests.cli.commands import runner, values_of
from tests.evaluation.commands import RERANKED, evaluate, rows_of
from tests.factories import make_result, training_set, write_checkpoint

pytestmark = pytest.mark.usefixtures("study", "small_quick", "small_network")


def test_equal_sets_share_one_training_and_both_stand_in_the_table(study: Study) -> None:
    none = study.set_root(0.4, "none").parent
    shutil.copytree(none, none.with_name("twin"), symlinks=True)
    rows = rows_of(evaluate())
    assert [row["set"] for row in rows] == ["none", "twin", "full"]
    assert rows[0]["mean_ap"] == rows[1]["mean_ap"] and rows[0]["key"] == rows[1]["key"] != rows[2]["key"]
    assert "nothing to train" in evaluate().stderr
    again = values_of("table")["rows"]
    assert sorted(row["set"] for row in again) == ["full", "none", "twin"]


def test_the_table_shows_the_set_that_is_there_also_when_it_was_made_before(study: Study, tmp_path: Path) -> None:
    checkpoints = [write_checkpoint(tmp_path / f"{seed}.pt", seed=seed) for seed in (0, 1)]
    keys = []
    for number in (0, 1, 0):
        made = runner.invoke(app, ["synthesize", "--ckpt", str(checkpoints[number]), "--name", "pona", "--force"])
        assert made.exit_code == 0, made.output
        keys.append({row["set"]: row["key"] for row in rows_of(evaluate())}["pona"])
        table = values_of("table")["rows"]
        assert [row["key"] for row in table if row["set"] == "pona"] == [keys[-1]]
    assert keys[0] == keys[2] != keys[1]


def test_a_set_made_again_takes_its_old_seeds_and_neighbours_out_of_the_table(study: Study, tiny_root: Path) -> None:
    assert evaluate("--seeds", "2", "--controls", "source-copy").exit_code == 0
    options = ["--portion", "0.4", "--data", str(tiny_root), "--force"]
    assert runner.invoke(app, ["shrink", *options, "--seed", "5"]).exit_code == 0
    assert evaluate().exit_code == 0
    table = values_of("table")["rows"]
    assert sorted((row["set"], row["seed"]) for row in table) == [("full", 0), ("full", 1), ("none", 0)]
    assert runner.invoke(app, ["shrink", *options]).exit_code == 0
    assert "nothing to train" in evaluate().stderr
    table = values_of("table")["rows"]
    assert sorted({row["set"] for row in table}) == ["full", "none", "source-copy"] and len(table) == 6


@pytest.mark.parametrize("matched_first", [True, False])
def test_a_set_and_a_control_of_one_experiment_stand_in_their_own_tables(study: Study, matched_first: bool) -> None:
    short, long = ("--controls", "none-matched"), ("--epochs", "2")
    for arguments in (short, long) if matched_first else (long, short):
        assert evaluate(*arguments).exit_code == 0
    rows = values_of("table")["rows"]
    places = sorted((row["epochs"], row["set"], row["trained_epochs"]) for row in rows)
    matched = next(row["trained_epochs"] for row in rows if row["set"] == "none-matched")
    assert places == [(1, "full", 1), (1, "none", 1), (1, "none-matched", matched), (2, "full", 2), (2, "none", 2)]
    keys = {(row["epochs"], row["set"]): row["key"] for row in rows}
    assert (keys[1, "none-matched"] == keys[2, "none"]) == (matched == 2)


def test_a_network_that_was_not_kept_is_trained_again_to_the_same_number(study: Study) -> None:
    first = rows_of(evaluate())
    again = evaluate("--save-models")
    assert "2 of 2 baselines" in again.stderr
    assert [row["mean_ap"] for row in rows_of(again)] == [row["mean_ap"] for row in first]


def test_without_features_it_is_trained_again_and_said(study: Study) -> None:
    first = rows_of(evaluate())
    result = evaluate("--rerank")
    assert "2 results are trained again" in result.stderr
    assert "2 of 2 baselines" in result.stderr
    rows = rows_of(result)
    assert [row["mean_ap"] for row in rows] == [row["mean_ap"] for row in first]
    assert all(field in row for row in rows for field in RERANKED)
    assert not (study.path / "features").exists()
    assert "nothing to train" in evaluate("--rerank").stderr
    kept = rows_of(evaluate("--save-models"))  # trained once more, for the features
    assert [row[name] for row in kept for name in RERANKED] == [row[name] for row in rows for name in RERANKED]
    assert len(list((study.path / "features").iterdir())) == 2


START = Start("imagenet", "imagenet")  # of `make_result`


def store_of(folder: Path, with_models: bool = False, with_reranking: bool = False) -> ResultStore:
    setting = choose_setting(EvaluationRequest(recipe="quick", epochs=5, device="cpu"), print)
    return ResultStore(Study(folder / "own"), setting, with_models, with_reranking)


def run_of(name: str, key: str, seed: int = 0, **more: Any) -> Run:
    return Run(training_set(name, **more), seed, RECIPES["quick"], START, {}, START.name, key)


def test_a_result_is_complete_when_it_has_all_that_is_required(tmp_path: Path) -> None:
    plain, models, scores = (store_of(tmp_path, *what) for what in ((), (True,), (False, True)))
    run, other = run_of("none", "k"), run_of("none", "other")
    assert plain.missing([run]) == [run] and not plain.is_done(run)
    plain.add(make_result(key="k"))
    assert plain.missing([run, other]) == [other] and plain.is_done(run)
    assert not models.is_done(run) and not scores.is_done(run)
    for path in (plain.study.model_path("k"), plain.study.features_path("k")):
        assert not models.complete()
        path.parent.mkdir()
        path.touch()
    assert models.is_done(run) and not scores.is_done(run)
    plain.add(
        make_result(key="k", rerank_mean_ap=0.5, rerank_mean_ap_trapezoid=0.5, rerank_rank1=0.5, reranking={"k1": 20})
    )
    assert scores.is_done(run)


def test_an_equal_set_gets_the_result_under_its_own_name_once(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    first, twin = run_of("none", "k"), run_of("twin", "k", portion=0.6, synthetic=(1,), reduced="r")
    done = make_result(key="k", trapezoid=0.3)
    store.add(done)
    assert store.missing([first, twin]) == [twin] and store.is_done(twin)
    for _ in range(2):
        store.share([first, twin, run_of("new", "l")])
    shared = replace(done, set="twin", portion=0.6, synthetic=1, reduced_fingerprint="r", epochs=5)
    assert read_results(store.study.results_path) == [done, shared]


def test_results_of_images_that_are_back_are_current_again(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    old, new = (make_result(key=name, training_fingerprint=name) for name in ("old", "new"))
    for result in (old, new):
        store.add(result)
    assert current_results(read_results(store.study.results_path)) == [new]
    store.make_current([run_of("none", "old"), run_of("none", "absent")])
    assert current_results(read_results(store.study.results_path)) == [old]
    lines = len(store.study.results_path.read_text().splitlines())
    store.make_current([run_of("none", "old")])
    assert len(store.study.results_path.read_text().splitlines()) == lines


def test_results_tell_the_origin_of_the_images_as_they_are_now(tmp_path: Path) -> None:
    store, now = store_of(tmp_path), Provenance(missing=3, seen_missing=0, protocol="strict")
    store.add(make_result("pona", key="k", missing=7))
    (result,) = store.results_of([run_of("pona", "k", provenance=now), run_of("pona", "absent")])
    assert result.provenance == now


def test_the_state_of_a_training_whose_result_is_written_is_left_over(tmp_path: Path) -> None:
    study = Study(tmp_path / "other")
    study.work_path.mkdir(parents=True)
    written = time.strftime(TIME)
    for key in ("done", "again", "other"):
        (study.work_path / f"{key}.pt").write_bytes(b"state")
    for key in ("done", "again"):
        append_result(study.results_path, make_result(key=key, time=written))
    os.utime(study.work_path / "again.pt", (time.time() + 60,) * 2)  # of a training that began after its result
    assert [left.path.name for left in left_overs_of(study)] == ["done.pt"]
    with locked(study.work_path / "done.lock", "it"):
        remove_left_overs(left_overs_of(study))
        assert (study.work_path / "done.pt").exists()
    remove_left_overs(left_overs_of(study))
    assert sorted(os.listdir(study.work_path)) == ["again.pt", "other.pt"]


def test_evaluate_removes_what_killed_runs_left(study: Study) -> None:
    key = rows_of(evaluate("--save-models"))[0]["key"]
    (study.work_path / f"{key}.pt").write_bytes(b"state")
    os.utime(study.work_path / f"{key}.pt", (time.time() - 60,) * 2)
    for folder in ("models", "queries", ".work"):
        (study.path / folder / ".0123456789abcdef.partial").touch()
    assert "nothing to train" in evaluate().stderr
    assert not [path for path in study.path.rglob("*") if path.name.startswith(".") and path != study.work_path]
    assert not list(study.work_path.iterdir())
