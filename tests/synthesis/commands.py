"""Training a small generator by the command line."""

from typer.testing import Result

from reidaug.cli.app import app
from tests.cli.commands import runner

SMALL_TRAINING = ["--preset", "mini", "--width", "8", "--iterations", "2", "--batch-size", "2", "--device", "cpu"]


def train(*arguments: str) -> Result:
    """Trains pona.pt in two steps."""
    return runner.invoke(app, ["train", *SMALL_TRAINING, "--out", "pona.pt", *arguments])
