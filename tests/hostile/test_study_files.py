"""Files of a study, broken in every way: each reader refuses in our words, or gives values within their ranges."""

import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Dataset
from reidaug.datasets.market1501 import parse_name
from reidaug.evaluation.features import load_features, make_features, save_features
from reidaug.evaluation.query_scores import read_query_scores, write_query_scores
from reidaug.evaluation.results import append_result, read_results
from reidaug.study.plan import (
    ManifestRow,
    PlanRow,
    manifest_rows,
    read_manifest,
    read_plan,
    write_manifest,
    write_plan,
)
from reidaug.study.records import (
    ShrinkRecord,
    SynthesisRecord,
    read_shrink_record,
    read_synthesis_record,
    write_record,
)
from tests.factories import copied_set, image_named, make_result

A, B, C = "0002_c1s1_000451_03.jpg", "0002_c2s1_000451_03.jpg", "0003_c1s1_000001_00.jpg"
HOSTILE = [
    None,
    True,
    -1,
    2**63,
    10**400,
    10**4200,
    0.5,
    -0.0,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "x",
    "../../x",
]
HOSTILE += ["a\0b", "\ud800", "\x1b[2J", "9" * 5000, "x" * 140_000, [], [[1]], {}, {"a": math.nan}, {"a": {"b": []}}]
HOSTILE.append(json.loads('{"a":' * 900 + "1" + "}" * 900))


def in_range(values: object) -> bool:
    """Whether all numbers are finite and of 64 bits, and texts can be written."""
    if isinstance(values, dict):
        return all(in_range(key) and in_range(value) for key, value in values.items())
    if isinstance(values, list | tuple):
        return all(map(in_range, values))
    if isinstance(values, str):
        return bool(values.encode(errors="surrogateescape")) or not values
    return not isinstance(values, int | float) or ((math.isfinite(values) and abs(values) < 2**63) or values == 1e308)


def answer(read: Callable[[], Any], path: Path) -> Any:
    """What a reader gives; None if it refuses, which names the file in one line that is not long."""
    try:
        return read()
    except ReidAugError as error:
        assert path.name in str(error) and "\n" not in str(error) and len(str(error)) < 1500, str(error)
        return None


def edits(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with some bytes flipped, deleted, inserted or repeated, or only bytes."""

    def apply(changes: list[tuple[str, int, bytes]]) -> bytes:
        data = bytearray(content)
        for kind, place, new in changes:
            at = place % (len(data) + 1)
            if kind == "flip" and at < len(data):
                data[at] ^= new[0] or 1
            elif kind == "delete":
                del data[at : at + len(new)]
            elif kind == "insert":
                data[at:at] = new
            elif kind == "repeat":
                data[at:at] = data[at : at + 40]
        return bytes(data)

    places = st.integers(0, max(1, len(content)))
    changes = st.tuples(
        st.sampled_from(["flip", "delete", "insert", "repeat"]), places, st.binary(min_size=1, max_size=9)
    )
    return st.one_of(st.lists(changes, min_size=1, max_size=4).map(apply), st.binary(max_size=300))


def swaps(values: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """A JSON object with some of its values, or those of the objects in it, replaced by hostile ones or left out."""
    paths = [(name,) for name in values]
    paths += [(name, inner) for name, value in values.items() if isinstance(value, dict) for inner in value]

    def apply(changes: dict[tuple[str, ...], Any]) -> bytes:
        swapped = json.loads(json.dumps(values))
        for path, new in changes.items():
            *above, last = path
            place = swapped
            for name in above:
                place = place.get(name) if isinstance(place, dict) else None
            if isinstance(place, dict):
                place.pop(last, None)
                if new != "left out":
                    place[last] = new
        try:
            return json.dumps(swapped).encode()
        except ValueError:  # an integer of too many digits for Python
            return b'{"a": ' + b"9" * 5000 + b"}"

    hostile = st.sampled_from([*HOSTILE, "left out"])
    return st.dictionaries(st.sampled_from(paths), hostile, min_size=1, max_size=3).map(apply)


def cells(content: bytes) -> st.SearchStrategy[bytes]:
    """A CSV with a cell, a row or a column changed."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    hostile = [
        "",
        "x",
        "-1",
        "nan",
        "inf",
        "1e999",
        "9" * 5000,
        "x" * 140_000,
        "a\0b",
        "../x.jpg",
        "1_0",
        "٣",
        '"',
        A,
        "0",
    ]

    def apply(change: tuple[int, int, str, str]) -> bytes:
        row, column, new, kind = change
        table = [list(line) for line in rows]
        if kind == "cell":
            table[row][column % len(table[row])] = new
        elif kind == "row":
            del table[row]
        elif kind == "twice":
            table.insert(row, table[row])
        elif kind == "column":
            table = [line[: column % len(line)] for line in table]
        else:
            table = table[:1]
        return "\n".join(map(",".join, table)).encode()

    kinds = st.sampled_from(["cell", "cell", "cell", "row", "twice", "column", "header"])
    return st.tuples(st.integers(0, len(rows) - 1), st.integers(0, 6), st.sampled_from(hostile), kinds).map(apply)


