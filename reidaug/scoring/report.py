"""What `score` found: a table, plain values, a CSV of every image, and pictures of the worst and the best."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reidaug.core.files import atomic_write
from reidaug.datasets.layouts import PosedImages
from reidaug.reports.tiles import TileRow, pose_image, save_tiles
from reidaug.scoring.metrics.meters import PER_IMAGE
from reidaug.scoring.score import Score

SHOWN = 12  # pairs in a picture

# Metric -> heading, digits, factor. The arrow says which way is better.
COLUMNS = {
    "ssim": ("SSIM ↑", 3, 1),
    "is": ("IS ↑", 3, 1),
    "mask_ssim": ("mask-SSIM ↑", 3, 1),
    "mask_is": ("mask-IS ↑", 3, 1),
    "psnr": ("PSNR ↑", 2, 1),
    "pckh": ("PCKh ↑", 1, 100),
    "l1": ("L1 % ↓", 2, 100),
    "lpips": ("LPIPS ↓", 3, 1),
    "fid": ("FID ↓", 1, 1),
    "identity": ("identity ↑", 3, 1),
    "ssim_win51": ("SSIM win 51 ↑", 3, 1),
    "psnr_wrapped": ("PSNR wrapped", 2, 1),
}


def score_values(score: Score) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "rows": [{"set": each.name, **each.overall} for each in score.sets],
        "not_computed": score.missing,
        "targets_seen": score.seen,
        **score.record,
    }


def score_table(score: Score) -> RenderableType:
    """One row a set, and below it what was not computed and why; metrics that nobody has stay away."""
    table = Table(title=_title(score), title_justify="left", title_style="bold")
    table.add_column("images", no_wrap=True)
    shown = [name for name in COLUMNS if any(name in each.overall for each in score.sets)]
    for name in shown:
        table.add_column(COLUMNS[name][0], justify="right")
    for each in score.sets:
        table.add_row(each.name, *(_cell(each.overall, name) for name in shown))
    return Group(table, *(Text(f"not computed: {line}") for line in score.missing))


def _title(score: Score) -> str:
    count = "an unknown number" if score.seen is None else f"{score.seen:,}"
    seen = f"; the generator was trained on {count} of the true images"
    return f"{len(score.pairs):,} pairs of {score.record['data']}{seen}"


def _cell(values: dict[str, float], name: str) -> str:
    value = values.get(name, float("nan"))
    _, digits, factor = COLUMNS[name]
    if np.isnan(value):
        return "-"
    deviation = values.get(f"{name}_std")
    return f"{factor * value:.{digits}f}" + (f" ± {deviation:.{digits}f}" if deviation is not None else "")


def write_details(source: PosedImages, score: Score, folder: Path) -> list[Path]:
    """Writes per-image.csv, worst.png and best.png (by L1) into a folder, each whole or not at all.

    Returns:
        The three files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = np.argsort(score.sets[0].per_image["l1"], kind="stable")
    files = [folder / name for name in ("per-image.csv", "worst.png", "best.png")]
    atomic_write(files[0], _per_image(score))
    _save_picture(source, score, order[::-1][:SHOWN], files[1])
    _save_picture(source, score, order[:SHOWN], files[2])
    return files


def _per_image(score: Score) -> str:
    names = [name for name in PER_IMAGE if any(name in each.per_image for each in score.sets)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["set", "condition", "target", *names])
    for each in score.sets:
        columns = [each.per_image.get(name) for name in names]
        for row, pair in enumerate(score.pairs):
            writer.writerow([each.name, *pair, *("" if column is None else f"{column[row]:.6g}" for column in columns)])
    return text.getvalue()


def _save_picture(source: PosedImages, score: Score, rows: np.ndarray, path: Path) -> None:
    pairs = [score.pairs[row] for row in rows.tolist()]
    conditions, targets = zip(*pairs, strict=True)
    real, keypoints = source.images(targets), source.keypoints(targets)
    painted, given = score.generated.images(pairs), source.images(conditions)
    values = score.sets[0].per_image
    tiles = [
        TileRow(
            [given[place], pose_image(keypoints[place], real.shape[1:3]), painted[place], real[place]],
            f"L1 {100 * values['l1'][row]:.1f} %   SSIM {values['ssim'][row]:.2f}",
        )
        for place, row in enumerate(rows.tolist())
    ]
    save_tiles(path, tiles, ("condition", "pose", "generated", "real"), groups=2, scale=2)
