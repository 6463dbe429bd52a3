"""For fast-reid."""

from pathlib import Path

from reidaug.datasets.layouts import open_dataset
from reidaug.study.folder import Study
from tests.study.exports.conftest import Exporter
from tests.study.exports.readers import numbers, numbers_of, read_market, read_msmt17


def test_it_reads_the_folder_that_its_variable_names(exported: Exporter, study: Study, tmp_path: Path) -> None:
    values = exported("fastreid")
    variable, *command = values["type"].split()
    assert (
        variable == f"FASTREID_DATASETS={tmp_path / 'sets'}" and command[-1] == "configs/Market1501/bagtricks_R50.yml"
    )
    splits = read_market(tmp_path / "sets" / "Market-1501-v15.09.15")
    data = open_dataset(study.path / "p0.40" / "none")
    assert all(numbers_of(rows) == numbers(data, split) for split, rows in splits.items())


def test_numbers_beyond_market_go_into_its_msmt17_reader(exported: Exporter, large: Path, tmp_path: Path) -> None:
    assert "configs/MSMT17/bagtricks_R50.yml" in exported("fastreid", large)["type"]
    assert numbers_of(read_msmt17(tmp_path / "sets" / "MSMT17_V1")["gallery"]) == [(0, 14), (1, 14)]
