"""plan.csv and manifest.csv: there and back, and broken rows named by line."""

from dataclasses import replace
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.study.plan import (
    ManifestRow,
    PlanRow,
    manifest_rows,
    plan_fingerprint,
    plan_of,
    read_manifest,
    read_plan,
    write_manifest,
    write_plan,
)

A, B = "0002_c1s1_000451_03.jpg", "0002_c2s1_000451_03.jpg"
PLAN = [
    PlanRow(A, 2, 1, True, "", "keep"),
    PlanRow(B, 2, 2, False, A, "generate"),
    PlanRow("0003_c1s1_0_0.jpg", 3, 1, False, "", "drop"),
]


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


def test_a_pose_of_another_image_is_a_last_column_and_older_files_have_none(tmp_path: Path) -> None:
    other = "0009_c1s1_000001_00.jpg"
    plan = [PLAN[0], PlanRow(B, 2, 2, False, A, "generate", other)]
    write_plan(tmp_path / "plan.csv", plan)
    write_manifest(tmp_path / "manifest.csv", manifest_rows(plan))
    for file, flag in (("plan.csv", "kept"), ("manifest.csv", "synthetic")):
        lines = (tmp_path / file).read_text().splitlines()
        assert lines[0] == f"name,pid,camid,{flag},condition,action,pose"
        assert lines[1].endswith(",keep,") and lines[2].endswith(f",{A},generate,{other}")
    assert read_plan(tmp_path / "plan.csv") == plan and [row.target for row in plan] == [A, other]
    assert read_manifest(tmp_path / "manifest.csv") == manifest_rows(plan) and plan_of(manifest_rows(plan)) == plan
    for wrong in ("../x.jpg", f"{other},"):
        (tmp_path / "plan.csv").write_text(
            "\n".join([lines[0].replace("synthetic", "kept"), f"{A},2,1,1,,keep,{wrong}"])
        )
        with pytest.raises(ReidAugError, match=r"plan\.csv line 2 is broken"):
            read_plan(tmp_path / "plan.csv")


@pytest.mark.parametrize(
    "row",
    [
        f"{A},2,1,1,",
        f"{A},x,1,1,,keep",
        f"{A},2,1,2,,keep",
        "../x.jpg,2,1,1,,keep",
        f"{A},2,1,0,/etc/x,copy",
        f"{A},,,,,,,",
        f"{A},2,1,1,,keep",  # a second time
        "x" * 200_000 + ",2,1,1,,keep",
        "9" * 5000 + "_c1.jpg,9,1,1,,keep",
        f'"{A},2,1,1,,keep',
    ],
)
def test_broken_rows_are_named_with_their_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "plan.csv"
    write_plan(path, PLAN)
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(ReidAugError, match=r"plan\.csv line 5 is broken"):
        read_plan(path)


def test_a_broken_field_is_named(tmp_path: Path) -> None:
    rows = {
        f"{A},7,1,1,,keep": "pid is '7', and the name says 2",
        f"{A},2,01,1,,keep": "camid is '01', and the name says 1",
        f"{A},2,1,yes,,keep": "kept is 'yes', expected 0 or 1",
        f"{A},2,1,1,,paint": "action is 'paint', expected keep, generate, copy, drop, adopt",
        f"{A},2,1,0,,copy": "action is copy, which has a condition image",
        f"{A},2,1,1,{B},keep": "action is keep, which has no condition image",
        f"{A[:-4]}\0.jpg,2,1,1,,keep": "a NUL byte",
        f"{A},2,1,1": "4 columns, expected name,pid,camid,kept,condition,action",
        '"' + "x" * 140_000 + '",2,1,1,,keep': "field larger than field limit",
    }
    for row, message in rows.items():
        (tmp_path / "plan.csv").write_text(f"name,pid,camid,kept,condition,action\n{row}\n")
        with pytest.raises(
            ReidAugError, match=rf"plan\.csv line 2 is broken: .*{message}.*; make the file again with the"
        ):
            read_plan(tmp_path / "plan.csv")
    for name, read in (("kept", read_plan), ("synthetic", read_manifest)):
        (tmp_path / "table.csv").write_text(f"name,pid,camid,{name},condition,action\n")
        with pytest.raises(ReidAugError, match=r"table\.csv names no image"):
            read(tmp_path / "table.csv")


def test_the_fingerprint_is_that_of_all_that_a_plan_says_however_it_is_saved(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.csv", PLAN)
    text = (tmp_path / "plan.csv").read_text()
    (tmp_path / "plan.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())  # as a spreadsheet does
    assert plan_fingerprint(read_plan(tmp_path / "plan.csv")) == plan_fingerprint(PLAN)
    others = [PLAN[:2], PLAN[::-1], [*PLAN, PLAN[0]], [PLAN[0], replace(PLAN[1], action="copy"), PLAN[2]]]
    assert len({plan_fingerprint(plan) for plan in (PLAN, *others)}) == 5


def test_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReidAugError, match="run `reidaug shrink` first"):
        read_plan(tmp_path / "plan.csv")
    for content in (b"", b"<html>", b"\xff\xfe", b"name,pid,camid,synthetic,condition,action\n"):
        (tmp_path / "plan.csv").write_bytes(content)
        with pytest.raises(ReidAugError, match=r"plan\.csv"):
            read_plan(tmp_path / "plan.csv")


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.csv", PLAN)
    (tmp_path / "plan.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "plan.csv").read_bytes())
    assert read_plan(tmp_path / "plan.csv") == PLAN
