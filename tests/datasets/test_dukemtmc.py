"""DukeMTMC-reID: Market-1501's folders, other names."""

from pathlib import Path

from reidaug.datasets.layouts import open_dataset
from tests.datasets.makers import write_images

NAMES = {
    "bounding_box_train": ["0001_c2_f0046182.jpg", "0005_c8_f0000123.jpg"],
    "query": ["0007_c1_f0046182.jpg"],
    "bounding_box_test": ["0007_c6_f0046182.jpg", "0008_c2_f0000001.jpg"],
}


def test_duke_is_read_in_place_also_from_torchreids_folder(tmp_path: Path) -> None:
    root = tmp_path / "dukemtmc-reid" / "DukeMTMC-reID"
    write_images(root, [f"{folder}/{name}" for folder, names in NAMES.items() for name in names])
    for path in (root, root.parent, tmp_path):
        data = open_dataset(path)
        assert (data.layout.name, data.root) == ("DukeMTMC-reID", root)
    assert [(i.name, i.pid, i.camid) for i in data.images("train")] == [
        ("0001_c2_f0046182.jpg", 1, 2),
        ("0005_c8_f0000123.jpg", 5, 8),
    ]
    assert [i.pid for i in data.images("gallery")] == [7, 8] and data.images("query")[0].camid == 1


def test_market_names_are_not_dukes(tiny_root: Path) -> None:
    assert open_dataset(tiny_root).layout.name == "Market-1501"
