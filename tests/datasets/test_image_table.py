"""A CSV of images."""

from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.layouts import open_dataset
from tests.datasets.makers import write_table


def row(path: str, pid: object, camid: object, split: str) -> dict[str, object]:
    return {"path": path, "pid": pid, "camid": camid, "split": split, "age": 30}


def test_numbers_stay_and_count_from_one(tmp_path: Path) -> None:
    rows = [row("x/1.jpg", 0, 0, "train"), row("x/2.png", 5, 1, "train"), row("1.jpg", 8, 0, "query"),
            row("2.jpg", 8, 11, "test")]  # fmt: skip
    path = write_table(tmp_path / "people.csv", rows)
    data = open_dataset(path)
    assert data.layout.name == "table of images" and data.root == path
    assert [(i.pid, i.camid) for i in data.images("train")] == [(1, 1), (6, 2)]
    assert [(i.pid, i.camid, i.path) for i in data.images("gallery")] == [(9, 12, tmp_path / "2.jpg")]


def test_names_are_numbered_and_columns_may_lack(tmp_path: Path) -> None:
    rows = [{"pid": "bob", "path": "1.jpg", "camid": "roof"}, {"pid": "ann", "path": "2.jpg", "camid": "door"}]
    data = open_dataset(write_table(tmp_path / "people.csv", rows))
    assert [(i.pid, i.camid, i.labels) for i in data.images("train")] == [
        (1, 1, ("ann", "door")),
        (2, 2, ("bob", "roof")),
    ]
    rows = [{"path": "1.jpg", "pid": "7"}]
    assert open_dataset(write_table(tmp_path / "people.csv", rows)).images("train")[0].camid == 1
    with pytest.raises(ReidAugError, match="no query images"):
        data.images("query")


def test_broken_rows_are_named_once(tmp_path: Path) -> None:
    rows = [row("1.jpg", 1, 1, "train"), row("2.jpg", 1, 1, "somewhere"), row("1.jpg", 2, 1, "train")]
    data = open_dataset(write_table(tmp_path / "people.csv", rows))
    problems = [problem for split in ("train", "query") for problem in data.look_at(split)[1]]
    assert [(p.where, p.kind) for p in problems] == [
        *[("line 3", "broken-row"), ("line 4", "broken-row")],
        ("query", "missing-folder"),
    ]
    with pytest.raises(ReidAugError, match=r"line 3: the split is 'somewhere', expected train, query, gallery"):
        data.images("train")
    (tmp_path / "empty.csv").write_text("a,b\n")
    with pytest.raises(ReidAugError, match="not a data set"):
        open_dataset(tmp_path / "empty.csv")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_separate_otherwise(tmp_path: Path, separator: str) -> None:
    path = write_table(tmp_path / "people.csv", [row("1.jpg", 3, 2, "train")])
    path.write_text("\ufeff" + path.read_text().replace(",", separator))
    (image,) = open_dataset(path).images("train")
    assert (image.pid, image.camid) == (3, 2)


@pytest.mark.parametrize(
    ("rest", "expected"),
    [("\xe9.jpg,2\n".encode("latin-1"), "can't decode byte 0xe9"), (b"x" * 200_000 + b",2\n", "field limit")],
)
def test_where_the_table_breaks_off_is_named(tmp_path: Path, rest: bytes, expected: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"path,pid\n" + b"".join(b"%d.jpg,1\n" % number for number in range(5000)) + rest)
    with pytest.raises(ReidAugError, match=rf"after line \d+: .*{expected}.*; save the table as a CSV in UTF-8"):
        open_dataset(path).images("train")
    path.write_bytes(b"path,pid\n" + rest)
    with pytest.raises(ReidAugError, match=expected):
        open_dataset(path).images("train")
