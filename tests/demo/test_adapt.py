"""A generator that is trained further on the kept images of a portion."""

import json
import shutil
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import pona
from reidaug.cli.app import app
from reidaug.cli.console import progress
from reidaug.core.files import cache_folder
from reidaug.core.fingerprint import file_digest
from reidaug.core.locks import locked
from reidaug.demo import adapt as adapt_module
from reidaug.demo import pretrain
from reidaug.demo.request import AdaptRequest
from reidaug.study.folder import Study
from reidaug.study.plan import read_plan
from reidaug.study.records import read_synthesis_record
from tests.cli.commands import runner

pytestmark = pytest.mark.usefixtures("small_quick", "small_network", "own_folder")


@pytest.fixture(autouse=True)
def few_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "PEOPLE", replace(pretrain.PEOPLE, train_ids=3, images=4))


def adapt(*more: str) -> dict[str, str]:
    """The checkpoints by portion."""
    result = runner.invoke(app, ["adapt", "--iterations", "1", "--device", "cpu", "--json", *more])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["checkpoints"]


def test_a_generator_knows_the_kept_images_and_rendered_people_only(study: Study) -> None:
    (path,) = adapt("--study", str(study.path)).values()
    assert Path(path) == study.adapted_path(0.4)
    training = pona.load_checkpoint(path).training
    kept = {row.name for row in read_plan(study.plan_path(0.4)) if row.kept}
    names = training["trained_on"]["names"]
    assert training["protocol"] == "strict" and 0 < sum(name in kept for name in names) < len(names)
    assert not {row.name for row in read_plan(study.plan_path(0.4))} & set(names) - kept
    assert training["trained_on"]["start"]["file"] == "demo-pona.pt"
    assert training["origin"]["identity"] is not None and training["config"]["learning_rate"] == 1e-4


def test_without_a_study_it_learns_from_all_training_images(tiny_root: Path) -> None:
    arguments = [
        "adapt",
        "--data",
        str(tiny_root),
        "--out",
        "mine.pt",
        "--iterations",
        "1",
        "--device",
        "cpu",
        "--json",
    ]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0 and json.loads(result.stdout) == {"checkpoint": "mine.pt"}, result.output
    training = pona.load_checkpoint("mine.pt").training
    assert (training["protocol"], training["trained_on"]["start"]["file"]) == ("paper", "demo-pona.pt")


def test_each_portion_is_completed_with_its_own(study: Study, tiny_root: Path) -> None:
    assert runner.invoke(app, ["shrink", "--portion", "0.5", "--data", str(tiny_root)]).exit_code == 0
    command = ["synthesize", "--ckpt", "adapted", "--name", "adapted", "--device", "cpu", "--json"]
    result = runner.invoke(app, command)
    assert result.exit_code == 1 and "run `reidaug adapt --portion 0.40`" in result.output
    paths = adapt()
    assert list(paths) == ["0.40", "0.50"]
    result = runner.invoke(app, command)
    assert [report["seen_missing"] for report in json.loads(result.stdout)["sets"]] == [0, 0]
    records = [read_synthesis_record(study.set_root(p, "adapted").parent / "synthesis.json") for p in (0.4, 0.5)]
    assert [record.sha256 for record in records] == [file_digest(Path(path)).hex() for path in paths.values()]


def test_an_interrupted_training_is_none_yet(study: Study) -> None:
    path = Path(adapt()["0.40"])
    again = adapt()
    assert again == {"0.40": str(path)}  # it is there
    shutil.copy(path, path.with_name("adapted.pt.last"))
    result = runner.invoke(app, ["synthesize", "--ckpt", "adapted", "--name", "adapted"])
    assert result.exit_code == 1 and "run `reidaug adapt --portion 0.40`" in result.output


def test_a_second_process_waits(study: Study) -> None:
    request = AdaptRequest(iterations=1, device="cpu")
    said: list[str] = []
    waiting = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if "waiting for it" in line:
            waiting.set()

    second = threading.Thread(target=lambda: adapt_module.adapt_portion(study, 0.4, request, progress, say))
    with locked(study.adapted_path(0.4).with_name(".adapted.pt.adapt.lock"), "it"):
        second.start()
        assert waiting.wait(60) and not study.adapted_path(0.4).exists()
    second.join(60)
    assert study.adapted_path(0.4).is_file()


def test_other_settings_are_refused(study: Study) -> None:
    adapt()
    result = runner.invoke(app, ["adapt", "--iterations", "2", "--device", "cpu"])
    assert result.exit_code == 1 and "iterations 1 -> 2" in result.output


def test_a_sweep_adapts_where_it_must(study: Study, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidaug.cli.study.AdaptRequest", partial(AdaptRequest, iterations=1))
    command = ["sweep", "--portions", "0.5", "--ckpt", "adapted", "--recipe", "quick", "--arch", "resnet18"]
    result = runner.invoke(app, [*command, "--seeds", "1", "--epochs", "1", "--device", "cpu", "--json"])
    assert result.exit_code == 0, result.output
    assert {row["set"] for row in json.loads(result.stdout)["rows"]} == {"none", "adapted", "full"}
    assert study.adapted_path(0.5).is_file() and (cache_folder() / "people-1-3x4").is_dir()
