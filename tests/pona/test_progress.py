"""Means of losses between two reports."""

import pytest
import torch

from pona.launch import launch
from pona.progress import Losses
from tests.factories import TINY


def test_means_are_those_since_the_last_begin_and_go_into_a_state() -> None:
    processes, losses = launch(TINY, "cpu"), Losses()
    for l1, gan in ((1.0, 4.0), (2.0, 6.0), (6.0, 2.0)):
        losses.add({"l1": torch.tensor(l1), "gan": torch.tensor(gan)})
    assert losses.means(processes) == pytest.approx({"l1": 3.0, "gan": 4.0})
    again = Losses()
    again.load_state_dict(losses.state_dict(processes), torch.device("cpu"))
    assert again.means(processes) == losses.means(processes) and again.counted == 3
    losses.begin()
    losses.add({"l1": torch.tensor(5.0)})
    assert losses.means(processes) == {"l1": 5.0}
    losses.begin()
    assert losses.means(processes) == {}


def test_a_loss_that_is_added_does_not_change_later() -> None:
    losses, loss = Losses(), torch.tensor(1.0)
    losses.add({"l1": loss})
    losses.add({"l1": torch.tensor(2.0)})
    assert loss == 1 and losses.means(launch(TINY, "cpu")) == {"l1": 1.5}
