"""Networks of rendered people: trained once, resumed after a kill, and a start that the table tells of."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pona
from reid_baseline import RECIPES, ReIDError, load_model
from reidaug.cli.app import app
from reidaug.core.files import cache_folder
from reidaug.core.locks import locked
from reidaug.core.progress import Advance
from reidaug.demo import pretrain as module
from reidaug.demo.mannequins import write_mannequins
from reidaug.demo.pretrain import PEOPLE, pretrain
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.start import Start, rendered_path
from reidaug.study.folder import Study
from reidaug.synthesis.painter import Painter, shipped_checkpoint
from tests.cli.commands import runner
from tests.evaluation.commands import evaluate, rows_of
from tests.factories import equal, images_in

REQUEST = EvaluationRequest(recipe="quick", arch="resnet18", device="cpu")
FEW = replace(PEOPLE, train_ids=3, images=4)

pytestmark = pytest.mark.usefixtures("small_quick", "small_network", "own_folder")


@pytest.fixture(autouse=True)
def few_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PEOPLE", FEW)


@contextmanager
def silent(what: str) -> Iterator[Advance]:
    yield lambda *_, **__: None


def rendered_path_of_request() -> Path:
    return rendered_path(Start("none", "none"), RECIPES["quick"], "resnet18")


def trained(**more: Any) -> tuple[Path, list[str]]:
    """The file, and what was said."""
    said: list[str] = []
    return pretrain(replace(REQUEST, **more), silent, said.append), said


def test_the_people_are_those_of_the_shipped_generator(tmp_path: Path) -> None:
    """Byte for byte, but for the few without a usable pose, on which it was not trained."""
    root = write_mannequins(tmp_path / "people", replace(PEOPLE, train_ids=2))
    images, painter = images_in(root / "bounding_box_train"), Painter(shipped_checkpoint(), "cpu")
    known = painter.count_seen(images)
    assert known is not None and 20 <= known <= len(images) == 24
    names = pona.load_checkpoint(shipped_checkpoint()).training["trained_on"]["names"]
    assert len({name[:4] for name in names}) == PEOPLE.train_ids


def test_a_network_is_trained_once_on_all_people_with_the_recipe_s_epochs(trained_on: list[dict[str, Any]]) -> None:
    path, said = trained(epochs=1)
    assert path.parent == cache_folder() and "12 images of 3 rendered people" in said[0] and "once, about" in said[0]
    assert trained(weights="rendered") == (path, [])
    (call,) = trained_on
    assert len(call["images"]) == 12 and call["recipe"].epochs == 20 and call["weights"] == "none"


def test_an_interrupted_training_goes_on_to_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model, recipe = load_model(trained()[0])
    assert model.classifier.out_features == 3 and recipe == RECIPES["quick"]
    assert not list(cache_folder().glob("*.unfinished"))
    whole = model.state_dict()
    path = rendered_path_of_request()
    path.unlink()
    monkeypatch.setattr("reid_baseline.train.SAVE_SECONDS", -1.0)
    epochs: list[int] = []

    @contextmanager
    def killed(what: str) -> Iterator[Advance]:
        def advance(done: int, total: int, note: str = "") -> None:
            epochs.append(int(note.split()[1]))
            if epochs[-1] == 5 and epochs[0] == 1:
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        pretrain(REQUEST, killed, print)
    assert not path.exists()
    epochs.clear()
    pretrain(REQUEST, killed, print)
    assert epochs[0] == 5 and equal(load_model(path)[0].state_dict(), whole)


def test_a_state_that_cannot_be_used_is_no_dead_end(monkeypatch: pytest.MonkeyPatch) -> None:
    path = rendered_path_of_request()
    path.parent.mkdir(parents=True)
    path.with_suffix(".unfinished").write_bytes(b"broken")
    assert trained()[0] == path and path.is_file()


def test_a_second_process_waits_for_the_first() -> None:
    path, said = rendered_path_of_request(), list[str]()
    path.parent.mkdir(parents=True)
    with locked(path.with_suffix(".lock"), "x"):
        second = threading.Thread(target=lambda: pretrain(REQUEST, silent, said.append))
        second.start()
        second.join(0.5)
        assert second.is_alive() and "waiting for it" in said[0]
        path.write_bytes(b"made by the first")
    second.join(20)
    assert not second.is_alive() and path.read_bytes() == b"made by the first"


def test_weights_that_are_not_there_are_told_before_people_are_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(ReIDError, match="ImageNet weights of resnet18"):
        trained(weights="imagenet")
    assert not list(cache_folder().glob("people*"))


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = runner.invoke(app, ["pretrain", "--recipe", "quick", "--arch", "resnet18", "--device", "cpu"])
    assert result.exit_code == 1 and "XDG_CACHE_HOME" in result.stderr.splitlines()[-1]


def test_the_command_says_where_the_network_is_and_how_it_is_used() -> None:
    result = runner.invoke(app, ["pretrain", "--recipe", "quick", "--arch", "resnet18", "--device", "cpu", "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["weights"] == str(rendered_path_of_request())


def test_evaluate_pretrains_and_the_control_is_a_start_of_the_same_images(
    study: Study, trained_on: list[dict[str, Any]]
) -> None:
    result = evaluate("--controls", "rendered-first,none-matched")
    rows = {row["set"]: row for row in rows_of(result)}
    assert "pretraining resnet18" in result.stderr and len(trained_on) == 5
    lines = result.stderr.splitlines()
    assert len(lines) == len(set(lines)), lines
    control, matched = rows["rendered-first"], rows["none-matched"]
    assert control["weights"] == matched["weights"] == "none" and "trained_weights" not in matched
    assert control["trained_weights"].startswith("rendered:") and control["key"] != matched["key"]
    assert control["training_fingerprint"] == matched["training_fingerprint"]
    assert control["trained_epochs"] == matched["trained_epochs"]
    assert control["configuration"]["weights"] == control["trained_weights"]
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    assert "| rendered-first | 0.40 | none |" in table and "rendered-first: none-matched, from a network" in table


def test_what_was_said_before_the_pretraining_is_not_said_again(study: Study, trained_on: list[dict[str, Any]]) -> None:
    small = ["--arch", "resnet18", "--epochs", "1", "--device", "cpu", "--weights", "rendered"]
    result = runner.invoke(app, ["evaluate", *small])
    assert result.exit_code == 0 and "pretraining resnet18" in result.stderr
    assert result.stderr.count("recipe quick (no GPU") == 1


def test_an_evaluation_from_rendered_weights_shares_the_result_of_the_control(
    study: Study, trained_on: list[dict[str, Any]]
) -> None:
    control = {row["set"]: row for row in rows_of(evaluate("--controls", "rendered-first"))}["rendered-first"]
    trained_on.clear()
    rows = {row["set"]: row for row in rows_of(evaluate("--weights", "rendered", "--controls", "all"))}
    assert len(trained_on) == 5 and all(row["weights"] == control["trained_weights"] for row in rows.values())
    for name in ("none-matched", "rendered-first"):
        shared = rows[name]
        assert shared["key"] == control["key"] and shared["mean_ap"] == control["mean_ap"]
        assert "trained_weights" not in shared
    assert len({call["weights"] for call in trained_on}) == 1


def test_a_folder_without_a_study_is_told_before_the_training(
    own_folder: Path, trained_on: list[dict[str, Any]]
) -> None:
    result = evaluate("--weights", "rendered")
    assert result.exit_code == 1 and "shrink" in result.stderr and not trained_on
