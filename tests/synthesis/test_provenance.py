"""Which images a generator was trained on: known by content, added up over runs."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import read_plan
from reidaug.study.records import read_synthesis_record
from reidaug.synthesis.provenance import add_training_images, count_known, count_seen, describe_training_images
from tests.factories import images_in, write_checkpoint, write_picture
from tests.synthesis.commands import PORTION, complete


def test_seen_images_are_known_by_content(study: Study, tiny_root: Path, tmp_path: Path) -> None:
    folder = split_folder(tiny_root, "train")
    missing = [row.name for row in read_plan(study.plan_path(PORTION)) if not row.kept]
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for index, name in enumerate(missing[:3]):
        (renamed / f"{index}.jpg").write_bytes((folder / name).read_bytes())
    write_picture(renamed / "3.jpg", np.random.RandomState(5))  # of somebody else
    training = {"trained_on": describe_training_images(images_in(renamed), None)}
    assert count_seen(images_in(folder, missing), training) == 3
    assert count_seen(images_in(folder, missing[3:]), training) == 0
    assert count_seen(images_in(folder, missing), {}) is None
    digests = open_dataset(tiny_root).digests("train")
    assert count_known(digests, missing, {}) == (None, None)
    assert count_known(digests, missing, training) == (3, 1)
    assert count_known({name: digests[name] for name in missing[3:]}, missing[3:], training) == (0, 4)
    report = complete(study, write_checkpoint(tmp_path / "leaky.pt", 0, training))
    assert report.seen_missing == 3
    assert read_synthesis_record(report.root.parent / "synthesis.json").training["other_images"] == 1


def test_each_missing_image_is_read_once(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [row.name for row in read_plan(study.plan_path(PORTION)) if not row.kept]
    kept = [row.name for row in read_plan(study.plan_path(PORTION)) if row.kept]
    conditions = images_in(split_folder(study.data_of(PORTION).root, "train"), kept)
    read = Counter[str]()
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.update([path.name]) or read_bytes(path))
    complete(
        study, write_checkpoint(tmp_path / "tiny.pt", 0, {"trained_on": describe_training_images(conditions, None)})
    )
    assert {name: read[name] for name in missing} == dict.fromkeys(missing, 1)


def test_records_of_two_runs_add_up(tiny_root: Path) -> None:
    folder = split_folder(tiny_root, "train")
    names = sorted(path.name for path in folder.glob("*.jpg"))
    first, second = (describe_training_images(images_in(folder, part), None) for part in (names[:4], names[2:6]))
    both = add_training_images(first, second)
    assert count_seen(images_in(folder, names), {"trained_on": both}) == 6
    assert add_training_images(first, first) == first
    third = add_training_images(describe_training_images(images_in(folder, names[:4]), None), both)
    assert count_seen(images_in(folder, names), {"trained_on": third}) == 6  # what was inherited is passed on
    assert count_seen(images_in(folder, names), {"trained_on": add_training_images(first, {"names": names})}) is None


def test_pairs_of_a_file_are_part_of_the_fingerprint(tiny_root: Path) -> None:
    folder = split_folder(tiny_root, "train")
    first, second = sorted(path.name for path in folder.glob("*.jpg"))[:2]
    plain = describe_training_images(images_in(folder, [first, second]), None)
    forward = describe_training_images(images_in(folder, [first, second]), None, [(first, second)])
    backward = describe_training_images(images_in(folder, [first, second]), None, [(second, first)])
    assert "pairs" not in plain and forward["pairs"] != backward["pairs"]
    assert len({record["fingerprint"] for record in (plain, forward, backward)}) == 3
    assert plain["digests"] == forward["digests"]
    assert count_seen(images_in(folder, [first, second]), {"trained_on": forward}) == 2


@pytest.mark.parametrize(
    "record", [None, "names", {}, {"digests": None}, {"digests": 5}, {"digests": "abc"}, {"digests": "no base64"}]
)
def test_a_broken_record_is_unknown_not_none_seen(tiny_root: Path, record: object) -> None:
    assert count_seen(images_in(split_folder(tiny_root, "train")), {"trained_on": record}) is None


@pytest.mark.parametrize("record", [{}, {"start": "shipped"}])
def test_a_set_is_completed_whatever_the_record_holds(study: Study, tmp_path: Path, record: object) -> None:
    report = complete(study, write_checkpoint(tmp_path / "odd.pt", 0, {"trained_on": record}))
    assert report.seen_missing is None
    assert '"started_from": null' in (study.set_root(PORTION, "pona").parent / "synthesis.json").read_text()
