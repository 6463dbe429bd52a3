"""For Person_reID_baseline_pytorch."""

import os
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from reidaug.study.folder import Study
from tests.study.exports.conftest import Exporter
from tests.study.exports.readers import numbers, prepare, read_prepared


def files_below(folder: Path) -> set[str]:
    return {os.path.join(root, name) for root, _, names in os.walk(folder, followlinks=True) for name in names}


def test_prepare_py_works_on_copies_and_reads_every_image(exported: Exporter, study: Study, tmp_path: Path) -> None:
    before = files_below(study.path) | files_below(tmp_path / "data")
    values = exported("layumi")
    market = tmp_path / "sets" / "Market"
    assert not [path for path in market.rglob("*") if path.is_symlink()]
    assert f"(cd {market} && python PATH/TO" in values["type"] and f"--data_dir {market / 'pytorch'}" in values["type"]
    prepared = prepare(market)
    data = open_dataset(study.path / "p0.40" / "none")
    for split, folder in (("train", "train_all"), ("query", "query"), ("gallery", "gallery")):
        assert read_prepared(prepared / folder) == numbers(data, split, junk=True)
    assert files_below(study.path) | files_below(tmp_path / "data") == before
    exported("layumi")  # what was prepared from an earlier set would be mixed with this one
    assert not prepared.exists()


def test_persons_have_four_digits(exported: Exporter, tiny_root: Path, tmp_path: Path) -> None:
    (image, *_) = sorted((tiny_root / "bounding_box_train").iterdir())
    image.rename(image.with_name("7_c2s1_000001_00.jpg"))
    exported("layumi", tiny_root)
    assert (tmp_path / "sets" / "Market" / "bounding_box_train" / "0007_c2s1_000001_00.jpg").is_file()


def test_a_camera_of_two_digits_is_refused(exported: Exporter, large: Path) -> None:
    with pytest.raises(ReidAugError, match=r"camera 15: Person_reID_baseline_pytorch takes .* cameras 1 to 9"):
        exported("layumi", large)
