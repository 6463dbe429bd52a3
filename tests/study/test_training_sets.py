"""The training sets of a study: what each holds, and where its synthetic images come from."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import manifest_rows, read_plan, write_manifest
from reidaug.study.records import SynthesisRecord, write_record
from reidaug.study.training_sets import Provenance, TrainingSet, augmented_sets, find_training_sets


def found(study: Study) -> tuple[dict[str, TrainingSet], list[str]]:
    said: list[str] = []
    sets = find_training_sets(study, [0.4], study.data_of(0.4), said.append)
    return {item.name: item for item in sets}, said


@pytest.fixture
def generated(study: Study, tiny_root: Path) -> Path:
    """The root of a completed set; its "generated" images are the original ones."""
    root = study.set_root(0.4, "mine")
    shutil.copytree(split_folder(tiny_root, "train"), split_folder(root, "train"))
    record = SynthesisRecord("a.pt", "abc", "fp32", 95, seen_missing=3, training={"protocol": "strict"})
    write_record(root.parent / "synthesis.json", record)
    write_manifest(root / "manifest.csv", manifest_rows(read_plan(study.plan_path(0.4))))
    return root


def test_the_full_set_comes_last_and_knows_of_no_other(study: Study, tiny_root: Path) -> None:
    sets, said = found(study)
    assert list(sets) == ["none", "full"] and not said
    none, full = sets.values()
    plan = read_plan(study.plan_path(0.4))
    assert [image.name for image in none.images] == [row.name for row in plan if row.kept]
    assert full.pids == tuple(row.pid for row in plan) and full.title() == "full, p = 1.00"
    assert full.fingerprint == open_dataset(tiny_root).fingerprint("train") != none.fingerprint
    assert (none.reduced, full.reduced, none.provenance) == (none.fingerprint, "", None)


def test_a_completed_set_says_which_images_are_synthetic_and_by_whom(study: Study, generated: Path) -> None:
    sets, _ = found(study)
    mine, plan = sets["mine"], read_plan(study.plan_path(0.4))
    assert mine.synthetic == tuple(i for i, row in enumerate(plan) if not row.kept)
    assert mine.reduced == sets["none"].fingerprint
    copied = sum(row.action == "copy" for row in plan)
    generator = {"sha256": "abc", "protocol": "strict"}
    assert copied and mine.provenance == Provenance(
        missing=22, copied=copied, seen_missing=3, protocol="strict", generator=generator
    )
    image = mine.images[0].path
    image.write_bytes(image.read_bytes() + b"\0")
    assert mine.current_stamp() != mine.stamp and found(study)[0]["mine"].fingerprint != mine.fingerprint


def test_an_augmented_set_has_a_plan_of_its_own_and_the_missing_images_of_the_portion(study: Study) -> None:
    root, kept = study.set_root(0.4, "more"), [row for row in read_plan(study.plan_path(0.4)) if row.kept]
    assert not augmented_sets(study, 0.4)
    shutil.copytree(split_folder(study.set_root(0.4, "none"), "train"), split_folder(root, "train"))
    new = replace(kept[0], name="0001_c1s1_999999_00.jpg", camid=1, kept=False, condition=kept[0].name)
    plan = [*kept, replace(new, action="generate", pose=kept[-1].name)]
    shutil.copyfile(split_folder(root, "train") / kept[0].name, split_folder(root, "train") / new.name)
    record = SynthesisRecord("a.pt", "abc", "fp32", 95, seen_missing=3, augmentation={"per_person": 3})
    write_record(root.parent / "synthesis.json", record)
    write_manifest(root / "manifest.csv", manifest_rows(plan))
    sets, said = found(study)
    more = sets["more"]
    assert not said and more.plan == tuple(plan) and not sets["none"].plan and not sets["full"].plan
    assert [more.images[row].name for row in more.synthetic] == [new.name]
    assert more.provenance and (more.provenance.missing, more.provenance.seen_missing) == (22, 3)
    assert augmented_sets(study, 0.4) == ["more"]


def test_a_set_that_is_not_complete_is_left_out_and_one_unlike_its_manifest_is_refused(
    study: Study, generated: Path
) -> None:
    (split_folder(generated, "train") / "0001_c1s1_999999_00.jpg").write_bytes(b"more")
    with pytest.raises(ReidAugError, match=r"has 37 training images, its manifest lists 36: 1 differ"):
        found(study)
    (generated / "manifest.csv").unlink()
    sets, said = found(study)
    assert list(sets) == ["none", "full"] and len(said) == 1 and "mine, p = 0.40, is not complete" in said[0]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("mine", ",generate\n", ",copy\n"), ("mine", ",1,", ",0,"), ("none", ",0,,keep", ",1,,adopt"), ("mine", "_c", "")],
    ids=["copies", "kept", "none", "row"],
)
def test_a_manifest_that_does_not_follow_the_plan_is_refused(
    study: Study, generated: Path, name: str, old: str, new: str
) -> None:
    path = study.set_root(0.4, name) / "manifest.csv"
    lines = path.read_text().splitlines(keepends=True)
    row = next(row for row, line in enumerate(lines) if row and old in line)
    gone = lines[row].split(",")[0]
    if new:
        flipped = ",".join([*lines[row].split(",")[:3], "0,,keep\n"]) if new == ",0," else lines[row].replace(old, new)
        path.write_text("".join([*lines[:row], flipped, *lines[row + 1 :]]))
    else:
        path.write_text("".join(lines[:row] + lines[row + 1 :]))
        (split_folder(study.set_root(0.4, name), "train") / gone).unlink()
    with pytest.raises(ReidAugError, match=r"manifest\.csv does not follow the plan .*, such as in .*: restore it, or"):
        found(study)


def test_a_portion_follows_its_images_and_no_others(study: Study, tiny_root: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tiny_root, tmp_path / "other" / tiny_root.name))
    before, after = (find_training_sets(study, [0.4], open_dataset(root), print) for root in (tiny_root, other))
    assert [each.fingerprint for each in before] == [each.fingerprint for each in after]
    assert after[-1].images[0].path.is_relative_to(other)
    first, second, *_ = sorted(split_folder(other, "train").iterdir())
    first.write_bytes(second.read_bytes())
    with pytest.raises(
        ReidAugError,
        match=r"is of .*other.* has other .* \(fingerprint [0-9a-f]{16}, not [0-9a-f]{16}\): .*--portion.*--data",
    ):
        find_training_sets(study, [0.4], open_dataset(other), print)
