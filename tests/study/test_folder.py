"""The study folder: names, settings, tables, whole files, locks that name their holder and die with it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidaug.core import files
from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, link_or_copy_folder, locked
from reidaug.datasets.market1501 import ROOT_NAME
from reidaug.study.folder import Study, chosen_portions, parse_portion, portion_name, resolve_data
from reidaug.study.plan import ManifestRow, PlanRow, manifest_rows, read_manifest, read_plan, write_manifest, write_plan

A, B = "0002_c1s1_000451_03.jpg", "0002_c2s1_000451_03.jpg"
PLAN = [
    PlanRow(A, 2, 1, True, "", "keep"),
    PlanRow(B, 2, 2, False, A, "generate"),
    PlanRow("0003_c1s1_0_0.jpg", 3, 1, False, "", "drop"),
]


@given(st.integers(1, 99))
def test_every_two_decimal_portion_has_its_name(hundredths: int) -> None:
    assert portion_name(hundredths / 100) == f"p0.{hundredths:02d}"
    assert parse_portion(f"0.{hundredths:02d}") == hundredths / 100


@pytest.mark.parametrize(
    "text", ["0", "-1", "1", "1.5", "nan", "inf", "-inf", "abc", "", "0.123", "40%", "0,4", "1e-9"]
)
def test_other_portions_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ReidAugError, match="portion") as caught:
        parse_portion(text)
    assert "\n" not in str(caught.value)


def test_places(tmp_path: Path) -> None:
    study = Study(tmp_path)
    assert study.plan_path(0.4) == tmp_path / "p0.40" / "plan.csv"
    assert study.set_root(0.4, "none") == tmp_path / "p0.40" / "none" / "Market-1501-v15.09.15"
    for name in ("..", "a/b", "", ".hidden", "a b"):
        with pytest.raises(ReidAugError, match="set name"):
            study.set_root(0.4, name)


def test_only_complete_sets_count(tmp_path: Path) -> None:
    study = Study(tmp_path)
    assert study.portions() == [] and study.sets(0.4) == [] and study.unfinished_sets(0.4) == []
    for name in ("zebra", "none", "pona", ".none.partial", "begun"):
        root = tmp_path / "p0.40" / name / ROOT_NAME
        root.mkdir(parents=True)
        if name != "begun":
            write_manifest(root / "manifest.csv", [])
    assert study.portions() == []
    for folder in ("p0.40", "p0.05", ".p0.30.partial", "p0.2"):
        (tmp_path / folder).mkdir(exist_ok=True)
        write_plan(tmp_path / folder / "plan.csv", PLAN)
    assert study.portions() == [0.05, 0.4]
    assert study.sets(0.4) == ["none", "pona", "zebra"] and study.unfinished_sets(0.4) == ["begun"]
    assert chosen_portions(study, None) == [0.05, 0.4] and chosen_portions(study, "0.4") == [0.4]
    with pytest.raises(ReidAugError, match=r"no portion 0\.20, only 0\.05, 0\.40"):
        chosen_portions(study, "0.2")
    with pytest.raises(ReidAugError, match="no study at"):
        chosen_portions(Study(tmp_path / "absent"), None)


plain_values = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1), st.booleans()
)
plain_values |= st.floats(allow_nan=False) | st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keys, plain_values | st.dictionaries(keys, plain_values, max_size=3), max_size=4))
def test_settings_are_valid_toml(tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]) -> None:
    study = Study(tmp_path_factory.mktemp("study"))
    study.write_settings(**values)
    assert study.read_settings() == values


def test_settings_add_to_those_already_there(tmp_path: Path) -> None:
    study = Study(tmp_path / "new")
    study.write_settings(data=Path("/some where/ü\x7f"))
    (study.path / "study.toml").write_text((study.path / "study.toml").read_text() + "# mine\n[evaluate]\nseeds = 3\n")
    study.write_settings(data="/some where/ü\x7f")  # nothing new: a user's comment survives
    assert "# mine" in study.settings_path.read_text()
    study.write_settings(portion=0.4)
    assert tomllib.loads(study.settings_path.read_text()) == {
        "data": "/some where/ü\x7f",
        "portion": 0.4,
        "evaluate": {"seeds": 3},
    }
    study.settings_path.write_text("data = ")
    with pytest.raises(ReidAugError, match="not valid TOML"):
        study.read_settings()


def test_data_is_named_remembered_or_at_hand(tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(tmp_path / "study")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReidAugError, match="give --data"):
        resolve_data(None, study)
    monkeypatch.chdir(tiny_root.parent)
    assert resolve_data(None, study) == tiny_root
    (tmp_path / "other" / "bounding_box_train").mkdir(parents=True)
    study.write_settings(data=str(tmp_path / "other"))
    assert resolve_data(None, study) == tmp_path / "other"
    assert resolve_data(Path("."), study) == tiny_root  # made absolute, and the root found in the folder around it
    with pytest.raises(ReidAugError, match="run `reidaug shrink`"):
        study.data_of(0.4)


def test_plan_and_manifest_go_there_and_back(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.csv", PLAN)
    assert (tmp_path / "plan.csv").read_text().splitlines()[:3] == [
        "name,pid,camid,kept,condition,action",
        f"{A},2,1,1,,keep",
        f"{B},2,2,0,{A},generate",
    ]
    assert read_plan(tmp_path / "plan.csv") == PLAN
    rows = manifest_rows(PLAN)
    assert rows == [ManifestRow(A, 2, 1, False, "", "keep"), ManifestRow(B, 2, 2, True, A, "generate")]
    write_manifest(tmp_path / "manifest.csv", rows)
    assert (tmp_path / "manifest.csv").read_text().splitlines()[0] == "name,pid,camid,synthetic,condition,action"
    assert read_manifest(tmp_path / "manifest.csv") == rows


@pytest.mark.parametrize(
    "row",
    [
        f"{A},2,1,1,",
        f"{A},x,1,1,,keep",
        f"{A},2,1,2,,keep",
        "../x.jpg,2,1,1,,keep",
        f"{A},2,1,0,/etc/x,copy",
        f"{A},,,,,,,",
    ],
)
def test_broken_rows_are_named_with_their_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "plan.csv"
    write_plan(path, PLAN)
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(ReidAugError, match=r"plan\.csv line 5 is broken"):
        read_plan(path)


def test_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReidAugError, match="run `reidaug shrink` first"):
        read_plan(tmp_path / "plan.csv")
    for content in (b"", b"<html>", b"\xff\xfe", b"name,pid,camid,synthetic,condition,action\n"):
        (tmp_path / "plan.csv").write_bytes(content)
        with pytest.raises(ReidAugError, match=r"plan\.csv"):
            read_plan(tmp_path / "plan.csv")


@pytest.mark.parametrize("data", ["ü\n", b"\x00\xff"])
def test_file_is_written_whole(tmp_path: Path, data: bytes | str) -> None:
    atomic_write(tmp_path / "a", "old")
    atomic_write(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    atomic_write(tmp_path / "a", "old")
    monkeypatch.setattr(files.os, failing, full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(tmp_path / "a", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


def test_folder_is_linked_or_copied(tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_root)
    link_or_copy_folder(Path("query"), tmp_path / "link", copy=False)
    link_or_copy_folder(Path("query"), tmp_path / "copy", copy=True)
    assert os.readlink(tmp_path / "link") == str(tiny_root / "query") and not (tmp_path / "copy").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data", "link"]
    contents = [{p.name: p.read_bytes() for p in (tmp_path / kind).iterdir()} for kind in ("link", "copy")]
    assert contents[0] == contents[1] and len(contents[0]) == 8


def test_copy_that_was_cut_is_not_taken_for_a_whole_one(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        link_or_copy_folder(tiny_root / "query", tmp_path / "copy", copy=True)
    assert not (tmp_path / "copy").exists()
    monkeypatch.setattr(shutil, "copyfile", copy)
    link_or_copy_folder(tiny_root / "query", tmp_path / "copy", copy=True)
    assert len(list((tmp_path / "copy").iterdir())) == 8


def test_lock_is_for_one_at_a_time_and_freed_on_error(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".lock"
    with locked(path, "the set pona"), pytest.raises(ReidAugError, match=rf"the set pona .* process {os.getpid()} on "):  # noqa: SIM117
        with locked(path, "the set pona"):
            pytest.fail("two held the lock")
    with pytest.raises(KeyError), locked(path, "it"):
        raise KeyError
    with locked(path, "it"), locked(tmp_path / ".other", "other"):
        pass


def test_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    code = (
        "import sys, time; from pathlib import Path; from reidaug.core.files import locked\n"
        "with locked(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"
    )
    repository = Path(files.__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, cwd=repository) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(ReidAugError, match=f"process {holder.pid} on ") as caught, locked(path, "it"):
            pytest.fail("two held the lock")
        assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", str(caught.value))
        holder.kill()
        holder.wait()
    with locked(path, "it"):
        assert f"process {os.getpid()} on " in path.read_text()
