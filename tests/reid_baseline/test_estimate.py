"""How long a training and its test will take."""

import itertools
import time
from dataclasses import replace

import torch

from reid_baseline import RECIPES, estimate_seconds
from reid_baseline.estimate import TIMED_STEPS

SMALL = replace(RECIPES["quick"], size=(32, 16), batch_size=8)
OPTIONS = {"num_classes": 10, "arch": "resnet18", "device": "cpu"}


def set_clock(monkeypatch, step):
    """Makes everything that is timed take `step` seconds; returns the readings of the clock."""
    readings, clock = [], itertools.count(step=step)
    monkeypatch.setattr(time, "perf_counter", lambda: readings.append(next(clock)) or readings[-1])
    return readings


def test_the_estimate_counts_steps_and_test_batches(monkeypatch):
    set_clock(monkeypatch, 2.0)
    recipe = replace(SMALL, epochs=5)
    assert estimate_seconds(recipe, images=100, **OPTIONS) == 5 * 12 * 2.0
    assert estimate_seconds(recipe, images=100, **OPTIONS, test_images=40) == 5 * 12 * 2.0 + 40 / 8 * 2.0


def test_a_pace_is_measured_once(monkeypatch):
    readings = set_clock(monkeypatch, 1.0)
    recipe = replace(SMALL, epochs=3)
    assert [estimate_seconds(recipe, images=images, **OPTIONS) for images in (8, 80)] == [3.0, 30.0]
    assert len(readings) == 2 * 2 * TIMED_STEPS  # begin and end, of a step and of a test batch


def test_the_estimate_leaves_the_random_state_alone():
    state = torch.get_rng_state()
    recipe = replace(SMALL, batch_size=4)
    assert estimate_seconds(recipe, images=4, num_classes=2, arch="resnet18", device="cpu") > 0
    assert torch.equal(torch.get_rng_state(), state)
