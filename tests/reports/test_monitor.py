"""What a training shows: progress, figures on unseen people, pictures."""

import errno
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from pona.progress import TrainProgress
from pona.validation import Samples
from reidaug.core.errors import ReidAugError
from reidaug.reports.monitor import Monitor, sample_rows, training_lines, validation_line
from reidaug.reports.tiles import GAP, HEADING, pose_image
from tests.factories import STANDING

FIGURES: dict[str, Any] = {
    **{"l1": 0.25, "l1_copy": 0.5, "l1_mean": 0.125},
    **{"ssim": 0.1, "ssim_copy": 0.2, "ssim_mean": 0.3},
    **{"mask_ssim": 0.7, "mask_ssim_copy": 0.8, "mask_ssim_mean": 0.9},
}


def samples() -> Samples:
    images = torch.arange(3, dtype=torch.uint8)[:, None, None, None, None].expand(3, 2, 3, 128, 64) * 100
    return Samples(images[0], torch.from_numpy(STANDING).float().expand(2, 18, 2), images[1], images[2])


def test_each_report_is_shown_and_each_validation_is_a_line_and_a_picture(tmp_path: Path) -> None:
    lines: list[str] = []
    shown: list[tuple[Any, ...]] = []
    monitor = Monitor(tmp_path / "pona.pt", lines.append, lambda *report: shown.append(report))
    monitor(TrainProgress(7, 90, {"l1": 0.25, "gan": 2.0}, 12.34, 600.0, None))
    assert shown == [(7, 90, "L1 12.50 %  gan 2.000  12.3 images/s, 10 min left")]
    assert not lines and not list(tmp_path.iterdir())
    monitor(TrainProgress(8, 90, {}, 1.0, 1.0, FIGURES, samples()))
    assert lines == [validation_line(8, FIGURES)]
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.png")] == [Path("pona.pt.pictures/0000008.png")]
    with Image.open(monitor.pictures / "0000008.png") as picture:
        row = np.asarray(picture)[2 * HEADING + 20]  # below the headings of columns; 64 x 2 pixels each
    assert [row[GAP + column * (128 + GAP) + 9, 0] for column in (0, 2, 3)] == [0, 100, 200]


def test_a_row_is_condition_pose_generated_real() -> None:
    for row in sample_rows(samples()):
        assert [tile.shape for tile in row] == [(128, 64, 3)] * 4
        assert [int(row[column].max()) for column in (0, 2, 3)] == [0, 100, 200]
        assert np.array_equal(row[1], pose_image(STANDING.astype(np.float32), (128, 64)))


def test_a_line_of_figures_beside_both_guesses() -> None:
    line = validation_line(1234, FIGURES)
    assert "1,234" in line and "L1 25.00 % (copy 50.00 %, mean image 12.50 %)" in line
    assert re.findall(r"SSIM ([\d.]+) \(copy ([\d.]+), mean image ([\d.]+)", line) == [
        *[("0.100", "0.200", "0.300"), ("0.700", "0.800", "0.900")]
    ]


def test_tensorboard_gets_the_figures_that_there_are(tmp_path: Path, monkeypatch: Any) -> None:
    written: dict[str, Any] = {}
    board = SimpleNamespace(
        add_scalar=lambda name, value, step: written.update({name: (value, step)}),
        add_images=lambda name, images, step: written.update({name: (len(images), step)}),
        flush=lambda: None,
    )
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter", lambda folder, purge_step: board)
    monitor = Monitor(tmp_path / "pona.pt", lambda line: None, lambda *report: None, tensorboard=True)
    scores = {name: None if name.startswith("mask") else value for name, value in FIGURES.items()}
    monitor(TrainProgress(3, 90, {"l1": 0.5}, 1.0, 1.0, scores, samples()))
    wanted = {f"validation/{name}": (value, 3) for name, value in scores.items() if value is not None}
    assert written == {"loss/l1": (0.5, 3), "generated": (2, 3), **wanted}


def test_tensorboard_shows_each_iteration_once_when_a_killed_run_goes_on(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for iterations in ((1, 2, 3, 4), (3, 4, 5)):  # killed after 4, and its newest state is of 2
        monitor = Monitor(tmp_path / "pona.pt", lambda line: None, lambda *report: None, tensorboard=True)
        for iteration in iterations:
            monitor(TrainProgress(iteration, 90, {"l1": len(iterations)}, 1.0, 1.0, None))
    shown = accumulator.EventAccumulator(str(tmp_path / "pona.pt.tensorboard"))
    shown.Reload()
    assert [(one.step, one.value) for one in shown.Scalars("loss/l1")] == [(1, 4), (2, 4), (3, 3), (4, 3), (5, 3)]


def test_a_full_disk_names_the_folder_of_tensorboard_and_shows_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    gfile = pytest.importorskip("tensorboard.compat.tensorflow_stub.io.gfile")
    monitor = Monitor(tmp_path / "pona.pt", lambda line: None, lambda *report: None, tensorboard=True)
    monitor(TrainProgress(1, 90, {"l1": 0.5}, 1.0, 1.0, None))
    monkeypatch.setattr(gfile.LocalFileSystem, "append", Mock(side_effect=OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(OSError, match=r"No space left: .*pona\.pt\.tensorboard"):
        for iteration in range(2, 9):
            monitor(TrainProgress(iteration, 90, {"l1": 0.5}, 1.0, 1.0, None))
    assert "Traceback" not in capfd.readouterr().err


def test_validation_says_where_there_is_no_figure() -> None:
    figures = {f"{name}{suffix}": 0.5 for name in ("l1", "ssim", "mask_ssim") for suffix in ("", "_copy", "_mean")}
    assert validation_line(5, figures).endswith("mask-SSIM 0.500 (copy 0.500, mean image 0.500)")
    unseen = figures | {name: None for name in figures if name.startswith("mask")}
    line = validation_line(5, unseen)
    assert "SSIM 0.500 (copy" in line and line.endswith(", mask-SSIM: none, as no target shows a joint")


def test_a_path_that_tensorboard_cannot_write_is_refused_before_the_training() -> None:
    with pytest.raises(ReidAugError, match=r"--tensorboard: the path .* is not UTF-8"):
        Monitor(Path("pona\udcff.pt"), print, print, tensorboard=True)
    Monitor(Path("pona\udcff.pt"), print, print)


def test_the_summary_of_a_training_is_short_texts_with_l1_in_per_cent() -> None:
    best = {"iteration": 1000, "l1": 0.125}
    summary = {"checkpoint": "a.pt", "iteration": 2000, "validation": FIGURES, "best": best, "seconds": 600.0}
    lines = training_lines(summary)
    assert lines == {
        "checkpoint": "a.pt",
        "iteration": 2000,
        "last": validation_line(2000, FIGURES),
        "best": "iteration 1,000: L1 12.50 %",
        "time": "10 min",
    }
    assert training_lines({"checkpoint": "a.pt", "best": None, "validation": None}) == {"checkpoint": "a.pt"}
