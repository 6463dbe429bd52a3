"""`queries/KEY.csv`."""

from pathlib import Path

import numpy as np
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.evaluation.query_scores import QueryScore, read_query_scores, write_query_scores
from tests.factories import image_named

HEADER = "name,pid,camid,ap,ap_trapezoid\n"


def test_what_is_written_is_read_again_without_the_queries_that_do_not_count(tmp_path: Path) -> None:
    queries = [image_named(f"{pid:04d}_c1s1_000001_00.jpg") for pid in (7, 8)]
    path = tmp_path / "queries" / "0.csv"
    assert read_query_scores(path) is None
    write_query_scores(path, queries, np.array([0.5, np.nan]), np.array([0.25, np.nan]))
    assert path.read_text() == f"{HEADER}{queries[0].name},7,1,0.500000,0.250000\n{queries[1].name},8,1,,\n"
    assert read_query_scores(path) == {queries[0].name: QueryScore(7, 1, 0.5, 0.25)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: expected the header name,pid,camid,ap,ap_trapezoid"),
        ("name,pid\n", "1: expected the header"),
        (HEADER, "1: there is no query"),
        (f"{HEADER}a.jpg,1,1,0.5\n", "2: 4 columns, expected name,pid,camid,ap,ap_trapezoid"),
        (f"{HEADER}a.jpg,1,1,0.5,2\n", "2: ap_trapezoid is '2', expected 0 to 1, or nothing"),
        (f"{HEADER}a.jpg,1,1,nan,0.5\n", "2: ap is 'nan'"),
        (f"{HEADER}a.jpg,1,1,1_0,0.5\n", "2: ap is '1_0'"),
        (f"{HEADER}a.jpg,x,1,0.5,0.5\n", "2: pid is 'x', expected a whole number"),
        (f"{HEADER}a.jpg,1,{'9' * 5000},0.5,0.5\n", "2: camid is '9999"),
        (f"{HEADER}../a.jpg,1,1,0.5,0.5\n", "2: name is '../a.jpg', expected an image name"),
        (f"{HEADER}a\0.jpg,1,1,0.5,0.5\n", "2: name is"),
        (f"{HEADER}{'x' * 999},1,1,0.5,0.5\n", "2: name is"),
        (f"{HEADER}a.jpg,1,1,0.5,\n", "2: a.jpg has one AP, expected both or none"),
        (f"{HEADER}a.jpg,1,1,,\na.jpg,1,1,0.5,0.5\n", "3: a.jpg is there twice"),
        (f"{HEADER}a.jpg,1,1,0.5,0.5\n{'x' * 140_000},1,1,0.5,0.5\n", "3: not a CSV"),
        ("\udcff", "1: not a CSV in UTF-8"),
    ],
    ids=[*range(16)],
)
def test_a_broken_file_is_named_with_line_and_column(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "0.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ReidAugError, match=rf"0\.csv line {message}.*: remove it, with the lines of .* key is 0, and"):
        read_query_scores(path)


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "0.csv").write_text(f"\ufeff{HEADER}a.jpg,1,1,0.5,0.25\n")
    assert read_query_scores(tmp_path / "0.csv") == {"a.jpg": QueryScore(1, 1, 0.5, 0.25)}
