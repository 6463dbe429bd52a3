"""For TransReID."""

import shlex
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from reidaug.study.folder import Study
from tests.study.exports.conftest import Exporter
from tests.study.exports.readers import numbers, numbers_of, read_market, read_msmt17


def test_it_reads_market1501_below_its_root(exported: Exporter, study: Study, tmp_path: Path) -> None:
    values = exported("transreid")
    assert shlex.split(values["type"])[-2:] == ["DATASETS.ROOT_DIR", f"('{tmp_path / 'sets'}')"]
    splits = read_market(tmp_path / "sets" / "market1501")  # without a folder Market-1501-v15.09.15
    data = open_dataset(study.path / "p0.40" / "none")
    assert all(numbers_of(rows) == numbers(data, split) for split, rows in splits.items())


def test_vectors_of_cameras_are_left_out_where_training_has_not_all(
    exported: Exporter, tiny_root: Path, study: Study
) -> None:
    assert "SIE_CAMERA" not in exported("transreid")["type"]  # cameras 1 to 3 in all splits
    (tiny_root / "query" / "0101_c5s1_000001_00.jpg").write_bytes(next((tiny_root / "query").iterdir()).read_bytes())
    assert "MODEL.SIE_CAMERA False" in exported("transreid", tiny_root)["type"]


def test_numbers_beyond_market_go_into_its_msmt17_reader(exported: Exporter, large: Path, tmp_path: Path) -> None:
    command = exported("transreid", large)["type"]
    assert "configs/MSMT17/vit_transreid_stride.yml MODEL.SIE_CAMERA False" in command
    assert numbers_of(read_msmt17(tmp_path / "sets" / "MSMT17")["gallery"]) == [(0, 14), (1, 14)]


def test_lists_that_its_reader_refuses_are_refused_here(exported: Exporter, tiny_root: Path, tmp_path: Path) -> None:
    (tiny_root / "query" / "1600_c1s1_000001_00.jpg").touch()
    with pytest.raises(ReidAugError, match=r"person 1600 has queries and no gallery image, and others the reverse"):
        exported("transreid", tiny_root)
    assert list((tmp_path / "sets").iterdir()) == []
    exported("fastreid", tiny_root)
