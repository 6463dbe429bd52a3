"""`queries/KEY.csv`."""

from pathlib import Path

import numpy as np
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.evaluation.query_scores import read_query_scores, write_query_scores
from tests.factories import image_named

HEADER = "name,pid,camid,ap,ap_trapezoid\n"


def test_what_is_written_is_read_again_without_the_queries_that_do_not_count(tmp_path: Path) -> None:
    queries = [image_named(f"{pid:04d}_c1s1_000001_00.jpg") for pid in (7, 8)]
    path = tmp_path / "queries" / "0.csv"
    assert read_query_scores(path) is None
    write_query_scores(path, queries, np.array([0.5, np.nan]), np.array([0.25, np.nan]))
    assert path.read_text() == f"{HEADER}{queries[0].name},7,1,0.500000,0.250000\n{queries[1].name},8,1,,\n"
    assert read_query_scores(path) == {queries[0].name: ("7", 0.25)}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", ""),
        ("name,pid\n", " line 1"),
        (f"{HEADER}a.jpg,1,1,0.5\n", " line 2"),
        (f"{HEADER}a.jpg,1,1,2,2\n", " line 2"),
    ],
    ids=["empty", "header", "short", "range"],
)
def test_a_broken_file_is_named_with_its_line(text: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "0.csv"
    path.write_text(text)
    with pytest.raises(ReidAugError, match=rf"0.csv{where}: expected {HEADER.strip()}"):
        read_query_scores(path)


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "0.csv").write_text(f"\ufeff{HEADER}a.jpg,1,1,0.5,0.25\n")
    assert read_query_scores(tmp_path / "0.csv") == {"a.jpg": ("1", 0.25)}
