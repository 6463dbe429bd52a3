"""Numbers for people and cameras of other data sets."""

from pathlib import Path

import pytest

from reidaug.datasets.labels import Found, camera_in, number_images
from reidaug.datasets.market1501 import parse_name


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        *[("0002_c1s1_000451_03.jpg", "1"), ("cam2-7.png", "2"), ("x_Camera_03.bmp", "03"), ("C12.jpg", "12")],
        *[("pic7.jpg", None), ("abc1.jpg", None), ("7.jpg", None), ("camera.jpg", None)],
    ],
)
def test_the_camera_in_a_name(name: str, camera: str | None) -> None:
    assert camera_in(name) == camera


def numbers(*people: tuple[str, str, str]) -> dict[str, list[tuple[int, int]]]:
    found = [Found(Path(f"{number}.jpg"), *row) for number, row in enumerate(people)]
    images = number_images(found)
    names = [image.name for members in images.values() for image in members]
    assert len(set(names)) == len(people)
    assert all(parse_name(i.name) == (i.pid, i.camid) for members in images.values() for i in members)
    return {split: [(image.pid, image.camid) for image in members] for split, members in images.items() if members}


def test_numbers_stay_and_zero_is_a_distractor_where_the_gallery_alone_has_it() -> None:
    assert numbers(("7", "2", "train"), ("0000", "5", "gallery"), ("-1", "5", "gallery")) == {
        "train": [(7, 2)],
        "gallery": [(-1, 5), (0, 5)],
    }
    assert numbers(("0", "0", "train"), ("0", "1", "gallery"), ("3", "1", "gallery")) == {
        "train": [(1, 1)],
        "gallery": [(1, 2), (4, 2)],
    }


def test_other_labels_are_numbered_in_their_order() -> None:
    people = [("p10", "roof", "train"), ("p9", "door", "train"), ("-1", "door", "gallery"), ("x", "yard", "query")]
    assert numbers(*people) == {"train": [(1, 1), (2, 2)], "query": [(3, 3)], "gallery": [(-1, 1)]}
    assert numbers(("12345678901234567890", "1", "train")) == {"train": [(1, 1)]}  # no name can hold it


def test_numbers_of_any_length_are_labels() -> None:
    long = "9" * 5000
    assert numbers(("b", long, "train"), (long, "x", "train")) == {"train": [(1, 2), (2, 1)]}
