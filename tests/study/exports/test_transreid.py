"""For TransReID."""

import shlex
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from reidaug.study.folder import Study
from tests.study.exports.conftest import Exporter
from tests.study.exports.readers import numbers, numbers_of, read_market


def test_it_reads_market1501_below_its_root(exported: Exporter, study: Study, tmp_path: Path) -> None:
    values = exported("transreid")
    assert shlex.split(values["type"])[-2:] == ["DATASETS.ROOT_DIR", f"('{tmp_path / 'sets'}')"]
    splits = read_market(tmp_path / "sets" / "market1501")  # without a folder Market-1501-v15.09.15
    data = open_dataset(study.path / "p0.40" / "none")
    assert all(numbers_of(rows) == numbers(data, split) for split, rows in splits.items())


def test_numbers_that_it_refuses_are_refused_here(exported: Exporter, large: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ReidAugError, match=r"person 1, camera 15: TransReID takes persons up to 1501 and cameras 1 to 6"
    ):
        exported("transreid", large)
    assert list((tmp_path / "sets").iterdir()) == []
