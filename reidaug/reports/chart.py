"""Line charts as positions, which the template of the report draws as SVG in the colours of the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 300  # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 42  # margins around its axes
COLOURS = 8  # in report.css; further lines use them again
TICKS = 5  # about as many on an axis

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line of a chart, in the units of its axes."""

    name: str
    points: Sequence[Point]
    spread: Sequence[float] = ()  # of each point, up and down; () = none is known
    level: bool = False  # one value, drawn from side to side in the colour of text
    grey: bool = False  # colour 0
    dotted: bool = False
    marks: bool = True  # a dot at each point


@dataclass(frozen=True)
class Line:
    """A series as positions in the chart."""

    name: str
    colour: int  # 0 to `COLOURS` - 1; -1 = that of text
    dotted: bool
    path: str  # of an SVG path
    dots: Sequence[Point]
    bars: Sequence[tuple[float, float, float]]  # x, and y of both ends


@dataclass(frozen=True)
class Chart:
    """A drawn chart, without its colours."""

    label: str  # what it shows, in words
    x_label: str
    y_label: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    lines: Sequence[Line]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def draw_chart(
    label: str, x_label: str, y_label: str, series: Sequence[Series], x_values: Sequence[float] | None = None
) -> Chart:
    """Places some series on common axes; that of y begins at 0.

    Args:
        label: what the chart shows, for those who cannot see it.
        x_label: name and unit of x.
        y_label: name and unit of y.
        series: at least one with a point; coordinates are finite, y is not negative.
        x_values: where x has ticks; None = at round numbers.
    """
    drawn = [one for one in series if one.points]
    xs = [x for one in drawn if not one.level for x, _ in one.points] + list(x_values or [])
    x_low, x_high = (min(xs), max(xs)) if xs else (0.0, 1.0)
    margin = (x_high - x_low) * 0.04 if x_values else 0.0
    if x_high == x_low:
        margin = 0.1
    x_low, x_high = x_low - margin, x_high + margin
    tops = [y + up for one in drawn for (_, y), up in zip(one.points, _spread(one), strict=True)]
    y_ticks = _round_numbers(0.0, max(tops) or 1.0)
    y_high = max(y_ticks[-1], max(tops) * 1.02)

    def place_x(x: float) -> float:
        return round(LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1)

    def place_y(y: float) -> float:
        return round(HEIGHT - BOTTOM - max(y, 0.0) / y_high * (HEIGHT - BOTTOM - TOP), 1)

    lines, colour = [], 1
    for one in drawn:
        dots = [(place_x(x), place_y(y)) for x, y in one.points]
        ends = [(float(LEFT), dots[0][1]), (float(WIDTH - RIGHT), dots[0][1])] if one.level else dots
        bars = [
            (place_x(x), place_y(y - up), place_y(y + up))
            for (x, y), up in zip(one.points, _spread(one), strict=True)
            if up and not one.level
        ]
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in ends)
        marks = dots if one.marks and not one.level else []
        shade = -1 if one.level else 0 if one.grey else colour
        lines.append(Line(one.name, shade, one.dotted, path, marks, bars))
        colour = colour % (COLOURS - 1) + 1 if shade > 0 else colour
    x_ticks = x_values if x_values is not None else _round_numbers(x_low, x_high)
    return Chart(
        label,
        x_label,
        y_label,
        [(place_x(x), f"{x:.2f}" if x_values is not None else f"{x:,g}") for x in x_ticks],
        [(place_y(y), f"{y:g}") for y in y_ticks],
        lines,
    )


def thin_out(points: Sequence[Point], most: int = 200) -> list[Point]:
    """At most so many points: the means of equally many neighbours."""
    step = -(-len(points) // most) or 1
    groups = [points[start : start + step] for start in range(0, len(points), step)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _spread(series: Series) -> Sequence[float]:
    return series.spread or [0.0] * len(series.points)


def _round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within a range; those next to it too where few would be left."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.6g}") for number in range(first, last + 1)]
