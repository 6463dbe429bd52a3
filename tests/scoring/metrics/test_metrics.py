"""The table of metrics: a metric of a test takes part in everything that `reidaug score` writes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from reidaug.cli.app import app
from reidaug.scoring import metrics
from reidaug.scoring.metrics.metric import Batch, Column, Job, Meter, Metric, NotComputed, Values
from tests.factories import posed_images_of, write_checkpoint


def brightness(batch: Batch) -> Values:
    a, b = (part.mean(axis=(1, 2, 3)) / 255 for part in (batch.images, batch.targets))
    return {"brightness": np.abs(a - b)}


BRIGHTNESS = Metric((Column("brightness", "light % ↓", 1, factor=100),), ("brightness",), lambda job: Meter(brightness))


def brightest(job: Job) -> Meter:
    """Of a whole set: how bright it is, beside the true images; nothing image by image."""
    if job.request.seed:
        raise NotComputed("the seed is not 0")
    return Meter(
        lambda batch: {"light": batch.images.mean(axis=(1, 2, 3))},
        lambda values, real: {"ratio": values["light"].mean() / real["light"].mean(), "ratio_std": 0.5},
    )


RATIO = Metric((Column("ratio", "ratio", 2),), (), brightest)


def test_names_and_columns_are_unique() -> None:
    names = [column.name for metric in metrics.METRICS for column in metric.columns]
    assert len(names) == len(set(names)) == len(metrics.columns()) == 12


def test_a_metric_is_a_file_and_a_line_in_the_table(
    own_folder: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "METRICS", (BRIGHTNESS, RATIO, *metrics.METRICS))
    monkeypatch.setenv("COLUMNS", "200")
    write_checkpoint(own_folder / "tiny.pt", seed=0)
    command = ["score", "--ckpt", "tiny.pt", "--data", str(tiny_root), "--count", "4", "--device", "cpu"]
    result = CliRunner().invoke(app, [*command, "--json", "--out", "details"])
    rows = {row["set"]: row for row in json.loads(result.stdout)["rows"]}
    assert list(rows) == ["tiny.pt", "copy", "mean", "real"] and rows["real"]["brightness"] == 0

    images = list(csv.DictReader((own_folder / "details" / "per-image.csv").open()))
    copies = [row for row in images if row["set"] == "copy"]
    source = posed_images_of(tiny_root)
    for row in copies:
        condition, target = (source.images([row[side]]).mean() / 255 for side in ("condition", "target"))
        assert float(row["brightness"]) == pytest.approx(abs(condition - target), rel=1e-4)
    mean = np.mean([float(row["brightness"]) for row in copies])
    assert rows["copy"]["brightness"] == pytest.approx(mean, rel=1e-4)
    assert rows["real"]["ratio"] == 1 and "ratio" not in images[0] and "light" not in images[0]

    lines = CliRunner().invoke(app, command).stdout.splitlines()
    headings = [cell.strip() for cell in lines[2].strip("┃").split("┃")]
    copy = next(line for line in lines if line.startswith("│ copy"))
    assert headings[:2] == ["images", "SSIM ↑"] and headings[-2:] == ["light % ↓", "ratio"]
    shown = [cell.strip() for cell in copy.strip("│").split("│")]
    assert shown[-2:] == [f"{100 * rows['copy']['brightness']:.1f}", f"{rows['copy']['ratio']:.2f} ± 0.50"]

    without = json.loads(CliRunner().invoke(app, [*command, "--seed", "1", "--json"]).stdout)
    assert "ratio: the seed is not 0" in without["not_computed"] and "ratio" not in without["rows"][0]
