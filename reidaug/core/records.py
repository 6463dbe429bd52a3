"""Dataclasses as JSON objects; every field that is read is checked against its type."""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import TypeVar, Union, get_args, get_origin, get_type_hints

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import refuse_pipe

Record = TypeVar("Record")


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
        ReidAugError: a field that is absent or of another type, or a number that is not finite.
    """
    if not isinstance(values, dict):
        raise ReidAugError(f"{where}: expected a JSON object, got {_short(values)}: {advice}")
    types = get_type_hints(kind)
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
    if wanted is object:
        return True
    if get_origin(wanted) in (Union, UnionType):
        return any(_is(value, option) for option in get_args(wanted))
    if wanted is NoneType:
        return value is None
    if wanted is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]
    if get_origin(wanted) in (dict, Mapping):
        _, inner = get_args(wanted)
        return isinstance(value, dict) and all(_is(item, inner) for item in value.values())
    return type(value) is wanted  # not isinstance: a bool is not accepted as an int


def _name(wanted: object) -> str:
    names: dict[object, str] = {
        str: "text",
        int: "a whole number",
        float: "a finite number",
        bool: "true or false",
        NoneType: "null",
    }
    if get_origin(wanted) in (Union, UnionType):
        return " or ".join(map(_name, get_args(wanted)))
    return names.get(wanted, "an object")


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
