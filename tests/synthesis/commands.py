"""Training a small generator, and completing a set, as the command line does."""

from pathlib import Path
from typing import Any

from typer.testing import Result

from reidaug.cli.app import app
from reidaug.study.folder import Study
from reidaug.synthesis.request import SynthesisOptions
from reidaug.synthesis.synthesize import SynthesisReport, synthesize
from tests.cli.commands import runner

PORTION = 0.4
SMALL_TRAINING = ["--preset", "mini", "--width", "8", "--iterations", "2", "--batch-size", "2", "--device", "cpu"]


def train(*arguments: str) -> Result:
    """Trains pona.pt in two steps."""
    return runner.invoke(app, ["train", *SMALL_TRAINING, "--out", "pona.pt", *arguments])


def complete(study: Study, checkpoint: Path, **options: Any) -> SynthesisReport:
    """Completes the set of a portion of the study."""
    return synthesize(
        study, PORTION, checkpoint, SynthesisOptions(device="cpu", **options), lambda done, total, note="": None
    )
