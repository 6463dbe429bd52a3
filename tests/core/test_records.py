"""Dataclasses as JSON: reading and writing, and errors that name the wrong field."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.core.records import DEEPEST, Count, FileName, Fraction, Scalar, Within, read_record, record_of, to_json


@dataclass(frozen=True)
class Inner:
    count: int


@dataclass(frozen=True)
class Outer:
    name: str
    share: float
    inner: Inner
    flag: bool = False
    maybe: int | None = None
    table: Mapping[str, float] = field(default_factory=dict)
    free: dict[str, object] = field(default_factory=dict)


GOOD: dict[str, Any] = {"name": "a", "share": 1, "inner": {"count": 2}, "flag": True, "table": {"x": 0.5}, "new": 1}


def test_a_written_record_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(GOOD))
    assert read_record(tmp_path / "a.json", Outer, "do") == Outer("a", 1, Inner(2), True, table={"x": 0.5})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "name is 1, expected text"),
        ({"share": "half"}, "share is .*half.*, expected a finite number"),
        ({"share": float("nan")}, "share is NaN, expected a finite number"),
        ({"share": True}, "share is true"),
        ({"share": 10**400}, "share is 1000.*, expected a finite number"),
        ({"inner": 3}, "inner: expected a JSON object, got 3"),
        ({"inner": {}}, "inner: count is missing"),
        ({"inner": {"count": 1.5}}, "inner: count is 1.5, expected a whole number"),
        ({"flag": 1}, "flag is 1, expected true or false"),
        ({"maybe": "x"}, "maybe is .*, expected a whole number or null"),
        ({"table": {"x": "y"}}, "table is .*, expected an object of a finite number"),
        ({"maybe": 2**63}, "maybe is 92233.*, expected a whole number or null"),
        ({"maybe": -(10**4000)}, "maybe is -1000.*, expected a whole number or null"),
        ({"name": "\ud800"}, "name is .*ud800.*, expected text"),
        ({"free": {"a": float("inf")}}, "free is .*, expected an object of plain values"),
        ({"free": {"\udfff": 1}}, "free is"),
        ({"free": {"a": [{"b": [10**400]}]}}, "free is"),
        ({"free": []}, "free is"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ReidAugError, match=f"^file: {message}.*: do this$"):
        record_of(Outer, {**GOOD, **change}, "file", "do this")


@dataclass(frozen=True)
class Ranges:
    count: Count = 0
    share: Fraction | None = None
    seed: Annotated[int, Within(1, 3)] = 1
    key: FileName = "a"
    kind: Literal["one", "two"] = "one"
    facts: Mapping[str, Scalar] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("name", "wrong", "expected", "right"),
    [
        ("count", [-1, 1.0, True, 10**10, None], "a whole number, 0 to 1000000000", [0, 10**9]),
        ("share", [-0.1, 1.1, "1", float("nan")], "a finite number, 0 to 1 or null", [None, 0, 1, 0.5]),
        ("seed", [0, 4, [1]], "a whole number, 1 to 3", [1, 3]),
        ("key", ["", "..", "a/b", "a\n", "../x", 3], "text, letters, digits, '.', '_' and '-'", ["0f", "a.b-c_d"]),
        ("kind", ["three", "", 1, ["one"], None], "one or two", ["two"]),
        ("facts", [{"a": []}, {"a": {}}, {"a": float("inf")}, []], "an object of text or", [{"a": None, "b": "c"}]),
    ],
)
def test_a_value_out_of_range_is_named(name: str, wrong: list[Any], expected: str, right: list[Any]) -> None:
    for value in wrong:
        with pytest.raises(ReidAugError, match=f"^file: {name} is .*, expected {expected}"):
            record_of(Ranges, {name: value}, "file", "do this")
    for value in right:
        assert getattr(record_of(Ranges, {name: value}, "file", "do this"), name) == value


def nested(times: int) -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    for _ in range(times):
        value = {"a": value}
    return value


def test_values_that_are_nested_deeply_are_refused() -> None:
    """Not only where the decoder gives up, which is later than where the encoder does."""
    assert record_of(Outer, {**GOOD, "free": nested(DEEPEST - 1)}, "file", "do this")
    for times in (DEEPEST + 1, 400, 900):
        with pytest.raises(ReidAugError, match=r"^file: free is .*, expected an object of plain values, nested at"):
            record_of(Outer, {**GOOD, "free": nested(times)}, "file", "do this")


def test_text_may_hold_bytes_of_a_file_name() -> None:
    assert record_of(Outer, {**GOOD, "name": "\udcff"}, "file", "do this").name == "\udcff"


def test_a_file_that_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content, message in ((None, "no "), (b"", "not a JSON"), (b"\xff", "not a JSON"), (b"[" * 10**5, "not a JSON")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ReidAugError, match=f"{message}.*: do this"):
            read_record(path, Outer, "do this")
    path.write_text("[]")
    with pytest.raises(ReidAugError, match="expected a JSON object"):
        read_record(path, Outer, "do this")


def test_nan_and_infinity_become_null() -> None:
    values = {"a": [float("nan"), float("inf"), 1.5, True], "ü": None}
    assert to_json(values) == '{"a": [null, null, 1.5, true], "\\u00fc": null}'


def test_a_byte_order_mark_is_no_part_of_a_record(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(GOOD), encoding="utf-8-sig")
    assert read_record(tmp_path / "a.json", Outer, "do").name == "a"
