"""The study folder: names, what is complete, and the data set to work on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import ROOT_NAME
from reidaug.study.folder import Study, chosen_portions, resolve_data
from reidaug.study.plan import write_manifest, write_plan
from reidaug.study.records import ShrinkRecord, write_record
from reidaug.study.request import ShrinkConfig
from reidaug.study.shrink import shrink
from reidaug.study.training_sets import find_training_sets
from reidaug.synthesis.painter import shipped_checkpoint
from tests.synthesis.commands import complete


def test_places(tmp_path: Path) -> None:
    study = Study(tmp_path)
    assert study.plan_path(0.4) == tmp_path / "p0.40" / "plan.csv"
    assert study.set_root(0.4, "none") == tmp_path / "p0.40" / "none" / "Market-1501-v15.09.15"
    for name in ("..", "a/b", "", ".hidden", "a b"):
        with pytest.raises(ReidAugError, match="set name"):
            study.set_root(0.4, name)


def test_only_complete_sets_count(tmp_path: Path) -> None:
    study = Study(tmp_path)
    assert study.portions() == [] and study.sets(0.4) == [] and study.unfinished_sets(0.4) == []
    for name in ("zebra", "none", "pona", ".none.partial", "begun"):
        root = tmp_path / "p0.40" / name / ROOT_NAME
        root.mkdir(parents=True)
        if name != "begun":
            write_manifest(root / "manifest.csv", [])
    assert study.portions() == []
    for folder in ("p0.40", "p0.05", ".p0.30.partial", "p0.2"):
        (tmp_path / folder).mkdir(exist_ok=True)
        write_plan(tmp_path / folder / "plan.csv", [])
    assert study.portions() == [0.05, 0.4]
    assert study.sets(0.4) == ["none", "pona", "zebra"] and study.unfinished_sets(0.4) == ["begun"]
    assert chosen_portions(study, None) == [0.05, 0.4] and chosen_portions(study, "0.4") == [0.4]
    with pytest.raises(ReidAugError, match=r"no portion 0\.20, only 0\.05, 0\.40"):
        chosen_portions(study, "0.2")
    with pytest.raises(ReidAugError, match="no study at"):
        chosen_portions(Study(tmp_path / "absent"), None)


def test_data_is_named_that_of_the_portions_or_at_hand(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(tmp_path / "study")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReidAugError, match="give --data"):
        resolve_data(None, study)
    monkeypatch.chdir(tiny_root.parent)
    assert resolve_data(None, study).root == tiny_root
    other = tmp_path / "other"
    (other / "bounding_box_train").mkdir(parents=True)
    shrunk(study, 0.4, other)
    assert resolve_data(None, study).root == other
    assert resolve_data(Path("."), study).root == tiny_root  # made absolute, and the root found in the folder around it
    shrunk(study, 0.2, study.path / ".." / "other")
    assert resolve_data(None, study).root.resolve() == other  # the same one, by another path
    shrunk(study, 0.6, tiny_root, images="other images")
    with pytest.raises(ReidAugError, match=rf"p = 0.40 of {other}, p = 0.60 of {tiny_root}\): give one with --data"):
        resolve_data(None, study)
    assert resolve_data(tiny_root, study).root == tiny_root
    study.shrink_path(0.6).write_text("{")  # broken: `shrink --force` must be able to replace it
    assert resolve_data(None, study).root.resolve() == other
    with pytest.raises(ReidAugError, match="run `reidaug shrink`"):
        study.data_of(0.8)


def test_a_data_set_that_is_gone_is_asked_for_and_found_where_another_portion_has_it(
    tiny_root: Path, tmp_path: Path
) -> None:
    study = Study(tmp_path / "study")
    shrunk(study, 0.2, tmp_path / "gone")
    for find in (lambda: study.data_of(0.2), lambda: resolve_data(None, study)):
        with pytest.raises(ReidAugError, match=r"gone.*give --data FOLDER.*REIDAUG_DATA"):
            find()
    assert Study(study.path, tiny_root).data_of(0.2).root == tiny_root
    with pytest.raises(ReidAugError, match=r"no such data folder: .*mistyped"):
        Study(study.path, tmp_path / "mistyped").data_of(0.2)
    shrunk(study, 0.4, tiny_root)
    assert study.data_of(0.2).root == resolve_data(None, study).root == tiny_root
    shrunk(study, 0.6, tmp_path / "gone", images="other images")
    with pytest.raises(ReidAugError, match="--data"):
        study.data_of(0.6)


def shrunk(study: Study, portion: float, data: Path, images: str = "images") -> None:
    """A portion, as far as it says what it was taken from."""
    study.portion_dir(portion).mkdir(parents=True)
    write_plan(study.plan_path(portion), [])
    record = ShrinkRecord(portion, "per-identity", "nearest", 0, str(data), images, "keypoints", False)
    write_record(study.shrink_path(portion), record)


def lines_of(study: Study) -> list[str]:
    return study.plan_path(0.4).read_text().splitlines()


def cut(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.endswith(",copy")]


def other_condition(lines: list[str]) -> list[str]:
    """Of the first generated image that has a choice."""
    kept = [line.split(",")[0] for line in lines if line.endswith(",keep")]
    for row, line in enumerate(lines):
        name, *_, condition, action = line.split(",")
        choice = [other for other in kept if other[:4] == name[:4] and other != condition]
        if action == "generate" and choice:
            return [*lines[:row], line.replace(condition, choice[0]), *lines[row + 1 :]]
    raise AssertionError


def nothing_missing(lines: list[str]) -> list[str]:
    return [lines[0], *(f"{','.join(line.split(',')[:3])},1,,keep" for line in lines[1:])]


@pytest.mark.parametrize("change", [cut, other_condition, nothing_missing, lambda lines: [lines[0], *lines[:0:-1]]])
def test_a_plan_that_was_changed_is_refused(change: Callable[[list[str]], list[str]], study: Study) -> None:
    data, before = study.data_of(0.4), study.plan_path(0.4).read_text()
    assert len(study.read_plan(0.4, data.images("train"))) == 36
    study.plan_path(0.4).write_text("\n".join(change(lines_of(study))) + "\n")
    message = (
        r"p0.40/plan.csv was changed since `reidaug shrink` wrote it .*: restore it, or run `reidaug shrink --force`"
    )
    for read in (
        lambda: study.read_plan(0.4, data.images("train")),
        lambda: find_training_sets(study, [0.4], data, print),
        lambda: complete(study, shipped_checkpoint()),
    ):
        with pytest.raises(ReidAugError, match=message):
            read()
    assert not study.set_root(0.4, "pona").exists()
    with pytest.raises(ReidAugError, match="incomplete or changed"):
        shrink(data, study, ShrinkConfig(0.4))
    study.plan_path(0.4).write_text(before)
    assert shrink(data, study, ShrinkConfig(0.4)).existed


def test_a_study_of_an_earlier_version_has_no_fingerprint_of_its_plan(study: Study) -> None:
    data, record = study.data_of(0.4), json.loads(study.shrink_path(0.4).read_text())
    del record["plan"]
    study.shrink_path(0.4).write_text(json.dumps(record))
    assert shrink(data, study, ShrinkConfig(0.4)).existed
    study.plan_path(0.4).write_text("\n".join(other_condition(lines_of(study))) + "\n")
    assert len(study.read_plan(0.4, data.images("train"))) == 36
    study.plan_path(0.4).write_text("\n".join(cut(lines_of(study))) + "\n")
    with pytest.raises(
        ReidAugError, match=r"plan.csv and the training images of the data set differ in \d+ names, such"
    ):
        study.read_plan(0.4, data.images("train"))


def test_the_record_of_another_portion_is_refused(study: Study) -> None:
    study.portion_dir(0.4).rename(study.portion_dir(0.6))
    with pytest.raises(
        ReidAugError, match=r"p0.60/shrink.json: portion is 0.4, expected 0.6: give the folder its name again"
    ):
        study.data_of(0.6)


def test_a_copied_project_takes_its_own_data_set_and_a_moved_study_no_other(tiny_root: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    data = tiny_root.rename(tmp_path / "project" / "data")
    shrink(open_dataset(data), Study(tmp_path / "project" / "study"), ShrinkConfig(0.4))
    copied = Path(shutil.copytree(tmp_path / "project", tmp_path / "copied", symlinks=True))
    assert Study(copied / "study").data_of(0.4).root == copied / "data"
    shutil.move(tmp_path / "project" / "study", tmp_path / "moved" / "study")
    study = Study(tmp_path / "moved" / "study")
    assert study.data_of(0.4).root == data
    for name in ("bounding_box_train", "query"):  # another data set where the study's would have moved to
        (tmp_path / "moved" / "data" / name).mkdir(parents=True)
        assert study.data_of(0.4).root == data
