"""A small generator."""

from pathlib import Path

import pytest

import pona
from tests.factories import wake


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small generator with random weights, whose images follow person and pose."""
    path = tmp_path_factory.mktemp("ckpt") / "tiny.pt"
    generator = pona.PoNAGenerator(width=8, blocks=1)
    wake(generator)
    pona.save_checkpoint(path, generator, generator.config, {"protocol": "paper"})
    return path
