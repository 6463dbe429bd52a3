"""VIPeR: two cameras, one image of each person in each."""

from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from tests.cli.commands import values_of
from tests.datasets.makers import write_images

FILES = [f"VIPeR/cam_{camera}/{pid:03d}_{angle}.bmp" for camera, angle in (("a", 0), ("b", 90)) for pid in range(6)]


def test_people_count_from_one_and_split_divides_them(tmp_path: Path) -> None:
    write_images(tmp_path / "viper", FILES, (128, 48))
    data = open_dataset(tmp_path)
    assert (data.layout.name, data.root) == ("VIPeR", tmp_path / "viper" / "VIPeR")
    images = data.images("train")
    assert images[:2] == open_dataset(data.root).images("train")[:2] and len(images) == 12
    assert {(i.pid, i.camid) for i in images} == {(pid, camid) for pid in range(1, 7) for camid in (1, 2)}
    assert images[1].name == "0001_c2s1_000090_00.jpg" and images[1].labels == ("000", "cam_b")
    with pytest.raises(ReidAugError, match="no query images; `reidaug split`"):
        data.images("query")
    values = values_of("split", str(tmp_path / "viper"), str(tmp_path / "out"))
    assert values["test_people"] == 3 and values["query_images"] == values["gallery_images"] == 3
    assert {image.path.resolve().suffix for image in open_dataset(tmp_path / "out").images("train")} == {".bmp"}


def test_a_name_that_does_not_parse_is_an_error(tmp_path: Path) -> None:
    write_images(tmp_path, [*FILES, "VIPeR/cam_a/x.bmp"])
    with pytest.raises(ReidAugError, match=r"cam_a/x.bmp: image name .* expected such as 000_45.bmp"):
        open_dataset(tmp_path).images("train")
