"""A folder for each person, with and without splits."""

from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from tests.datasets.makers import write_images

SPLITS = {
    "train_all": ["0002/0002_c1s1_000451_03.jpg", "0002/0002_c2s1_000801_01.jpg", "0007/0007_c3s3_077419_03.jpg"],
    "train": ["0002/0002_c2s1_000801_01.jpg"],
    "query": ["0003/0003_c1s1_000001_00.jpg"],
    "gallery": ["-1/-1_c3s3_000001_00.jpg", "0000/0000_c2s3_000001_00.jpg", "0003/0003_c6s1_000001_00.jpg"],
}


def test_people_by_split_as_prepare_py_writes_them(tmp_path: Path) -> None:
    root = tmp_path / "pytorch"
    write_images(root, [f"{split}/{file}" for split, files in SPLITS.items() for file in files])
    for path in (tmp_path, root):
        data = open_dataset(path)
        assert (data.layout.name, data.root) == ("people in folders by split", root)
    assert [(i.pid, i.camid) for i in data.images("train")] == [(2, 1), (2, 2), (7, 3)]
    assert [(i.pid, i.camid) for i in data.images("query")] == [(3, 1)]
    assert [(i.pid, i.camid) for i in data.images("gallery")] == [(-1, 3), (0, 2), (3, 6)]  # junk, distractor
    assert data.images("train")[1].name == "0002_c2s1_000002_00.jpg"


def test_people_alone_may_have_names_and_images_any_ending(tmp_path: Path) -> None:
    files = ["ann/cam2-1.JPG", "bob/CAM1_2.png", "bob/camera_03.bmp", "p10/c4.jpeg", "p9/2024-c1.jpg"]
    write_images(tmp_path, files)
    data = open_dataset(tmp_path)
    assert data.layout.name == "people in folders"
    images = data.images("train")
    assert [(i.pid, i.camid, i.path.name) for i in images] == [
        *[(1, 2, "cam2-1.JPG"), (2, 1, "CAM1_2.png"), (2, 3, "camera_03.bmp"), (3, 1, "2024-c1.jpg"), (4, 4, "c4.jpeg")]
    ]
    assert images[3].labels == ("p9", "1")
    with pytest.raises(ReidAugError, match="reidaug split"):
        data.images("gallery")


def test_people_counted_from_zero_are_people(tmp_path: Path) -> None:
    write_images(tmp_path, ["0/c1.jpg", "1/c1.jpg"])
    assert [i.pid for i in open_dataset(tmp_path).images("train")] == [1, 2]


def test_cameras_are_in_all_names_or_in_none(tmp_path: Path) -> None:
    write_images(tmp_path, ["1/a.jpg", "2/b.jpg"])
    images, problems = open_dataset(tmp_path).look_at("train")
    assert [i.camid for i in images] == [1, 1] and [(p.kind, p.level) for p in problems] == [("no-camera", "note")]
    write_images(tmp_path, ["2/c2.jpg"])
    with pytest.raises(ReidAugError, match=r"1/a.jpg: no camera number .* \(2 such problems\)"):
        open_dataset(tmp_path).images("train")


@pytest.mark.parametrize(
    "files",
    [
        ["query/a.jpg", "bounding_box_test/b.jpg"],  # half a Market-1501
        ["train/a.jpg", "test/a.jpg"],  # DeepFashion without its CSVs
        ["a/x.jpg", "b/x.jpg", "c.jpg"],
        ["a/x.jpg", "b/c/x.jpg"],
        ["a/x.jpg"],
    ],
)
def test_what_holds_no_people_is_not_taken_for_them(tmp_path: Path, files: list[str]) -> None:
    write_images(tmp_path, files)
    with pytest.raises(ReidAugError, match="not a data set that can be read"):
        open_dataset(tmp_path)
