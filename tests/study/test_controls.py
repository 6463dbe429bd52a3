"""Controls: what stands in for a missing image, and that nothing else changes."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Image
from reidaug.study.controls import (
    CONTROLS,
    control_of,
    is_control,
    made_for,
    make_control,
    name_for,
    parse_controls,
    set_of,
)
from reidaug.study.folder import Study
from reidaug.study.plan import PlanRow, read_plan
from reidaug.study.training_sets import TrainingSet, find_training_sets


@pytest.fixture
def sets(study: Study) -> tuple[Study, list[TrainingSet]]:
    return study, find_training_sets(study, [0.4], study.data_of(0.4), print)


def control(sets: tuple[Study, list[TrainingSet]], name: str) -> TrainingSet:
    study, (reduced, full) = sets
    return make_control(study, name, reduced, full)


@pytest.mark.parametrize("name", ["duplicate", "source-copy", "flip"])
def test_every_missing_image_is_a_kept_one_of_the_person(sets: tuple[Study, list[TrainingSet]], name: str) -> None:
    study, (_, full) = sets
    filled = control(sets, name)
    plan = read_plan(study.plan_path(0.4))
    kept = {row.name: row.pid for row in plan if row.kept}
    assert Counter(filled.pids) == Counter(full.pids)
    assert [kept[image.path.name] for image in filled.images] == list(filled.pids)
    assert filled.synthetic == tuple(i for i, row in enumerate(plan) if not row.kept)
    assert [image.name for image in filled.images] == [row.name for row in plan]
    assert all(image.path.name == image.name for image, row in zip(filled.images, plan, strict=True) if row.kept)
    if name != "duplicate":
        shown = [image.path.name for image, row in zip(filled.images, plan, strict=True) if not row.kept]
        assert shown == [row.condition for row in plan if not row.kept]
    pixels = torch.arange(len(plan) * 3 * 4 * 2, dtype=torch.uint8).view(len(plan), 3, 4, 2)
    before = pixels.clone()
    if filled.transform is not None:
        filled.transform.apply(pixels)
    missing = [not row.kept for row in plan]
    assert torch.equal(pixels[missing], before[missing].flip(3) if name == "flip" else before[missing])
    assert torch.equal(pixels[~torch.tensor(missing)], before[~torch.tensor(missing)])


def test_none_matched_is_the_reduced_set_with_the_steps_of_the_full_one(sets: tuple[Study, list[TrainingSet]]) -> None:
    _, (reduced, full) = sets
    matched = control(sets, "none-matched")
    assert matched.steps_of == full.pids and not reduced.steps_of
    assert matched.images == reduced.images and not matched.synthetic and matched.transform is None


def test_duplicates_are_drawn_from_all_kept_images_of_the_person(sets: tuple[Study, list[TrainingSet]]) -> None:
    duplicate = control(sets, "duplicate")
    shown = {(duplicate.images[row].pid, duplicate.images[row].path.name) for row in duplicate.synthetic}
    assert len(shown) > len({pid for pid, _ in shown})  # not always the same one


def test_controls_are_other_experiments_and_the_same_ones_every_time(sets: tuple[Study, list[TrainingSet]]) -> None:
    _, (reduced, full) = sets
    prints = {name: control(sets, name).fingerprint for name in CONTROLS}
    assert prints == {name: control(sets, name).fingerprint for name in CONTROLS}
    assert len({*prints.values(), full.fingerprint}) == 5
    assert prints["none-matched"] == reduced.fingerprint  # the same images; its recipe tells it apart


@pytest.fixture
def augmented(sets: tuple[Study, list[TrainingSet]]) -> TrainingSet:
    """A set with two new images of each of two people."""
    reduced = sets[1][0]
    sources = list({image.pid: image for image in reduced.images}.values())[:2]
    plan = [PlanRow(image.name, image.pid, image.camid, True, "", "keep") for image in reduced.images]
    for image in sources * 2:
        name = f"{image.pid:04d}_c{image.camid}s1_{900000 + len(plan)}_00.jpg"
        plan.append(PlanRow(name, image.pid, image.camid, False, image.name, "generate", reduced.images[-1].name))
    new = tuple(
        Image(image.path, image.pid, image.camid, row.name) for image, row in zip(sources * 2, plan[-4:], strict=True)
    )
    rows = tuple(range(len(reduced.images), len(plan)))
    return replace(reduced, name="more", images=reduced.images + new, synthetic=rows, plan=tuple(plan))


def test_controls_of_an_augmented_set_have_its_size(
    sets: tuple[Study, list[TrainingSet]], augmented: TrainingSet
) -> None:
    study, (reduced, _) = sets
    made = {name: make_control(study, name, reduced, augmented) for name in CONTROLS}
    assert {control.name for control in made.values()} == {f"{name} for more" for name in CONTROLS}
    for name in ("none-matched", "rendered-first"):
        assert made[name].images == reduced.images and made[name].steps_of == augmented.pids
    kept = {image.path.name: image.pid for image in reduced.images}
    for name in ("duplicate", "source-copy", "flip"):
        assert made[name].pids == augmented.pids and made[name].synthetic == augmented.synthetic
        assert [kept[image.path.name] for image in made[name].images] == list(augmented.pids)
        assert made[name].reduced == reduced.fingerprint
    shown = [image.path.name for image in made["source-copy"].images[-4:]]
    assert shown == [row.condition for row in augmented.plan[-4:]]
    assert made["duplicate"].fingerprint != control(sets, "duplicate").fingerprint


def test_a_control_knows_the_set_that_it_is_made_for() -> None:
    label = f"{name_for('flip', 'more')} (weight 0.5)"
    assert is_control(label) and control_of(label) == "flip" and made_for(label) == "more"
    assert made_for("flip (weight 0.5)") == made_for("pona") == "" and control_of("pona (weight 0.5)") == "pona"


def test_names_of_controls() -> None:
    assert parse_controls(None) == ()
    assert parse_controls("flip, duplicate,flip") == ("flip", "duplicate")
    assert parse_controls("all") == ("none-matched", "duplicate", "source-copy", "flip", "rendered-first")
    with pytest.raises(ReidAugError, match="--controls copies: expected all, or some of none-matched"):
        parse_controls("copies")


def test_a_label_is_that_of_a_control_also_with_its_treatment() -> None:
    assert set_of("flip (weight 0.5)") == "flip" and is_control("flip (weight 0.5)")
    assert not is_control("pona") and not is_control("flipped")
