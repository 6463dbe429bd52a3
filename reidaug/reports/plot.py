"""A plot of mAP over the kept portion, with one line for each training set."""

import io
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, check_out
from reidaug.evaluation.results import Result
from reidaug.reports.grids import set_order, setting_name
from reidaug.reports.table import group_results
from reidaug.study.controls import is_control
from reidaug.study.training_sets import FULL_SET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR_STEP = 0.01  # of p, between the bars of a single portion, which would otherwise overlap
LINE_STEP = 0.003  # of p, between those of several portions
MARGIN = 0.05  # of p, beside the first and the last portion
CUT = 0.5  # the axis of mAP begins at 0, unless the lowest value is above this share of the highest

Line = dict[float, list[float]]  # portion -> mAP in per cent of each seed


def plot_results(results: Sequence[Result], out: Path) -> list[Path]:
    """Draws mAP (trapezoid AP) over the portion; bars and the band of the full set are a standard deviation over seeds.

    Sets of one recipe, network and test data share axes; the full set is a horizontal line. A set has one colour in all
    axes, and sets are in the order of the table.

    Args:
        results: what is drawn.
        out: the file without ending, or with .png or .svg; both are written.

    Returns:
        The files written.

    Raises:
        ReidAugError: matplotlib is not installed, or a file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        raise ReidAugError("plot needs matplotlib: pip install 'reidaug[plot]'") from None

    stem = out.stem if out.suffix.lower() in (".png", ".svg") else out.name
    paths = [out.with_name(stem + ending) for ending in (".png", ".svg")]
    for path in paths:
        check_out(path)
    groups = group_results(results)
    colours = colours_of(results)
    figure = Figure(figsize=(6.4, 4.2 * len(groups)), layout="constrained")
    for axes, group in zip(figure.subplots(len(groups), squeeze=False)[:, 0], groups, strict=True):
        draw_group(axes, group, colours)
    for path, canvas in zip(paths, (FigureCanvasAgg, FigureCanvasSVG), strict=True):
        content, metadata = io.BytesIO(), {"Date": None} if path.suffix == ".svg" else {}
        canvas(figure).print_figure(content, format=path.suffix[1:], dpi=150, metadata=metadata)
        atomic_write(path, content.getvalue())
    return paths


def lines_of(results: Sequence[Result]) -> dict[str, Line]:
    """mAP in per cent by set and portion; that of the full set is at portion 1."""
    lines: dict[str, Line] = {}
    for result in results:
        lines.setdefault(result.label, {}).setdefault(result.portion, []).append(100 * result.mean_ap_trapezoid)
    return lines


def colours_of(results: Sequence[Result]) -> dict[str, str]:
    """A colour of matplotlib's cycle for each set, in the order of the table."""
    names = sorted({result.label for result in results if result.set != FULL_SET}, key=set_order)
    return {name: f"C{number % 10}" for number, name in enumerate(names)}


def draw_group(axes: "Axes", results: Sequence[Result], colours: Mapping[str, str]) -> None:
    """Draws the results of one table: a line for each set, with its spread over seeds, the full set across."""
    lines = lines_of(results)
    seeds = max(len(values) for line in lines.values() for values in line.values())
    ticks = sorted({result.portion for result in results if result.set != FULL_SET})
    step = BAR_STEP if len(ticks) == 1 else LINE_STEP
    shift = -step * (len(lines.keys() - {FULL_SET}) - 1) / 2
    ends = []
    for name, line in sorted(lines.items(), key=lambda item: set_order(item[0])):
        portions = sorted(line)
        means = np.array([statistics.fmean(line[p]) for p in portions])
        spreads = np.array([statistics.stdev(line[p]) if len(line[p]) > 1 else 0.0 for p in portions])
        low, high = means - spreads, means + spreads
        ends += [*low, *high]
        if name == FULL_SET:
            axes.axhline(means[0], color="black", linestyle="--", linewidth=1, label=FULL_SET)
            axes.axhspan(low[0], high[0], color="black", alpha=0.12, linewidth=0)
            continue
        fewest = min(map(len, line.values()))
        label = name if fewest == seeds else f"{name} (n = {fewest})"
        x = np.array(portions) + shift
        shift += step
        axes.plot(x, means, marker="o", linestyle=":" if is_control(name) else "-", color=colours[name], label=label)
        axes.errorbar(x, means, spreads, fmt="none", color=colours[name], capsize=4)
    _limit(axes, ends)
    axes.set_xlabel("kept portion p of the training images")
    spread = f"{seeds} seeds, ± one standard deviation" if seeds > 1 else "1 seed"
    setting = setting_name(results[0]).encode(errors="replace").decode()  # a file of weights may have any name
    axes.set_title(f"{setting}\n{spread}", fontsize=10)
    axes.set_xticks(ticks)
    if ticks:
        axes.set_xlim(ticks[0] - MARGIN, ticks[-1] + MARGIN)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))


def _limit(axes: "Axes", ends: Sequence[float]) -> None:
    """Begins the axis of mAP at 0, or marks that it is cut."""
    label, lowest, highest = "mAP in % (trapezoid AP)", min(ends), max(ends)
    if lowest > CUT * highest:
        start = np.floor(lowest - 0.1 * (highest - lowest))
        axes.set_ylim(bottom=start)
        axes.plot(
            [0],
            [0],
            transform=axes.transAxes,
            marker=[(-1, -0.5), (1, 0.5)],
            markersize=12,
            color="black",
            clip_on=False,
        )
        label += f", axis cut at {start:g}"
    else:
        axes.set_ylim(bottom=0)
    axes.set_ylabel(label)
