"""results.jsonl: append-only, safe under several writers and after a crash."""

import fcntl
import json
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.evaluation.results import Result, append_result, current_results, read_results, result_key
from tests.cli.commands import runner
from tests.factories import make_result


def result(key: str, mean_ap: float = 0.5, **more: Any) -> Result:
    return make_result(key=key, mean_ap=mean_ap, **more)


def write_many(path: Path, writer: int) -> None:
    for index in range(20):
        append_result(path, result(f"{writer}-{index}", command="x" * 5000))


def test_missing_file_has_no_rows(tmp_path: Path) -> None:
    assert read_results(tmp_path / "results.jsonl") == []


def test_round_trip_keeps_order_and_the_newest_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "study" / "results.jsonl"
    for line in (result("a"), result("b"), result("a", 0.7)):
        append_result(path, line)
    assert [(r.key, r.mean_ap) for r in read_results(path)] == [("b", 0.5), ("a", 0.7)]
    assert len(path.read_text().splitlines()) == 3


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(write_many, [path] * 4, range(4)))
    assert {r.key for r in read_results(path)} == {f"{w}-{i}" for w in range(4) for i in range(20)}


def test_a_writer_waits_for_the_one_that_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    writer = threading.Thread(target=append_result, args=(path, result("a")), daemon=True)
    with path.open("ab") as holder:  # its own open file: the lock is against the thread too
        fcntl.flock(holder, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.3)
        assert writer.is_alive() and path.read_bytes() == b""
    writer.join(10)
    assert not writer.is_alive() and [r.key for r in read_results(path)] == ["a"]


def test_a_line_cut_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, result("a"))
    with path.open("a") as file:
        file.write('{"key": "cut", "set": "no')
    append_result(path, result("b"))
    assert [r.key for r in read_results(path)] == ["a", "b"]


def test_a_foreign_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, result("a"))
    with path.open("a") as file:
        file.write('{"other": 1}\n')
    with pytest.raises(ReidAugError, match="line 2"):
        read_results(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("mean_ap", None), ("rank1", "0.5"), ("portion", [0.4]), ("set", ["none"]), ("seed", 0.5), ("seed", True)],
        *[("mean_ap", float("nan")), ("mean_ap_trapezoid", float("inf")), ("mean_inp", 1.5), ("rank5", -0.1)],
        *[("versions", "2"), ("versions", {"torch": 2}), ("care", {"synthetic_weight": "half"}), ("key", 7)],
        *[("missing", "many"), ("reranking", 3), ("epochs", None)],
        *[("images", -1), ("synthetic", -1), ("queries", 10**30), ("threads", 10**40), ("epochs", 0), ("seed", -1)],
        *[("seconds", -1.0), ("seconds", 1e300), ("portion", 0), ("portion", 7), ("portion", float("nan"))],
        *[("portion", 0.4321), ("key", "../../x"), ("set", "../x"), ("set", ""), ("missing", -1), ("copied", 2.5)],
        *[("copied", 4), ("seen_missing", 4)],
        *[("rerank_mean_ap", 1.5), ("rerank_rank1", float("inf")), ("arch", "\ud800"), ("configuration", {"a": 1e999})],
        *[("generator", {"iteration": []}), ("generator", {"method": {}}), ("generator", {"seconds": float("nan")})],
    ],
)
def test_a_value_that_cannot_be_right_is_named_with_its_line(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, result("a"))
    with path.open("a") as file:
        file.write(json.dumps({**result("b", missing=3).values(), field: value}) + "\n")
    with pytest.raises(ReidAugError, match=rf"line 2: {field} is .*remove the line"):
        read_results(path)


def test_re_ranked_scores_come_together(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps({**result("a").values(), "reranking": {"k1": 20}, "rerank_mean_ap": 0.5}) + "\n")
    with pytest.raises(ReidAugError, match="line 1: reranking is given, expected its three scores too"):
        read_results(path)


def test_the_table_names_an_iteration_that_is_text_in_no_traceback(tmp_path: Path) -> None:
    """The facts of a generator are those of its checkpoint, which another program may have written."""
    append_result(tmp_path / "results.jsonl", result("a", seen_missing=0, generator={"iteration": "many"}))
    shown = runner.invoke(app, ["table", "--study", str(tmp_path)])
    assert shown.exit_code == 0 and "protocol unknown)" in " ".join(shown.stdout.split())


