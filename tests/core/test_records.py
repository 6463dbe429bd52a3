"""Dataclasses as JSON: reading and writing, and errors that name the wrong field."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.core.records import read_record, record_of, to_json


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
    free: dict[str, Any] = field(default_factory=dict)


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
        ({"table": {"x": "y"}}, "table is .*, expected an object"),
        ({"free": []}, "free is"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ReidAugError, match=f"^file: {message}.*: do this$"):
        record_of(Outer, {**GOOD, **change}, "file", "do this")


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
