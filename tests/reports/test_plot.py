"""The picture of mAP over the portion."""

import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from reidaug.evaluation.results import Result, append_result
from reidaug.reports.grids import set_order
from reidaug.reports.plot import colours_of, draw_group, lines_of
from tests.cli.commands import error_of, values_of
from tests.factories import make_result

Figure = pytest.importorskip("matplotlib.figure").Figure
TWICE = (("none", 0.2, 0.3), ("pona", 0.2, 0.4), ("none", 0.4, 0.5))
ROWS = [
    *(make_result(name, p, ap, seed=seed) for name, p, ap in TWICE for seed in (0, 1)),
    make_result("duplicate", 0.2, 0.35),
    make_result("duplicate", 0.2, 0.36, care={"synthetic_weight": 0.5}),
    make_result("full", 1.0, 0.7),
]


def draw(axes: Any, rows: list[Result]) -> None:
    draw_group(axes, rows, colours_of(rows))


def of_rows(folder: Path) -> list[str]:
    """The options for a study with the results `ROWS`."""
    for number, result in enumerate(ROWS):
        append_result(folder / "results.jsonl", replace(result, key=str(number)))
    return ["--study", str(folder)]


def test_points_are_the_results() -> None:
    lines = lines_of(ROWS)
    assert lines["none"] == {0.2: [30, 30], 0.4: [50, 50]}
    assert lines["full"] == {1.0: [70]}


def test_png_and_svg_name_every_set(tmp_path: Path) -> None:
    arguments = ["plot", *of_rows(tmp_path), "--out", str(tmp_path / "map.png")]
    files = [str(tmp_path / f"map{ending}") for ending in (".png", ".svg")]
    assert values_of(*arguments)["files"] == files
    with Image.open(files[0]) as picture:
        assert picture.width == 960 and len(picture.convert("RGB").getcolors(1 << 24)) > 20
    comments = Path(files[1]).read_text()
    ElementTree.fromstring(comments)
    assert all(f"<!-- {name} -->" in comments for name in ("none", "pona", "duplicate (n = 1)", "full"))
    first = Path(files[1]).read_bytes()
    values_of(*arguments)
    assert len(Path(files[1]).read_bytes()) == len(first)


def test_controls_are_dotted_however_they_are_treated() -> None:
    axes = Figure().subplots()
    draw(axes, ROWS)
    styles = {str(line.get_label()): line.get_linestyle() for line in axes.get_lines()}
    dotted = {"duplicate (n = 1)": ":", "duplicate (weight 0.5) (n = 1)": ":"}
    bars = {name: "None" for name in styles if name.startswith("_")}
    assert styles == {"none": "-", "pona": "-", "full": "--", **dotted, **bars}
    assert "weights imagenet, 60 epochs" in axes.get_title()


def test_a_set_has_one_colour_in_all_axes_and_the_legend_is_in_the_order_of_the_table() -> None:
    others = [make_result("full", 1.0, 0.6, recipe="quick"), make_result("pona", 0.2, 0.4, recipe="quick")]
    first, second = Figure().subplots(2)
    colours = colours_of([*others, *ROWS])
    draw_group(first, ROWS, colours)
    draw_group(second, others, colours)
    names = first.get_legend_handles_labels()[1]
    assert [name.removesuffix(" (n = 1)") for name in names] == sorted(lines_of(ROWS), key=set_order)
    shown = [{line.get_label(): line.get_color() for line in axes.get_lines()} for axes in (first, second)]
    assert shown[0]["pona"] == shown[1]["pona"] != shown[0]["none"]


def test_the_axis_begins_at_0_or_is_marked_as_cut() -> None:
    whole, cut = Figure().subplots(2)
    draw(whole, ROWS)
    draw(cut, [make_result("none", 0.2, 0.61), make_result("pona", 0.2, 0.65), make_result("full", 1.0, 0.7)])
    assert whole.get_ylim()[0] == 0 and "cut" not in whole.get_ylabel()
    assert cut.get_ylim()[0] == 60 and cut.get_ylabel().endswith("axis cut at 60")


def test_every_line_has_bars(tmp_path: Path) -> None:
    axes = Figure().subplots()
    draw(axes, ROWS)
    bars = {len(container.lines[2][0].get_segments()) for container in axes.containers}
    assert len(axes.containers) == 4 and bars == {1, 2}


def test_one_portion_shows_its_spread_as_a_bar() -> None:
    axes = Figure().subplots()
    draw(axes, [row for row in ROWS if row.set == "pona"] + [make_result("pona", 0.2, 0.6, seed=2)])
    low, high = axes.containers[0].lines[2][0].get_segments()[0][:, 1]
    assert (low + high) / 2 == pytest.approx(140 / 3)
    assert (high - low) / 2 == pytest.approx(statistics.stdev([40, 40, 60]))


def test_the_folder_of_a_picture_is_made(tmp_path: Path) -> None:
    values_of("plot", *of_rows(tmp_path), "--out", str(tmp_path / "new" / "one" / "map.png"))
    assert sorted(path.name for path in (tmp_path / "new" / "one").iterdir()) == ["map.png", "map.svg"]
    message = error_of("plot", *of_rows(tmp_path), "--out", str(tmp_path / "results.jsonl" / "map.png"))
    assert "results.jsonl is a file, expected a folder for map.png" in message


def test_no_results_and_no_matplotlib_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "run `reidaug evaluate` first" in error_of("plot", "--study", str(tmp_path))
    for name in ("matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install 'reidaug[plot]'" in error_of("plot", *of_rows(tmp_path))


def test_nothing_is_written_if_one_of_the_two_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "m.svg").mkdir()
    message = error_of("plot", *of_rows(tmp_path), "--out", str(tmp_path / "m.png"))
    assert f"{tmp_path / 'm.svg'} is a folder, expected a file" in message
    assert not (tmp_path / "m.png").exists()


def test_an_ending_in_capitals_is_an_ending(tmp_path: Path) -> None:
    values_of("plot", *of_rows(tmp_path), "--out", str(tmp_path / "Map.v1.PNG"))
    assert {path.name for path in tmp_path.glob("Map*")} == {"Map.v1.png", "Map.v1.svg"}


def test_bars_of_one_portion_are_side_by_side() -> None:
    axes = Figure().subplots()
    draw(axes, [row for row in ROWS if row.portion == 0.2 and row.set in ("none", "pona")])
    bars = [container.lines[2][0].get_segments()[0][0, 0] for container in axes.containers]
    assert bars == pytest.approx([0.195, 0.205]) and list(axes.get_xticks()) == [0.2]
    assert axes.get_xlim() == pytest.approx((0.15, 0.25))
    points = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() == "o"]
    assert points == pytest.approx(bars)


def test_a_name_that_is_no_text_is_drawn() -> None:
    axes = Figure().subplots()
    draw(axes, [replace(row, weights="w\udcff.pt") for row in ROWS])
    assert "w?.pt" in axes.get_title()
