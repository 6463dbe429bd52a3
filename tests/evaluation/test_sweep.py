"""The whole table in one command, alone and shared between processes."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from reidaug.cli.app import app
from reidaug.core.locks import locked
from reidaug.evaluation import sweep as sweep_module
from reidaug.evaluation.results import read_results
from reidaug.study.folder import Study
from reidaug.synthesis.painter import Painter
from tests.cli.commands import runner
from tests.evaluation import commands
from tests.evaluation.commands import rows_of
from tests.factories import double_keypoints, write_checkpoint

SMALL = [*commands.SMALL, "--seeds", "1"]
pytestmark = pytest.mark.usefixtures("small_quick", "small_network")


@pytest.fixture(autouse=True)
def two_checkpoints(own_folder: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIDAUG_DATA", str(tiny_root))
    write_checkpoint(own_folder / "one.pt", seed=0)
    write_checkpoint(own_folder / "two.pt", seed=1)


def sweep(*arguments: str) -> Result:
    return runner.invoke(app, ["sweep", *SMALL, "--json", *arguments])


def cells(result: Result) -> set[tuple[str, float]]:
    return {(row["set"], row["portion"]) for row in rows_of(result)}


def test_one_command_gives_the_whole_table_and_does_nothing_twice() -> None:
    arguments = ["--portions", "0.4,0.6", "--ckpt", "one.pt", "--ckpt", "two.pt", "--controls", "source-copy"]
    first = sweep(*arguments)
    sets = ("none", "source-copy", "one", "two")
    assert cells(first) == {*((name, p) for p in (0.4, 0.6) for name in sets), ("full", 1.0)}
    assert "none, source-copy, one, two at p = 0.40, 0.60, and full: 9 training sets x 1 seed" in first.stderr
    assert all(words in first.stderr for words in ("9 baselines to train", "72 images to generate", "on cpu: about"))
    again = sweep(*arguments)
    assert json.loads(again.stdout) == json.loads(first.stdout) and "nothing to train" in again.stderr
    assert "9 baselines (9 exist" in again.stderr and "0 images to generate (72 exist" in again.stderr


def test_processes_share_the_sets_and_the_last_one_sees_all(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--portions", "0.4", "--ckpt", "one.pt"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    first = sweep(*arguments)
    assert cells(first) == {("none", 0.4), ("full", 1.0)}
    assert "1 of 3 baselines are with other" in first.stderr
    assert not (Path("study") / "p0.40" / "one").exists()
    monkeypatch.setenv("RANK", "1")
    assert cells(sweep(*arguments)) == {("none", 0.4), ("one", 0.4), ("full", 1.0)}
    assert len(read_results(Study(Path("study")).results_path)) == 3


def test_a_process_without_a_share_shows_the_whole_table_too(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cells(sweep("--portions", "0.4"))
    assert whole == {("none", 0.4), ("full", 1.0)}
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "7")
    result = sweep("--portions", "0.4")
    assert cells(result) == whole and "with other" not in result.stderr
    assert cells(sweep("--portions", "0.4", "--epochs", "2")) == set()


def test_rows_of_another_length_are_not_the_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cells(sweep("--portions", "0.4")) == {("none", 0.4), ("full", 1.0)}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    longer = sweep("--portions", "0.4", "--epochs", "2")
    assert cells(longer) == {("none", 0.4)} and "1 of 2 baselines are with other" in longer.stderr


def test_care_and_features_are_the_sweep_s_too(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--portions", "0.4", "--ckpt", "one.pt", "--synthetic-weight", "0.5", "--save-models", "--rerank"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        result = sweep(*arguments)
    assert cells(result) == {("none", 0.4), ("one", 0.4), ("full", 1.0)}
    rows = {row["set"]: row for row in rows_of(result)}
    assert rows["one"]["care"] == {"synthetic_weight": 0.5} and rows["none"]["care"] == {}
    assert all("rerank_mean_ap" in row for row in rows.values())
    assert len(list(Path("study/features").iterdir())) == 3


def test_a_process_without_a_share_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    result = sweep("--portions", "0.4")
    assert cells(result) == set() and "share: 0" in result.stderr
    assert "exist" not in result.stderr


def test_seeds_of_one_set_are_shared_and_its_images_generated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "6")
    seeds = []
    for rank in range(6):
        monkeypatch.setenv("RANK", str(rank))
        result = sweep("--portions", "0.4", "--ckpt", "one.pt", "--seeds", "2")
        seeds.append(len(rows_of(result)))
        assert f"{5 - rank} of 6 baselines" in result.stderr or rank == 5
        assert ("(17 by this run)" in result.stderr) == (rank == 1), result.stderr
    assert seeds == [1, 2, 3, 4, 5, 6]


def test_a_process_waits_for_the_one_that_generates_its_set(own_folder: Path) -> None:
    cells(sweep("--portions", "0.4"))  # makes the plan
    folder = own_folder / "study" / "p0.40" / "one"
    folder.mkdir()
    with locked(folder / ".lock-0-of-1", "the set"):
        process = subprocess.Popen(
            [sys.executable, "-m", "reidaug", "sweep", *SMALL, "--portions", "0.4", "--ckpt", "one.pt"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr and process.stdout
        for line in process.stderr:
            if "waiting for it" in line:
                break
        assert f"is being made by process {os.getpid()}" in line
        assert not list(folder.glob("*/bounding_box_train/*"))
    assert "one, p = 0.40, seed 0: mAP" in process.stderr.read()
    assert "one" in process.stdout.read() and process.wait() == 0


def test_the_best_weights_of_a_training_make_a_set_of_a_plain_name() -> None:
    Path("one.best.pt").write_bytes(Path("one.pt").read_bytes())
    assert ("one-best", 0.4) in cells(sweep("--portions", "0.4", "--ckpt", "one.best.pt"))


def test_the_shipped_generator_gives_a_set_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidaug.synthesis.painter.shipped_checkpoint", lambda: Path("one.pt"))
    assert ("shipped", 0.4) in cells(sweep("--portions", "0.4", "--ckpt", "shipped"))


def test_what_cannot_be_evaluated_is_an_error_before_anything_is_written() -> None:
    result = sweep("--portions", "0.4", "--weights", "nowhere.pth")
    assert result.exit_code == 1 and "nowhere.pth" in result.stderr
    assert not Path("study").exists()


def test_images_that_cannot_be_read_are_all_named_before_anything_is_written(tiny_root: Path) -> None:
    paths = [sorted((tiny_root / folder).glob("*.jpg"))[1] for folder in ("bounding_box_train", "query")]
    for path in paths:
        path.write_bytes(b"")
    result = sweep("--portions", "0.4")
    assert result.exit_code == 1 and "2 images of " in result.stderr
    assert all(str(path) in result.stderr for path in paths) and not Path("study").exists()


def test_keypoints_of_other_images_are_an_error_before_anything_is_said(tiny_root: Path) -> None:
    double_keypoints(tiny_root / "market-annotation-train.csv")
    result = sweep("--portions", "0.4")
    assert result.exit_code == 1 and "is this the keypoint file of images of another size" in result.stderr
    assert "sweep:" not in result.stderr and not Path("study").exists()


def test_copied_sets_can_be_moved() -> None:
    cells(sweep("--portions", "0.4", "--ckpt", "one.pt", "--copy"))
    for name in ("none", "one"):
        for split in ("query", "bounding_box_test"):
            assert not (Path("study") / "p0.40" / name / "Market-1501-v15.09.15" / split).is_symlink()


def test_portions_and_names_that_cannot_be() -> None:
    Path("full.pt").write_bytes(Path("one.pt").read_bytes())
    for arguments, message in (
        (["--ckpt", "one.pt", "--ckpt", "./one.pt"], "name of another set"),
        (["--ckpt", "full.pt"], "--ckpt full.pt: the file's name"),
        (["--ckpt", "full.pt"], "none of none, full"),
        (["--ckpt", "my one.pt"], "--ckpt my one.pt: the file's name"),
        (["--ckpt", "nowhere.pt"], "nowhere.pt does not exist"),
    ):
        result = sweep("--portions", "0.4", *arguments)
        assert result.exit_code == 1 and message in result.stderr
    assert sweep("--portions", "0.4,1.5").exit_code == 1


def test_each_generator_is_timed_once_and_the_recipe_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[str] = []
    real = sweep_module.seconds_per_image

    def counted(painter: Painter, *arguments: Any) -> float:
        timed.append(painter.name)
        return real(painter, *arguments)

    monkeypatch.setattr(sweep_module, "seconds_per_image", counted)
    options = [option for option in SMALL if option not in ("--recipe", "quick")]
    result = runner.invoke(app, ["sweep", *options, "--json", "--portions", "0.4,0.6", "--ckpt", "one.pt"])
    assert result.exit_code == 0, result.output
    assert timed == ["one.pt"] and result.stderr.count("recipe quick (no GPU") == 1


def make_set(checkpoint: str, name: str, portion: str) -> None:
    """A set that was made without the sweep."""
    for arguments in (["shrink"], ["synthesize", "--ckpt", checkpoint, "--name", name, "--device", "cpu"]):
        result = runner.invoke(app, [*arguments, "--portion", portion])
        assert result.exit_code == 0, result.output


def test_a_set_of_another_generator_is_said_before_anything_is_generated() -> None:
    make_set("two.pt", "one", "0.5")
    result = sweep("--portions", "0.3,0.5", "--ckpt", "two.pt", "--ckpt", "one.pt")
    assert result.exit_code == 1 and "study/p0.50/one was made with two.pt (" in result.stderr
    assert "rename one.pt" in result.stderr and "--name, or" not in result.stderr
    assert [path.name for path in Path("study").glob("p*")] == ["p0.50"] and not Path("study/p0.50/two").exists()
    advice = re.findall("`reidaug (.*?)`", result.stderr)
    assert advice == ["synthesize --force --name one --portion 0.50 --ckpt one.pt"]
    assert runner.invoke(app, shlex.split(advice[0])).exit_code == 0


def test_complete_sets_are_not_announced_as_work(monkeypatch: pytest.MonkeyPatch) -> None:
    make_set("one.pt", "one", "0.4")
    monkeypatch.setattr(sweep_module, "evaluate_study", lambda *_, **__: [])
    result = sweep("--portions", "0.4,0.6", "--ckpt", "one.pt")
    assert "5 baselines to train, and 14 images to generate (22 exist" in result.stderr


def test_augmented_sets_of_the_portions_are_among_its_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[list[int]] = []
    estimate = sweep_module.training_seconds
    monkeypatch.setattr(
        sweep_module, "training_seconds", lambda setting, of, *more: sizes.append(of) or estimate(setting, of, *more)
    )
    arguments = ["--portions", "0.4", "--ckpt", "one.pt", "--controls", "source-copy"]
    before = cells(sweep(*arguments))
    augmenting = ["augment", "--ckpt", "two.pt", "--per-person", "3", "--name", "more", "--device", "cpu"]
    assert runner.invoke(app, augmenting).exit_code == 0
    again = sweep(*arguments)
    assert cells(again) == before | {("more", 0.4), ("source-copy for more", 0.4)}
    assert "6 baselines (4 exist already)" in again.stderr
    augmented = len(list(Path("study/p0.40/more").glob("*/bounding_box_train/*.jpg")))
    assert sorted(sizes[0]) == [14, 36, 36, 36] and sizes[1] == [augmented, augmented] and 14 < augmented < 36
