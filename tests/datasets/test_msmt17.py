"""MSMT17, versions 1 and 2."""

from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from tests.datasets.makers import write_msmt17


@pytest.mark.parametrize("version", ["MSMT17_V1", "MSMT17_V2"])
def test_lists_give_person_and_camera_and_no_person_is_in_training_and_test(tmp_path: Path, version: str) -> None:
    write_msmt17(tmp_path / "msmt17", version)
    for path in (tmp_path, tmp_path / "msmt17", tmp_path / "msmt17" / version):
        data = open_dataset(path)
        assert (data.layout.name, data.root) == ("MSMT17", tmp_path / "msmt17" / version)
    images = {split: data.images(split) for split in ("train", "query", "gallery")}
    assert [(i.pid, i.camid) for i in images["train"]] == [(1, 15), (1, 1), (2, 15), (2, 1)]  # sorted by name
    assert [(i.pid, i.camid) for i in images["query"]] == [(3, 7), (4, 7)]
    assert [(i.pid, i.camid, i.labels) for i in images["gallery"]] == [(3, 14, ("0", "14")), (4, 14, ("1", "14"))]
    assert all(image.path.is_file() for members in images.values() for image in members)
    names = [image.name for members in images.values() for image in members]
    assert len(set(names)) == len(names) == 8  # without those of list_val.txt


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = write_msmt17(tmp_path) / "MSMT17_V1" / "list_query.txt"
    path.write_text(path.read_text() + "0000/x.jpg 0\n")
    with pytest.raises(ReidAugError, match=r"list_query.txt:3: '0000/x.jpg 0', expected such as 0000/0000_000_01"):
        open_dataset(tmp_path).images("query")
