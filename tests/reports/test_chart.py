"""Positions in a chart: the axes hold every point, equal steps are equal lengths, ticks are round numbers."""

import numpy as np
import pytest

from reidaug.reports.chart import BOTTOM, COLOURS, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Series, draw_chart, thin_out


def test_points_lie_where_their_values_are() -> None:
    chart = draw_chart("a", "x", "y", [Series("a", [(0.0, 0.0), (10.0, 50.0), (20.0, 100.0)])])
    dots = np.array(chart.lines[0].dots)
    assert dots[0].tolist() == [LEFT, HEIGHT - BOTTOM] and dots[2, 0] == WIDTH - RIGHT
    assert np.allclose(dots[1], dots[[0, 2]].mean(axis=0), atol=0.1)
    assert chart.lines[0].path == "M" + " L".join(f"{x:g} {y:g}" for x, y in dots)
    assert [text for _, text in chart.y_ticks] == ["0", "20", "40", "60", "80", "100"]
    assert [text for _, text in chart.x_ticks] == ["0", "5", "10", "15", "20"]
    assert all(TOP <= y <= HEIGHT - BOTTOM for y, _ in chart.y_ticks)


@pytest.mark.parametrize("top", [1e-3, 0.7, 1.0, 19.9, 20.1, 100.0, 12345.0])
def test_every_point_and_bar_is_within_the_axes(top: float) -> None:
    chart = draw_chart("a", "x", "y", [Series("a", [(0.2, top / 2), (0.4, top)], [0.0, top / 10])], [0.2, 0.4])
    (bar,) = chart.lines[0].bars
    for _, y in [*chart.lines[0].dots, bar[:2], (0, bar[2])]:
        assert TOP - 0.1 <= y <= HEIGHT - BOTTOM
    assert bar[1] > chart.lines[0].dots[1][1] > bar[2]
    assert [text for _, text in chart.x_ticks] == ["0.20", "0.40"] and 2 <= len(chart.y_ticks) <= 7


def test_a_single_portion_and_a_level_line() -> None:
    chart = draw_chart("a", "x", "y", [Series("a", [(0.4, 30.0)]), Series("full", [(1.0, 60.0)], level=True)], [0.4])
    ((x, y),) = chart.lines[0].dots
    assert LEFT < x < WIDTH - RIGHT
    level = chart.lines[1]
    assert not level.dots and level.colour == -1 and level.path.startswith(f"M{LEFT} ")
    assert float(level.path.split()[-1]) < y


def test_colours_go_round_without_the_grey_one() -> None:
    series = [Series("grey", [(0, 1)], grey=True), *(Series(str(i), [(0, 1)]) for i in range(COLOURS + 1))]
    colours = [line.colour for line in draw_chart("a", "x", "y", series).lines]
    assert colours == [0, *range(1, COLOURS), 1, 2]


def test_nothing_but_zeros_is_drawn() -> None:
    chart = draw_chart("a", "x", "y", [Series("a", [(0, 0.0), (1, 0.0)]), Series("empty", [])])
    assert [line.name for line in chart.lines] == ["a"] and chart.y_ticks[0] == (HEIGHT - BOTTOM, "0")


def test_thinned_points_keep_mean_and_end() -> None:
    points = [(float(x), float(x % 7)) for x in range(1000)]
    thinned = thin_out(points, 100)
    assert len(thinned) == 100 and thinned[-1][0] == 999
    assert np.isclose(np.mean([y for _, y in thinned]), np.mean([y for _, y in points]))
    assert thin_out(points[:5], 100) == points[:5] and thin_out([]) == []
