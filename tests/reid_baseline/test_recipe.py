"""The recipes as published, and those that cannot work."""

from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from reid_baseline import RECIPES, BaselineNet, ReIDError
from reid_baseline.optimizer import make_optimizer, rate_factor
from reid_baseline.sampling import steps_per_epoch


def test_paper_recipe_is_the_published_baseline():
    paper = RECIPES["paper"]
    assert (paper.size, paper.epochs, paper.batch_size, paper.padding, paper.flip) == ((256, 128), 60, 32, 10, 0.5)
    assert (paper.momentum, paper.weight_decay, paper.embedding, paper.dropout) == (0.9, 5e-4, 512, 0.5)
    assert (paper.last_stride, paper.label_smoothing, paper.erasing) == (2, 0.0, 0.0)
    steps = steps_per_epoch(12_936, paper)
    assert steps == 404
    rates = [0.05 * rate_factor(epoch * steps / (60 * steps), paper) for epoch in range(60)]
    assert rates == pytest.approx([0.05] * 40 + [0.005] * 20)
    optimizer = make_optimizer(BaselineNet("resnet18", 3), paper)
    assert {group["base_lr"]: len(group["params"]) for group in optimizer.param_groups} == {0.005: 60, 0.05: 6}
    assert all(group["nesterov"] and group["weight_decay"] == 5e-4 for group in optimizer.param_groups)


def test_strong_recipe_is_the_bag_of_tricks():
    strong = RECIPES["strong"]
    assert (strong.size, strong.epochs, strong.batch_size, strong.identities) == ((256, 128), 120, 64, 16)
    assert (strong.triplet_margin, strong.center_weight, strong.center_lr) == (0.3, 5e-4, 0.5)
    assert (strong.label_smoothing, strong.erasing, strong.padding, strong.last_stride) == (0.1, 0.5, 10, 1)
    assert (strong.neck, strong.dropout, strong.flip_test) == ("bn", 0.0, False)
    rates = [3.5e-4 * rate_factor(epoch / 120, strong) for epoch in range(120)]
    assert rates[0] == pytest.approx(3.5e-6) and rates[5] == pytest.approx(3.5e-4 * 0.505)
    assert rates[10:] == pytest.approx([3.5e-4] * 30 + [3.5e-5] * 30 + [3.5e-6] * 50)
    model = BaselineNet("resnet50", 7, neck="bn", last_stride=1)
    assert model.classifier.bias is None and not model.norm.bias.requires_grad and model.width == 2048
    optimizer = make_optimizer(model, strong)
    assert isinstance(optimizer, torch.optim.Adam)
    assert all(group["weight_decay"] == 5e-4 for group in optimizer.param_groups)
    assert model.eval()(torch.zeros(1, 3, 64, 32)).shape == (1, 2048)


def test_quick_fits_a_cpu():
    quick = RECIPES["quick"]
    assert quick.size == (128, 64) and quick.epochs <= 20
    with pytest.raises(FrozenInstanceError):
        quick.epochs = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "0 epochs"),
        ({"batch_size": 1}, "batches of 1"),
        ({"epochs": 10**23}, "epochs is 1000.*at most 1,000,000"),
        ({"epochs": 2.5}, "epochs is 2.5.*whole number"),
        ({"epochs": "3"}, "epochs is 3.*number"),
        ({"batch_size": 10**9}, "batch_size is 1000000000.*at most"),
        ({"size": (10**5, 64)}, "size is .*4096 pixels"),
        ({"size": (128, 0)}, "size is .*4096 pixels"),
        ({"size": 128}, "size is 128"),
        ({"embedding": 10**9}, "embedding is 1000000000"),
        ({"lr_head": float("nan")}, "lr_head is nan.*finite"),
        ({"decay_at": (float("inf"),)}, "decay_at is .*inf"),
        ({"schedule": "linear"}, "step or cosine"),
        ({"optimizer": "lion"}, "sgd or adam"),
        ({"identities": 5}, "5 persons"),
        ({"identities": 32}, "2 images or more"),
        ({"synthetic_smoothing": 1.0}, r"in \[0, 1\)"),
        ({"label_smoothing": 0.1, "synthetic_smoothing": 0.05}, r"more than.*0\.1"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(change, message):
    with pytest.raises(ReIDError, match=message):
        replace(RECIPES["quick"], **change)


@pytest.mark.parametrize(
    ("recipe", "ratio", "message"),
    [
        ("strong", 10.0, r"4 images of a person.*strong.*3 \(3 and 1\)"),
        ("strong", 0.5, r"0.333 \(1 and 3\)"),
        ("quick", 100.0, r"32 images of a batch.*quick.*31 \(31 and 1\)"),
        ("quick", float("inf"), "finite"),
        ("quick", float("nan"), "finite"),
    ],
)
def test_impossible_mixtures_are_refused(recipe, ratio, message):
    with pytest.raises(ReIDError, match=message):
        replace(RECIPES[recipe], real_per_synthetic=ratio)
