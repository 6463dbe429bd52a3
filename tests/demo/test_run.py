"""The demo and the generator that is shipped for it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import pona
from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import find_annotations, read_annotations
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.pairs import draw_pairs
from reidaug.demo import run as demo
from reidaug.demo.mannequins import MannequinConfig, write_mannequins
from reidaug.evaluation.evaluate import evaluate_study
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.results import Result
from reidaug.study.folder import Study
from reidaug.synthesis.provenance import count_seen
from tests.factories import all_pairs, images_in

runner = CliRunner()
FEW = MannequinConfig(train_ids=6, test_ids=4, images=5, seed=0)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the people of the demo: the images of a smaller set are among those of a larger one."""
    return write_mannequins(tmp_path_factory.mktemp("demo") / "people", FEW)


def test_shipped_generator_has_seen_nobody_of_the_demo(people: Path) -> None:
    folder = split_folder(people, "train")
    training = pona.load_checkpoint(demo.shipped_checkpoint()).training
    assert count_seen(images_in(folder, [path.name for path in folder.glob("*.jpg")]), training) == 0
    assert demo.PEOPLE.seed == FEW.seed


def test_shipped_generator_beats_both_guesses_on_people_it_has_not_seen(people: Path) -> None:
    annotations = read_annotations(find_annotations(people, "train"))
    images = read_images([split_folder(people, "train") / name for name in annotations.names])
    condition, target = draw_pairs(all_pairs(annotations), 40, seed=0).T
    generated = pona.generate_images(
        pona.load_checkpoint(demo.shipped_checkpoint()).generator,
        torch.from_numpy(images[condition]).permute(0, 3, 1, 2),
        torch.from_numpy(annotations.keypoints[condition]),
        torch.from_numpy(annotations.keypoints[target]),
    )
    truth = images[target].astype(float)
    error = np.abs(generated.permute(0, 2, 3, 1).numpy() - truth).mean()
    assert error < np.abs(images.mean(axis=0) - truth).mean()
    assert error < np.abs(images[condition] - truth).mean()


def test_demo_counts_the_people_that_are_there(
    tmp_path: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mannequins(tmp_path / "demo" / demo.ROOT_NAME, replace(FEW, test_ids=3))
    monkeypatch.setattr(demo, "synthesize", Mock(side_effect=ReidAugError("that will do")))
    assert "6 people to train on, 3 others to test on" in runner.invoke(app, ["demo", "--out", "demo"]).stderr


def test_demo_ends_in_a_table_and_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def evaluate_shortly(study: Study, request: EvaluationRequest, **told: Any) -> list[Result]:
        asked.append(request.epochs)
        return evaluate_study(study, replace(request, epochs=2), **told)

    monkeypatch.setattr(demo, "PEOPLE", FEW)
    monkeypatch.setattr(demo, "evaluate_study", evaluate_shortly)
    slow = [True, False]
    monkeypatch.setattr(demo, "is_slow", lambda device: slow.pop(0))
    monkeypatch.setenv("WORLD_SIZE", "4")  # left over: the demo shares nothing
    result = runner.invoke(app, ["demo", "--out", str(tmp_path / "demo"), "--device", "cpu", "--json"])
    assert result.exit_code == 0 and "10 epochs, half of" in result.stderr, result.output
    rows = json.loads(result.stdout)["rows"]
    assert [(row["set"], row["portion"]) for row in rows] == [("none", 0.4), ("pona", 0.4), ("full", 1.0)]
    assert next(row for row in rows if row["set"] == "pona")["seen_missing"] == 0
    with Image.open(tmp_path / "demo" / "demo.png") as picture:
        assert picture.width > 4 * 64 and picture.height > 128
    again = runner.invoke(app, ["demo", "--out", str(tmp_path / "demo"), "--device", "cpu", "--json"])
    assert json.loads(again.stdout)["rows"] == rows and "nothing to train" in again.stderr
    assert asked == [10, None] and "10 epochs" not in again.stderr
