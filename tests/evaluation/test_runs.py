"""The runs of an evaluation: what a key depends on, epochs of a control, care."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reid_baseline import RECIPES
from reidaug.cli.app import app
from reidaug.evaluation.request import Care, EvaluationRequest
from reidaug.evaluation.results import result_key
from reidaug.evaluation.runs import make_run
from reidaug.evaluation.setting import Setting, choose_setting
from reidaug.study.folder import Study
from tests.cli.commands import runner
from tests.evaluation.commands import evaluate, rows_of
from tests.factories import make_result, training_set, write_checkpoint

pytestmark = pytest.mark.usefixtures("study", "small_quick", "small_network")


def test_key_depends_on_what_differs_from_the_default_so_that_later_settings_change_no_old_key(study: Study) -> None:
    row = rows_of(evaluate())[0]
    recipe = replace(RECIPES["quick"], epochs=1)
    assert "synthetic_weight" not in recipe.differences() and recipe.differences()["name"] == "quick"
    setting = {"recipe": recipe.differences(), "arch": "resnet18", "weights": "none"}
    assert row["key"] == result_key(row["training_fingerprint"], row["test_fingerprint"], setting, 0)
    assert row["configuration"]["recipe"]["synthetic_weight"] == 1.0  # the row itself tells everything


def test_controls_stand_in_the_table_and_the_matched_one_takes_as_many_steps(study: Study) -> None:
    result = evaluate("--controls", "none-matched,flip", "--epochs", "2")
    by_set = {row["set"]: row for row in rows_of(result)}
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
    plain = {row["set"]: row for row in rows_of(evaluate())}
    result = evaluate("--synthetic-weight", "0.5", "--smooth-synthetic", "0.2", "--real-per-synthetic", "2")
    assert "to train: 1 of 3 baselines (pona (p = 0.40))" in result.stderr
    careful = {row["set"]: row for row in rows_of(result)}
    assert careful["none"] == plain["none"] and careful["full"] == plain["full"]
    assert careful["pona"]["key"] != plain["pona"]["key"] and plain["pona"]["care"] == {}
    wanted = {"synthetic_weight": 0.5, "synthetic_smoothing": 0.2, "real_per_synthetic": 2.0}
    assert careful["pona"]["care"] == wanted
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    assert "| pona |" in table and "| pona (weight 0.5, smoothing 0.2, real per synthetic 2) |" in table


def test_copies_are_treated_with_the_care_that_generated_images_get(study: Study) -> None:
    rows = rows_of(evaluate("--controls", "source-copy,none-matched", "--synthetic-weight", "0.5"))
    care = {row["set"]: row["care"] for row in rows}
    weighted = {"synthetic_weight": 0.5}
    assert care == {"none": {}, "none-matched": {}, "source-copy": weighted, "full": {}}
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    assert "| source-copy (weight 0.5) | 0.40 | none |" in table and "controls, which cost nothing" in table


def setting_of(recipe: str = "paper", **request: object) -> Setting:
    values = {"recipe": recipe, "weights": "none", "device": "cpu", **request}
    return choose_setting(EvaluationRequest(**values), print)  # type: ignore[arg-type]


def test_a_key_heeds_what_changes_the_number_and_nothing_else() -> None:
    def key(seed: int = 0, test: str = "t", setting: Setting | None = None, **more: Any) -> str:
        return make_run(training_set(**more), seed, setting or setting_of(), test).key

    careful = setting_of(care=Care(synthetic_weight=0.5))
    assert key() == key(name="twin", portion=0.2, reduced="r") == key(setting=careful)
    others = [key(seed=1), key(test="u"), key(images=6), key(setting=setting_of("strong")), key(synthetic=(1,))]
    others += [key(setting=careful, synthetic=(1,)), key(setting=setting_of(precision="fp32"))]
    others += [key(setting=setting_of(epochs=7)), key(setting=setting_of(arch="resnet18"))]
    assert others[4] == key() and len({key(), *others}) == 9


def test_a_matched_control_has_the_epochs_that_give_as_many_steps() -> None:
    """64 images are 2 batches of 32, 160 are 5."""
    setting = setting_of()
    matched = training_set(images=64, steps_of=training_set(images=160).pids)
    run = make_run(matched, 0, setting, "t")
    assert (setting.recipe.epochs, run.recipe.epochs) == (60, 150)
    fields = run.fields(setting)
    assert (fields["epochs"], fields["trained_epochs"], fields["identities"]) == (60, 150, 32)
    assert run.configuration["recipe"]["epochs"] == 150
    few = training_set(images=160, steps_of=training_set(images=64).pids)
    assert make_run(few, 0, setting_of(epochs=1), "t").recipe.epochs == 1


def test_the_fields_of_a_run_are_of_its_result() -> None:
    run = make_run(training_set("pona", synthetic=(1, 3), reduced="r"), 2, setting_of(), "t")
    fields = run.fields(setting_of())
    result = make_result(**fields)
    assert run.row_key == result.row_key and run.title() == "pona, p = 0.40, seed 2"
    assert (result.images, result.synthetic, result.identities, result.reduced_fingerprint) == (4, 2, 2, "r")
    assert make_run(training_set(), 0, setting_of(), "t").fields(setting_of())["reduced_fingerprint"] is None
