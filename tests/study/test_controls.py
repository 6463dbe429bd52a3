"""Controls: what stands in for a missing image, and that nothing else changes."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.study.controls import CONTROLS, make_control, parse_controls
from reidaug.study.folder import Study
from reidaug.study.plan import read_plan
from reidaug.study.training_sets import TrainingSet, find_training_sets


@pytest.fixture
def sets(tiny_root: Path, tmp_path: Path) -> tuple[Study, list[TrainingSet]]:
    study = Study(tmp_path / "study")
    arguments = ["shrink", "--portion", "0.4", "--data", str(tiny_root), "--study", str(study.path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    return study, find_training_sets(study, [0.4], study.data_of(0.4), print)


def control(sets: tuple[Study, list[TrainingSet]], name: str) -> TrainingSet:
    study, found = sets
    return make_control(study, name, found[0], found[-1])


@pytest.mark.parametrize("name", ["duplicate", "source-copy", "flip"])
def test_every_missing_image_is_a_kept_one_of_the_person(sets: tuple[Study, list[TrainingSet]], name: str) -> None:
    study, found = sets
    made = control(sets, name)
    plan = read_plan(study.plan_path(0.4))
    kept = {row.name: row.pid for row in plan if row.kept}
    assert Counter(made.pids) == Counter(found[-1].pids)
    assert [kept[image.path.name] for image in made.images] == list(made.pids)
    assert made.synthetic == tuple(i for i, row in enumerate(plan) if not row.kept)
    assert [image.name for image in made.images] == [row.name for row in plan]
    assert all(image.path.name == image.name for image, row in zip(made.images, plan, strict=True) if row.kept)
    if name != "duplicate":
        shown = [image.path.name for image, row in zip(made.images, plan, strict=True) if not row.kept]
        assert shown == [row.condition for row in plan if not row.kept]
    pixels = torch.arange(len(plan) * 3 * 4 * 2, dtype=torch.uint8).view(len(plan), 3, 4, 2)
    before = pixels.clone()
    if made.transform is not None:
        made.transform.apply(pixels)
    missing = [not row.kept for row in plan]
    assert torch.equal(pixels[missing], before[missing].flip(3) if name == "flip" else before[missing])
    assert torch.equal(pixels[~torch.tensor(missing)], before[~torch.tensor(missing)])


def test_controls_are_other_experiments_and_the_same_ones_every_time(sets: tuple[Study, list[TrainingSet]]) -> None:
    _, found = sets
    prints = {name: control(sets, name).fingerprint for name in CONTROLS}
    assert prints == {name: control(sets, name).fingerprint for name in CONTROLS}
    assert len({*prints.values(), found[-1].fingerprint}) == 5
    assert prints["none-matched"] == found[0].fingerprint  # the same images; its recipe tells it apart


def test_names_of_controls() -> None:
    assert parse_controls(None) == ()
    assert parse_controls("flip, duplicate,flip") == ("flip", "duplicate")
    assert parse_controls("all") == ("none-matched", "duplicate", "source-copy", "flip")
    with pytest.raises(ReidAugError, match="--controls copies: expected all, or some of none-matched"):
        parse_controls("copies")
