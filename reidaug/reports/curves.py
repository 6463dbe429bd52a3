"""The charts of the report: mAP over the kept portion, and the course of a generator's training from its log."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import refuse_pipe
from reidaug.evaluation.results import Result
from reidaug.reports.chart import COLOURS, Chart, Point, Series, draw_chart, thin_out
from reidaug.reports.grids import set_order
from reidaug.reports.plot import lines_of
from reidaug.study.controls import is_control
from reidaug.study.folder import PLAIN_SET
from reidaug.study.training_sets import FULL_SET

MOST = 1e15  # of an iteration or a loss; also false for what is no number
UNSEEN = {"l1": "generated", "l1_copy": "condition image", "l1_mean": "mean image"}  # of a log's validation


def colours_of_sets(results: Sequence[Result]) -> dict[str, int]:
    """A colour for each set, by its label, the same in all tables of a study; the kept images alone are grey."""
    labels = sorted({result.label for result in results} - {PLAIN_SET, FULL_SET}, key=set_order)
    return {PLAIN_SET: 0} | {label: number % (COLOURS - 1) + 1 for number, label in enumerate(labels)}


def map_chart(results: Sequence[Result], colours: Mapping[str, int]) -> Chart:
    """mAP (trapezoid AP) of the results of one table over the portion; the full set is a level line.

    Args:
        results: of one table.
        colours: of the sets, by `colours_of_sets`.
    """
    lines = lines_of(results)
    portions = sorted({p for name, line in lines.items() if name != FULL_SET for p in line}) or [1.0]
    series = []
    for name in sorted(lines, key=set_order):
        line = lines[name]
        points = [(p, statistics.fmean(line[p])) for p in sorted(line)]
        spread = [statistics.stdev(line[p]) if len(line[p]) > 1 else 0.0 for p in sorted(line)]
        level, dotted = name == FULL_SET, is_control(name)
        series.append(Series(name, points, spread, level=level, dotted=dotted, colour=colours.get(name)))
    values = "; ".join(
        f"{one.name} " + ", ".join(f"{y:.1f}" + ("" if one.level else f" at {p:.2f}") for p, y in one.points)
        for one in series
    )
    label = f"mAP in per cent over the kept portion of the training images: {values}"
    return draw_chart(label, "kept portion p of the training images", "mAP in %", series, portions)


def training_charts(log: Path) -> list[Chart]:
    """The losses by iteration, and L1 on unseen people if it was measured.

    Args:
        log: the `.jsonl` that a training of a generator writes; broken lines are passed over.

    Raises:
        ReidAugError: it holds nothing to draw.
    """
    losses: dict[str, list[Point]] = {}
    unseen: dict[str, list[Point]] = {}
    for iteration, line in _lines(log):
        for name, value in _numbers(line.get("losses")):
            losses.setdefault(name, []).append((iteration, value))
        for name, value in _numbers(line.get("validation")):
            if name in UNSEEN:
                unseen.setdefault(name, []).append((iteration, 100 * value))
    if not losses:
        raise ReidAugError(f"{log} is no log of a training")
    charts = []
    if unseen:
        series = [Series(text, unseen[name], dotted=name != "l1") for name, text in UNSEEN.items() if name in unseen]
        last = ", ".join(f"{one.name} {one.points[-1][1]:.2f}" for one in series)
        label = f"L1 in per cent on people that the training did not see, by iteration; at its end: {last}"
        charts.append(draw_chart(label, "iteration", "L1 on unseen people, %", _smooth(series)))
    series = [Series(name.replace("_", " "), points, marks=False) for name, points in losses.items()]
    last = ", ".join(f"{one.name} {one.points[-1][1]:.3f}" for one in series)
    label = f"losses of the training, by iteration; at its end: {last}"
    return [*charts, draw_chart(label, "iteration", "loss", _smooth(series))]


def _smooth(series: Iterable[Series]) -> list[Series]:
    return [
        Series(one.name, thin_out(one.points), dotted=one.dotted, marks=one.marks and len(one.points) < 30)
        for one in series
    ]


def _lines(log: Path) -> list[tuple[float, dict[str, object]]]:
    """The lines that are reports, with their iterations."""
    refuse_pipe(log)
    lines = []
    for text in log.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and _is_number(line.get("iteration")):
            lines.append((float(line["iteration"]), line))
    return lines


def _numbers(values: object) -> list[tuple[str, float]]:
    """The finite numbers of an object, by name; below 0 (a loss that is a score) they are left out."""
    if not isinstance(values, dict):
        return []
    return [(name, float(value)) for name, value in values.items() if _is_number(value) and value >= 0]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST
