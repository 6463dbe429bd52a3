"""results.jsonl: append-only, safe under several writers and after a crash."""

import fcntl
import json
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.evaluation.results import REQUIRED, append_result, current_results, read_results, result_key


def row(key: str, mean_ap: float = 0.5) -> dict[str, object]:
    return {**dict.fromkeys(REQUIRED, 0), "key": key, "set": "none", "portion": 0.4, "mean_ap": mean_ap}


def write_many(path: Path, writer: int) -> None:
    for index in range(20):
        append_result(path, {**row(f"{writer}-{index}"), "padding": "x" * 5000})


def test_missing_file_has_no_rows(tmp_path: Path) -> None:
    assert read_results(tmp_path / "results.jsonl") == []


def test_round_trip_keeps_order_and_the_newest_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "study" / "results.jsonl"
    for each in (row("a"), row("b"), row("a", 0.7)):
        append_result(path, each)
    assert [(r["key"], r["mean_ap"]) for r in read_results(path)] == [("b", 0.5), ("a", 0.7)]
    assert len(path.read_text().splitlines()) == 3


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(write_many, [path] * 4, range(4)))
    assert {r["key"] for r in read_results(path)} == {f"{w}-{i}" for w in range(4) for i in range(20)}


def test_a_writer_waits_for_the_one_that_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    writer = threading.Thread(target=append_result, args=(path, row("a")), daemon=True)
    with path.open("ab") as holder:  # its own open file: the lock is against the thread too
        fcntl.flock(holder, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.3)
        assert writer.is_alive() and path.read_bytes() == b""
    writer.join(10)
    assert not writer.is_alive() and [r["key"] for r in read_results(path)] == ["a"]


def test_a_line_cut_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, row("a"))
    with path.open("a") as file:
        file.write('{"key": "cut", "set": "no')
    append_result(path, row("b"))
    assert [r["key"] for r in read_results(path)] == ["a", "b"]


def test_a_foreign_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, row("a"))
    with path.open("a") as file:
        file.write('{"other": 1}\n')
    with pytest.raises(ReidAugError, match="line 2"):
        read_results(path)


@pytest.mark.parametrize("change", [{"mean_ap": None}, {"rank1": "0.5"}, {"portion": [0.4]}, {"set": ["none"]}])
def test_a_value_that_is_no_score_is_named_with_its_line(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, row("a"))
    with path.open("a") as file:
        file.write(json.dumps({**row("b"), **change}) + "\n")
    with pytest.raises(ReidAugError, match="line 2 is not a result row"):
        read_results(path)


def test_care_does_not_keep_the_rows_of_older_images() -> None:
    old = {**row("a"), "set": "pona", "training_fingerprint": "old", "seed": 0}
    with_care = {**old, "key": "b", "care": {"synthetic_weight": 0.5}}
    assert [each["key"] for each in current_results([old, with_care])] == ["a", "b"]
    new = {**old, "key": "c", "training_fingerprint": "new"}
    assert [each["key"] for each in current_results([old, with_care, new])] == ["c"]


def test_key_depends_on_everything_and_not_on_order() -> None:
    base = result_key("train", "test", {"epochs": 20, "lr": 0.1}, 0)
    assert base == result_key("train", "test", {"lr": 0.1, "epochs": 20}, 0)
    others = [
        result_key("train2", "test", {"epochs": 20, "lr": 0.1}, 0),
        result_key("train", "test2", {"epochs": 20, "lr": 0.1}, 0),
        result_key("train", "test", {"epochs": 21, "lr": 0.1}, 0),
        result_key("train", "test", {"epochs": 20, "lr": 0.1}, 1),
    ]
    assert len({base, *others}) == 5


def test_a_row_written_again_is_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for key in ("a", "b", "a"):
        append_result(path, row(key))
    assert [each["key"] for each in read_results(path)] == ["b", "a"]
    assert [each["key"] for each in current_results(read_results(path))] == ["a"]
