"""The tables of a study: `plan.csv` (the action for each original image), `manifest.csv` (the images of a set).

Their last column, `pose`, is written only where a row has one, which those of `augment` have.
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from reidaug.core.errors import ReidAugError
from reidaug.core.files import write_csv
from reidaug.core.fingerprint import fingerprint, refuse_pipe
from reidaug.datasets.market1501 import parse_name

# Whether a condition image is needed. Of an image that another program made (adopt) none is known.
ACTIONS = {"keep": False, "generate": True, "copy": True, "drop": False, "adopt": False}


@dataclass(frozen=True)
class PlanRow:
    """What is done with one original training image."""

    name: str  # file name without a folder
    pid: int  # person
    camid: int  # camera
    kept: bool  # stays in the reduced set
    condition: str  # the kept image of this person to generate from; empty for kept and dropped images
    action: str  # keep, generate, copy (no usable pose), or drop (no image of the person is kept)
    pose: str = ""  # the image whose pose is generated; empty = the missing image itself, which the row names

    @property
    def target(self) -> str:
        """The image whose pose is generated."""
        return self.pose or self.name


@dataclass(frozen=True)
class ManifestRow:
    """The origin of one image of a training set."""

    name: str  # file name without a folder
    pid: int  # person
    camid: int  # camera
    synthetic: bool  # generated or copied
    condition: str  # the image that it was made from; empty for kept and adopted images
    action: str  # keep, generate, copy or adopt
    pose: str = ""  # the image whose pose it shows, in a set that `augment` made; else empty


Row = TypeVar("Row", PlanRow, ManifestRow)
_FIX = "make the file again with the command that wrote it, and --force"


def read_plan(path: Path) -> list[PlanRow]:
    """Read a `plan.csv`. Of a portion, `Study.read_plan` knows whether it was changed.

    Raises:
        ReidAugError: there is none, or a row is broken (with its line number).
    """
    rows = _read_rows(path, PlanRow, "run `reidaug shrink` first")
    kept = {row.name: row.pid for row in rows if row.kept}
    for number, row in enumerate(rows, start=2):
        if row.kept != (row.action == "keep") or (row.condition and kept.get(row.condition) != row.pid):
            raise ReidAugError(f"{path} line {number}: the condition image is not a kept image of the person; {_FIX}")
    return rows


def plan_fingerprint(plan: Iterable[PlanRow]) -> str:
    """The fingerprint of all that a plan says, in its order."""
    return fingerprint(json.dumps([list(asdict(row).values()) for row in plan]))


def write_plan(path: Path, rows: Iterable[PlanRow]) -> None:
    """Write a `plan.csv`, whole or not at all."""
    _write_rows(path, PlanRow, rows)


def manifest_rows(plan: Iterable[PlanRow]) -> list[ManifestRow]:
    """The manifest of a complete set, in the order of its plan."""
    return [
        ManifestRow(row.name, row.pid, row.camid, not row.kept, row.condition, row.action, row.pose)
        for row in plan
        if row.action != "drop"
    ]


def plan_of(manifest: Iterable[ManifestRow]) -> list[PlanRow]:
    """The plan of a complete set, which names each of its images and how it is made."""
    return [
        PlanRow(row.name, row.pid, row.camid, not row.synthetic, row.condition, row.action, row.pose)
        for row in manifest
    ]


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read a `manifest.csv`.

    Raises:
        ReidAugError: there is none, or a row is broken (with its line number).
    """
    return _read_rows(path, ManifestRow, "the training set is not complete")


def write_manifest(path: Path, rows: Iterable[ManifestRow]) -> None:
    """Write a `manifest.csv`, whole or not at all. Its presence marks a set as complete: write it last."""
    _write_rows(path, ManifestRow, rows)


def _write_rows(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    rows = list(rows)
    columns = len(fields(kind)) - (not any(row.pose for row in rows))
    lines: list[list[object]] = [[field.name for field in fields(kind)]]
    lines += [[int(v) if isinstance(v, bool) else v for v in asdict(row).values()] for row in rows]
    write_csv(path, (line[:columns] for line in lines))


def _read_rows(path: Path, kind: type[Row], hint: str) -> list[Row]:
    refuse_pipe(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise ReidAugError(f"no {path}; {hint}") from None
    except UnicodeDecodeError:
        raise ReidAugError(f"{path} is not a text file; {_FIX}") from None
    *header, last = [field.name for field in fields(kind)]
    if not lines or lines[0] not in (",".join(header), ",".join([*header, last])):
        raise ReidAugError(f"{path} line 1: expected the header '{','.join(header)}'; {_FIX}")
    if len(lines) == 1:
        raise ReidAugError(f"{path} names no image; {_FIX}")
    columns = lines[0].split(",")
    rows: list[Row] = []
    names: set[str] = set()
    for number, line in enumerate(lines[1:], start=2):
        try:
            values = next(csv.reader([line]), [])
            if len(values) != len(columns):
                raise ReidAugError(f"{len(values)} columns, expected {','.join(columns)}")
            row = _row(kind, dict(zip(columns, values, strict=True)))
            if row.name in names:
                raise ReidAugError("the image has a row above")
        except (ReidAugError, csv.Error) as error:
            raise ReidAugError(f"{path} line {number} is broken: {line[:80]!r}: {error}; {_FIX}") from None
        names.add(row.name)
        rows.append(row)
    return rows


def _row(kind: type[Row], values: dict[str, str]) -> Row:
    """Raises ReidAugError for a field that is wrong."""
    name, pid, camid, truth, condition, action, *pose = values.values()
    flag = fields(kind)[3].name
    person, camera = parse_name(name)  # refuses a path such as ../x.jpg
    for source in filter(None, (condition, *pose)):
        parse_name(source)
    if "\0" in "".join(values.values()):
        raise ReidAugError("a NUL byte")
    for column, value, named in (("pid", pid, person), ("camid", camid, camera)):
        if value != str(named):
            raise ReidAugError(f"{column} is {value[:20]!r}, and the name says {named}")
    if truth not in ("0", "1"):
        raise ReidAugError(f"{flag} is {truth[:20]!r}, expected 0 or 1")
    if action not in ACTIONS:
        raise ReidAugError(f"action is {action[:20]!r}, expected {', '.join(ACTIONS)}")
    if (condition != "") != ACTIONS[action]:
        raise ReidAugError(f"action is {action}, which has {'a' if ACTIONS[action] else 'no'} condition image")
    return kind(name, person, camera, truth == "1", condition, action, *pose)