def example_files(folder: Path) -> dict[str, bytes]:
    """A valid file of each kind."""
    facts = {"method": "pona", "iteration": 100, "seconds": 3.5, "batch_size": 4}
    more = {"rerank_mean_ap": 0.4, "rerank_mean_ap_trapezoid": 0.3, "rerank_rank1": 0.5, "reranking": {"k1": 20}}
    result = make_result("pona", missing=5, copied=1, seen_missing=0, protocol="strict", generator=facts, **more)
    append_result(folder / "results.jsonl", result)
    shrunk = ShrinkRecord(0.4, "uniform", "random", 3, "/data", "ab", "cd", False, "now", {"kept": 1}, "../data", "ef")
    write_record(folder / "shrink.json", shrunk)
    made = SynthesisRecord("pona.pt", "0f" * 32, "fp32", 95, 3, dict(facts), {"per_person": 3, "factor": None})
    write_record(folder / "synthesis.json", made)
    plan = [
        PlanRow(A, 2, 1, True, "", "keep"),
        PlanRow(B, 2, 2, False, A, "generate"),
        PlanRow(C, 3, 1, False, "", "drop"),
    ]
    write_plan(folder / "plan.csv", plan)
    write_manifest(folder / "manifest.csv", manifest_rows(plan))
    queries = [image_named(name) for name in (A, B, C)]
    scores = np.array([0.5, 1, np.nan])
    write_query_scores(folder / "queries.csv", queries, scores, scores)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_results(path: Path) -> None:
    for result in answer(lambda: read_results(path), path) or ():
        assert in_range(result.values())
        scores = [result.mean_ap, result.mean_ap_trapezoid, result.mean_inp, result.rank1, result.rank5, result.rank10]
        assert (
            all(0 <= score <= 1 for score in scores) and 0 < result.portion <= 1 and result.key == Path(result.key).name
        )
        assert min(result.images, result.queries, result.synthetic, result.seconds, result.epochs - 1, result.seed) >= 0


def check_shrink(path: Path) -> None:
    if record := answer(lambda: read_shrink_record(path), path):
        assert in_range(asdict(record)) and 0 < record.portion < 1 and record.keep in ("per-identity", "uniform")


def check_synthesis(path: Path) -> None:
    if record := answer(lambda: read_synthesis_record(path), path):
        assert in_range(asdict(record)) and 1 <= record.jpeg <= 100 and (record.seen_missing or 0) >= 0


def check_rows(rows: list[PlanRow] | list[ManifestRow] | None) -> None:
    if rows is not None:
        assert rows and len({row.name for row in rows}) == len(rows)
    for row in rows or ():
        assert (row.pid, row.camid) == parse_name(row.name) and not set(row.name + row.condition + row.pose) & set(
            "/\\\0"
        )


