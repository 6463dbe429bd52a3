"""The results of `score`: a table, plain values, a CSV with a row per image, and pictures of the worst and the best."""

from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType

from reidaug.core.files import write_csv
from reidaug.core.progress import duration
from reidaug.datasets.posed_images import PosedImages
from reidaug.reports.drawing import HARD, DrawnTable, Words
from reidaug.reports.tiles import TileRow, pose_image, save_tiles
from reidaug.scoring.generated import GeneratedImages
from reidaug.scoring.metrics import columns
from reidaug.scoring.metrics.metric import Column
from reidaug.scoring.score import Score

SHOWN = 12  # pairs in a picture
COMPARED = (
    "these generators were measured on the same pairs; the rows of the paper's Table I are of the authors' own "
    "checkpoints, some of whose training images were among its test pairs"
)


def score_values(score: Score) -> dict[str, object]:
    """For ``--json``."""
    return {
        "rows": [{"set": scores.name, **scores.overall} for scores in score.sets],
        "not_computed": score.missing,
        "targets_seen": score.seen,
        "methods": {generated.label: generated.method for generated in score.generators},
        **score.record,
    }


def score_table(score: Score) -> RenderableType:
    """One row per set, without empty columns; below, what was not computed and why."""
    title = f"{len(score.pairs):,} pairs of {score.record['data']}"
    shown = [column for column in columns() if any(column.name in scores.overall for scores in score.sets)]
    header = ["images", *(column.heading.replace(" ↑", f"{HARD}↑").replace(" ↓", f"{HARD}↓") for column in shown)]
    rows = [[scores.name, *(_cell(scores.overall, column) for column in shown)] for scores in score.sets]
    notes = [f"{generated.label}: {_history(generated, score)}" for generated in score.generators]
    if len(score.generators) > 1:
        notes.append(COMPARED)
    notes += [f"not computed: {line}" for line in score.missing]
    return Group(DrawnTable(title, header, rows), *map(Words, notes))


def _history(generated: GeneratedImages, score: Score) -> str:
    """What generated the images, and how it was trained."""
    seen = score.seen[generated.label]
    words = [f"trained on {'an unknown number' if seen is None else f'{seen:,}'} of the true images"]
    training = generated.training
    if training.get("iterations"):
        seconds = training.get("seconds")
        took = f" in {duration(seconds)}" if isinstance(seconds, int | float) else ""
        length = f"{training['iteration']:,} iterations of {training.get('batch_size')}{took}"
        words.append(f"preset {training.get('preset')}, {length}, protocol {training.get('protocol')}")
    return "; ".join([*filter(None, [generated.method]), *words])


def _cell(figures: dict[str, float], column: Column) -> str:
    value = figures.get(column.name, float("nan"))
    if np.isnan(value):
        return "-"
    deviation = figures.get(f"{column.name}_std")
    shown = [value] if deviation is None else [value, deviation]
    return " ± ".join(f"{column.factor * number:.{column.digits}f}" for number in shown)


def write_details(source: PosedImages, score: Score, folder: Path) -> list[Path]:
    """Writes per-image.csv, worst.png and best.png (by L1) to a folder, each whole or not at all; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.argsort(score.sets[0].per_image["l1"], kind="stable")
    files = [folder / name for name in ("per-image.csv", "worst.png", "best.png")]
    write_csv(files[0], _per_image(score))
    _save_picture(source, score, order[::-1][:SHOWN], files[1])
    _save_picture(source, score, order[:SHOWN], files[2])
    return files


def _per_image(score: Score) -> list[list[str]]:
    names = list(dict.fromkeys(name for scores in score.sets for name in scores.per_image))
    rows = [["set", "condition", "target", *names]]
    for scores in score.sets:
        values = [scores.per_image.get(name) for name in names]
        for row, pair in enumerate(score.pairs):
            cells = ("" if column is None else f"{column[row]:.6g}" for column in values)
            rows.append([scores.name, *pair, *cells])
    return rows


def _save_picture(source: PosedImages, score: Score, rows: np.ndarray, path: Path) -> None:
    pairs = [score.pairs[row] for row in rows.tolist()]
    conditions, targets = zip(*pairs, strict=True)
    real, poses = source.images(targets), source.keypoints(targets)
    values = score.sets[0].per_image
    pictures = zip(source.images(conditions), poses, score.generators[0].images(pairs), real, strict=True)
    tiles = [
        TileRow(
            [condition, pose_image(pose, real.shape[1:3]), generated, true],
            f"L1 {100 * values['l1'][row]:.1f} %   SSIM {values['ssim'][row]:.2f}",
        )
        for row, (condition, pose, generated, true) in zip(rows.tolist(), pictures, strict=True)
    ]
    save_tiles(path, tiles, ("condition", "pose", "generated", "real"), groups=2, scale=2)
