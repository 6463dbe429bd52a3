"""What every test of re-ID needs."""

import pytest
import torch

from reid_baseline import BACKBONES, Backbone
from tests.reid_baseline.factories import Toy


@pytest.fixture(autouse=True)
def one_thread():
    """Batches this small are slower on two threads, and very much so beside another busy process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def toy(monkeypatch):
    """The name of a small backbone, which is in the table during the test."""
    monkeypatch.setitem(BACKBONES, "toy", Backbone(Toy))
    return "toy"