@pytest.mark.parametrize("field", sorted(result("a").values().keys() - {"reduced_fingerprint"}))
def test_a_field_that_is_missing_is_named_with_its_line(tmp_path: Path, field: str) -> None:
    path = tmp_path / "results.jsonl"
    values = result("a").values()
    del values[field]
    path.write_text(json.dumps(values) + "\n")
    with pytest.raises(ReidAugError, match=f"line 1: {field} is missing"):
        read_results(path)


def test_every_field_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    origin = {"missing": 3, "copied": 1, "seen_missing": None, "protocol": "strict", "generator": {"sha256": "b"}}
    reranked = {"rerank_mean_ap": 0.4, "rerank_mean_ap_trapezoid": 0.3, "rerank_rank1": 0.5, "reranking": {"k1": 20}}
    whole = result(
        "a",
        asked_precision="fp32",
        same_camera="count",
        reduced_fingerprint="c",
        care={"synthetic_weight": 0.5},
        **reranked,
    )
    for line in (whole, result("b", **origin)):
        append_result(path, line)
    assert read_results(path) == [whole, result("b", **origin)]
    assert result("b", **origin).values().keys() >= origin.keys() and "provenance" not in result("b", **origin).values()
    assert "missing" not in whole.values() and "asked_precision" not in result("b").values()


def test_care_does_not_keep_the_rows_of_older_images() -> None:
    old = result("a", set="pona", training_fingerprint="old")
    with_care = replace(old, key="b", care={"synthetic_weight": 0.5})
    assert [r.key for r in current_results([old, with_care])] == ["a", "b"]
    new = replace(old, key="c", training_fingerprint="new")
    assert [r.key for r in current_results([old, with_care, new])] == ["c"]


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
        append_result(path, result(key))
    assert [r.key for r in read_results(path)] == ["b", "a"]
    assert [r.key for r in current_results(read_results(path))] == ["a"]


def test_a_set_made_again_replaces_its_old_row() -> None:
    old, new = make_result("none", 0.4, 0.2), make_result("none", 0.4, 0.4, key="another")
    other = make_result("none", 0.4, 0.3, seed=1)
    assert current_results([old, new, other]) == [new, other]


def test_old_images_leave_with_all_their_seeds() -> None:
    old = [make_result("none", 0.4, 0.2, seed, training_fingerprint="a", reduced_fingerprint="a") for seed in (0, 1)]
    old += [make_result("pona", 0.4, 0.3, seed, training_fingerprint="b", reduced_fingerprint="a") for seed in (0, 1)]
    new = [make_result("none", 0.4, 0.4, training_fingerprint="c", reduced_fingerprint="c")]
    elsewhere = [make_result("none", 0.2, 0.1, training_fingerprint="d", reduced_fingerprint="d")]
    elsewhere.append(make_result("full", 1.0, 0.7))
    assert current_results([*elsewhere, *old, *new]) == [*elsewhere, *new]
    assert current_results([*elsewhere, *new, *old]) == [*elsewhere, *old]


def test_lines_that_are_passed_over_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, result("a"))
    path.write_text(f"\ufeff{path.read_text()}\n{{broken\n")
    append_result(path, result("b"))
    path.write_text(path.read_text() + '{"key": "c", "mean')
    assert [r.key for r in read_results(path)] == ["a", "b"]
    assert f"{path} line 3, 5: no JSON, passed over" in caplog.text
    assert len(caplog.records) == 1


def test_the_table_names_lines_that_are_passed_over_once(tmp_path: Path) -> None:
    append_result(tmp_path / "results.jsonl", result("a"))
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write("broken")
    shown = runner.invoke(app, ["table", "--study", str(tmp_path)])
    assert shown.exit_code == 0
    assert shown.stderr == f"{tmp_path}/results.jsonl line 2: no JSON, passed over; mend or remove it\n"


def test_a_pipe_holds_no_results(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "results.jsonl")
    with pytest.raises(ReidAugError, match="is a pipe"):
        read_results(tmp_path / "results.jsonl")


def test_a_full_disk_names_the_results_and_leaves_them_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, make_result())
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"No space.*results\.jsonl"):
        append_result(path, make_result(seed=1))
    assert path.read_bytes() == before
