"""Results as tables for people and as values for --json."""

from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from pona.profiling import Cost
from reidaug.cli.doctor import Check
from reidaug.cli.render import (
    SHOWN_PER_KIND,
    doctor_table,
    doctor_values,
    inspection_table,
    inspection_values,
    profile_tables,
    profile_values,
)
from reidaug.core.records import to_json
from reidaug.datasets.dataset import Problem
from reidaug.datasets.inspection import Inspection, SplitSummary
from reidaug.synthesis.profile import Profile


def lines_of(drawn: RenderableType) -> list[str]:
    console = Console(width=160)
    with console.capture() as shown:
        console.print(drawn)
    return [line.rstrip() for line in shown.get().splitlines()]


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_many_problems_of_a_kind_are_counted_and_errors_come_first() -> None:
    splits = tuple(SplitSummary(name, 12936, 751, 0, 2, {2: 7, 1: 12000}, 9, 8) for name in ("train", "query"))
    notes = [Problem("stray-file", "note", f"{i}.png", "skipped") for i in range(SHOWN_PER_KIND + 2)]
    inspection = Inspection(Path("data"), splits, (*notes, Problem("bad-name", "error", "[x].jpg", "rename it")))
    lines = lines_of(inspection_table(inspection))
    row = next(cells_of(line) for line in lines if "train" in line)
    assert row == ["train", "12,936", "751", "0", "2", "9", "8", "1: 12,000  2: 7"]
    assert lines[-SHOWN_PER_KIND - 3] == "error: [x].jpg: rename it"
    assert lines[-2] == "note: ... and 2 more of stray-file (--json lists all)" and lines[-1] == "1 error, 7 notes"
    values = inspection_values(inspection)
    assert len(values["problems"]) == 8 and values["errors"] == 1 and list(values["splits"]) == ["train", "query"]
    assert lines_of(inspection_table(Inspection(Path("data"), splits, ())))[-1] == "no errors, 0 notes"


def test_speed_is_relative_to_the_eager_way_of_the_same_size_and_batch() -> None:
    small, large = (32, 16), (64, 32)
    costs = [
        Cost("eager", small, 2, 8.0, None),
        Cost("fast", small, 2, 2.0, 3 * 2**20),
        Cost("eager", large, 2, 4.0, 0),
    ]
    profile = Profile("pona.pt", 34_347_340, "34.33 M", {small: 1_500_000_000, large: 0}, costs, "a CPU")
    title, *lines = lines_of(profile_tables([profile]))
    assert title == "pona.pt: 34.35 M parameters (as the paper prints: 34.33 M); a CPU"
    assert [cells_of(line) for line in lines if " x " in line] == [
        ["32 x 16", "1.50", "2", "eager", "8.00", "125.0", "1.00", "-"],
        ["32 x 16", "1.50", "2", "fast", "2.00", "500.0", "4.00", "3"],
        ["64 x 32", "0.00", "2", "eager", "4.00", "250.0", "1.00", "0"],
    ]
    values: Any = profile_values([profile])
    rows = values["generators"][0]["rows"]
    assert [(row["macs"], row["images_per_second"]) for row in rows] == [
        (1_500_000_000, 125),
        (1_500_000_000, 500),
        (0, 250),
    ]
    to_json(values)


def test_a_check_that_failed_is_marked_with_what_to_do() -> None:
    checks = [Check("disk", True, "9 GiB"), Check("torch", False, "not [installed]", "pip install torch")]
    assert [line.split() for line in lines_of(doctor_table(checks))] == [
        ["ok", "disk:", "9", "GiB"],
        ["FIX", "torch:", "not", "[installed];", "pip", "install", "torch"],
    ]
    assert doctor_values(checks)["ok"] is False and doctor_values(checks[:1])["ok"] is True
