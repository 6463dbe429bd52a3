"""Dataclasses as JSON objects; every field that is read is checked against its type, and its range where it has one.

In no field are accepted: numbers that are not finite or need more than 64 bits, text that is no Unicode, and values
nested more than `DEEPEST` times.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import refuse_pipe

Record = TypeVar("Record")
Scalar = str | int | float | bool | None
DEEPEST = 50
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Within:
    """That a number of a record lies between two others, or is one of them; as in `Annotated[int, Within(0, 9)]`."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True)
class Like:
    """That the whole of a text of a record matches a pattern."""

    pattern: str
    words: str  # what it is called

    def holds(self, value: str) -> bool:
        return re.fullmatch(self.pattern, value) is not None

    def __str__(self) -> str:
        return self.words


Count = Annotated[int, Within(0, 10**9)]  # of images, people and the like
Fraction = Annotated[float, Within(0, 1)]
Seconds = Annotated[float, Within(0, 10**9)]  # up to 31 years
FileName = Annotated[str, Like("[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits, '.', '_' and '-'")]


def to_json(values: object) -> str:
    """Plain values as one line of JSON in ASCII; NaN and infinity, which JSON does not have, become null."""
    return json.dumps(_finite(values))


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_record(path: Path, kind: type[Record], advice: str) -> Record:
    """The dataclass in a JSON file.

    Args:
        path: the file.
        kind: the dataclass; fields with a default may be absent.
        advice: what to do if the file is absent or broken.

    Raises:
        ReidAugError: no such file, no JSON object, or a field that is absent or of another type; the field is named.
    """
    refuse_pipe(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ReidAugError(f"no {path}: {advice}") from None
    except (ValueError, RecursionError):
        raise ReidAugError(f"{path} is not a JSON file: {advice}") from None
    return record_of(kind, values, str(path), advice)


def record_of(kind: type[Record], values: object, where: str, advice: str) -> Record:
    """A dataclass from the values of a JSON object; unknown names are ignored.

    Raises:
        ReidAugError: a field that is absent, of another type or out of range, or a number that is not finite.
    """
    if not isinstance(values, dict):
        raise ReidAugError(f"{where}: expected a JSON object, got {_short(values)}: {advice}")
    types = get_type_hints(kind, include_extras=True)
    arguments: dict[str, object] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in values:
            value, wanted = values[field.name], types[field.name]
            if is_dataclass(wanted) and isinstance(wanted, type):
                value = record_of(wanted, value, f"{where}: {field.name}", advice)
            elif not _is(value, wanted):
                raise ReidAugError(f"{where}: {field.name} is {_short(value)}, expected {_name(wanted)}: {advice}")
            arguments[field.name] = value
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ReidAugError(f"{where}: {field.name} is missing: {advice}")
    return kind(**arguments)


def _is(value: object, wanted: object) -> bool:
    origin = get_origin(wanted)
    if wanted is object:
        return _is_plain(value, DEEPEST)
    if origin is Annotated:
        inner, *rules = get_args(wanted)
        return _is(value, inner) and all(rule.holds(value) for rule in rules)
    if origin in (Union, UnionType):
        return any(_is(value, option) for option in get_args(wanted))
    if origin is Literal:
        return isinstance(value, str) and value in get_args(wanted)
    if wanted is NoneType:
        return value is None
    if wanted is float:
        return type(value) in (int, float) and _is_plain(value)
    if origin in (dict, Mapping):
        _, inner = get_args(wanted)
        return isinstance(value, dict) and all(_is(key, str) and _is(item, inner) for key, item in value.items())
    return type(value) is wanted and _is_plain(value)  # not isinstance: a bool is not accepted as an int


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value of a JSON file is one that this program writes."""
    if isinstance(value, dict):
        return depth > 0 and all(_is_plain(key) and _is_plain(item, depth - 1) for key, item in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    if isinstance(value, str):
        return not re.search("[\ud800-\udc7f\udd00-\udfff]", value)  # the others stand for bytes of a file name
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    return not isinstance(value, float) or math.isfinite(value)


def _name(wanted: object) -> str:
    names: dict[object, str] = {
        str: "text",
        int: "a whole number",
        float: "a finite number",
        bool: "true or false",
        NoneType: "null",
        object: f"plain values, nested at most {DEEPEST} times",
    }
    if get_origin(wanted) is Annotated:
        inner, *rules = get_args(wanted)
        return ", ".join([_name(inner), *map(str, rules)])
    if get_origin(wanted) is Literal:
        return " or ".join(get_args(wanted))
    if get_origin(wanted) in (Union, UnionType):
        return " or ".join(map(_name, get_args(wanted)))
    if get_origin(wanted) in (dict, Mapping):
        return f"an object of {_name(get_args(wanted)[1])}"
    return names.get(wanted, "an object")


def _short(value: object) -> str:
    try:
        text = json.dumps(value)
    except RecursionError:
        return "deeply nested"
    return text if len(text) <= 40 else f"{text[:40]}..."