def check_plan(path: Path) -> None:
    check_rows(answer(lambda: read_plan(path), path))


def check_manifest(path: Path) -> None:
    check_rows(answer(lambda: read_manifest(path), path))


def check_queries(path: Path) -> None:
    for name, query in (answer(lambda: read_query_scores(path), path) or {}).items():
        assert 0 <= query.ap <= 1 and 0 <= query.ap_trapezoid <= 1 and query.pid >= -1 and not set(name) & set("/\\\0")


def values(content: bytes) -> st.SearchStrategy[bytes]:
    return swaps(json.loads(content))


CHECKS = {
    **{"results.jsonl": check_results, "shrink.json": check_shrink, "synthesis.json": check_synthesis},
    **{"plan.csv": check_plan, "manifest.csv": check_manifest, "queries.csv": check_queries},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return example_files(tmp_path_factory.mktemp("valid"))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        *((kind, edits) for kind in CHECKS),
        *((kind, values) for kind in ("results.jsonl", "shrink.json", "synthesis.json")),
        *((kind, cells) for kind in ("plan.csv", "manifest.csv", "queries.csv")),
    ],
)
def test_a_broken_file_is_refused_or_within_its_ranges(
    kind: str, broken: Callable[[bytes], st.SearchStrategy[bytes]], files: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / kind

    @settings(settings.get_profile("hostile"))
    @given(broken(files[kind]))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        CHECKS[kind](path)

    check()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return copied_set(tmp_path_factory.mktemp("data"), query=[A], gallery=[B, C])


def check_features(path: Path, data: Dataset) -> None:
    if features := answer(lambda: load_features(path, data), path):
        sides = (features.query, features.gallery)
        assert [side.shape for side in sides] == [(1, sides[0].shape[1]), (2, sides[0].shape[1])]
        assert all(side.dtype == np.float16 and np.isfinite(side).all() for side in sides)


@pytest.mark.timeout(60)
def test_features_whose_bytes_are_changed(data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "key.npz"
    vectors = [np.eye(count, 8, dtype=np.float32) for count in (1, 2)]
    save_features(path, make_features(*vectors, data, data.fingerprint("query", "gallery")))  # type: ignore[arg-type]

    @settings(settings.get_profile("hostile"))
    @given(edits(path.read_bytes()))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        check_features(path, data)

    check()


@pytest.mark.timeout(60)
def test_features_whose_arrays_say_what_they_like(data: Dataset, tmp_path: Path) -> None:
    """Headers of numpy within an archive whose sums are right."""
    path = tmp_path / "key.npz"
    vectors = [np.eye(count, 8, dtype=np.float32) for count in (1, 2)]
    save_features(path, make_features(*vectors, data, data.fingerprint("query", "gallery")))  # type: ignore[arg-type]
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sizes = st.one_of(st.integers(-2, 9), st.sampled_from([10**9, 2**62, 10**30]))
    shapes = st.lists(sizes, max_size=3).map(tuple)
    kinds = st.sampled_from(["<f2", ">f2", "<f4", "<U3", ">U9", "|V2147483647", "|V0", "|O", "<M8[s]", "<c8", "bogus"])

    def head(shape: tuple[int, ...], kind: str, content: bytes) -> bytes:
        text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content

    arrays = st.one_of(st.builds(head, shapes, kinds, st.binary(max_size=64)), st.binary(max_size=200))
    changes = st.dictionaries(st.sampled_from(sorted(members)), st.one_of(st.none(), arrays), min_size=1, max_size=3)
    compressions = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])

    @settings(settings.get_profile("hostile"))
    @given(changes, compressions)
    def check(changed: dict[str, bytes | None], compression: int) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name, content in {**members, **changed}.items():
                if content is not None:
                    archive.writestr(name, content)
        path.write_bytes(file.getvalue())
        check_features(path, data)

    check()
