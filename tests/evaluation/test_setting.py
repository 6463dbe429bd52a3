"""The setting of an evaluation: recipe, weights by their digest, precision."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reid_baseline import RECIPES
from reid_baseline.device import choose_precision
from reidaug.cli.app import app
from reidaug.evaluation.request import Care, EvaluationRequest
from reidaug.evaluation.setting import Setting, choose_setting
from reidaug.study.folder import Study
from tests.cli.commands import runner
from tests.evaluation.commands import evaluate, rows_of

pytestmark = pytest.mark.usefixtures("study", "small_quick", "small_network")


def test_a_precision_that_is_asked_for_has_results_and_a_table_of_its_own(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], size=(64, 64)))  # smaller ones stay in float32
    auto = choose_precision(torch.device("cpu"))
    precisions = ["auto", "fp32", "bf16"][: 3 if auto == "bf16" else 2]  # without units for bf16 it takes minutes
    asked = {}
    for precision in precisions:
        rows = rows_of(evaluate("--precision", precision))
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


def test_missing_weights_file(study: Study) -> None:
    result = evaluate("--weights", "nowhere.pth")
    assert result.exit_code == 1 and "nowhere.pth" in result.stderr


def chosen(**request: object) -> tuple[Setting, list[str]]:
    """The setting of a request, and what is said of it."""
    said: list[str] = []
    return choose_setting(EvaluationRequest(**{"device": "cpu", **request}), said.append), said  # type: ignore[arg-type]


@pytest.mark.parametrize(("device", "recipe", "weights"), [("cpu", "quick", "none"), ("cuda", "paper", "imagenet")])
def test_the_recipe_is_the_paper_s_where_there_is_a_gpu_and_this_is_said(
    device: str, recipe: str, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reidaug.evaluation.setting.pick_device", torch.device)
    setting, (line,) = chosen(device=device)
    assert (setting.recipe, setting.start.weights, setting.device.type) == (RECIPES[recipe], weights, device)
    assert f"recipe {recipe}" in line and setting.arch == "resnet50"


def test_what_is_asked_for_replaces_what_the_recipe_says() -> None:
    setting, said = chosen(recipe="paper", epochs=7, care=Care(synthetic_weight=0.5))
    assert setting.recipe == replace(RECIPES["paper"], epochs=7, synthetic_weight=0.5) and not said
    assert setting.start.name == "imagenet" and chosen(recipe="paper", weights="none")[0].start.weights == "none"


def test_quick_is_gentler_with_trained_weights_and_this_is_said(tmp_path: Path) -> None:
    (tmp_path / "start.pth").write_bytes(b"")
    for weights in ("imagenet", str(tmp_path / "start.pth")):
        setting, (line,) = chosen(recipe="quick", weights=weights)
        assert setting.recipe == replace(RECIPES["quick"], lr_backbone=0.01) and "0.01 instead of quick's 0.1" in line
    assert chosen(recipe="quick", weights="none")[0].recipe == chosen(recipe="quick")[0].recipe == RECIPES["quick"]
    assert chosen(recipe="strong", weights="imagenet") == chosen(recipe="strong")


def test_only_a_precision_that_was_asked_for_is_part_of_a_configuration() -> None:
    auto, asked = (chosen(recipe="quick", precision=precision)[0] for precision in ("auto", "fp32"))
    wanted = {"recipe": "R", "arch": "resnet50", "weights": "none"}
    assert auto.configuration("R", auto.start) == wanted
    assert asked.configuration("R", asked.start) == {**wanted, "asked_precision": "fp32"}
