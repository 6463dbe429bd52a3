"""The optimizer beside torch's, on a network whose weights lie channels last; the schedule of its rates."""

import copy
from dataclasses import replace

import pytest
import torch

from reid_baseline import RECIPES, BaselineNet
from reid_baseline.optimizer import make_optimizer, rate_factor


@pytest.mark.parametrize("name", ["paper", "strong"])
def test_moves_the_weights_as_torch_does(name):
    torch.manual_seed(0)
    recipe = RECIPES[name]
    neck = {"neck": recipe.neck, "embedding": recipe.embedding}
    ours = BaselineNet("resnet18", 3, **neck).lay_out(torch.device("cpu"), "bf16")
    theirs = copy.deepcopy(ours)
    optimizer = make_optimizer(ours, recipe)
    rates = [{"params": theirs.backbone.parameters(), "lr": recipe.lr_backbone}]
    head = [weight for key, weight in theirs.named_parameters() if not key.startswith("backbone.")]
    rates.append({"params": [weight for weight in head if weight.requires_grad], "lr": recipe.lr_head})
    if name == "paper":
        usual = torch.optim.SGD(rates, lr=1.0, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=False)
    else:
        usual = torch.optim.Adam(rates, lr=1.0, weight_decay=5e-4, fused=False)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"]
    for _ in range(3):
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            if mine.requires_grad:
                assert mine.grad is None  # a step leaves none behind
                mine.grad = torch.randn_like(mine)
                other.grad = mine.grad.clone()
        optimizer.step()
        usual.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_sees_all_weights_in_the_order_of_memory():
    model = BaselineNet("resnet18", 3).lay_out(torch.device("cpu"), "bf16")
    assert not any(layer[0].conv2.weight.is_contiguous() for layer in (model.backbone.layer1, model.backbone.layer4))
    seen = [weight for group in make_optimizer(model, RECIPES["paper"]).param_groups for weight in group["params"]]
    assert all(weight.is_contiguous() for weight in seen)
    assert {weight.data_ptr() for weight in seen} == {weight.data_ptr() for weight in model.parameters()}


def test_says_where_the_weights_have_moved():
    model = BaselineNet("resnet18", 3).lay_out(torch.device("cpu"), "fp32")
    optimizer = make_optimizer(model, RECIPES["paper"])
    model.lay_out(torch.device("cpu"), "fp32")
    optimizer.step()
    model.lay_out(torch.device("cpu"), "bf16")
    with pytest.raises(RuntimeError, match="moved in memory"):
        optimizer.step()


def test_step_decay_follows_a_change_of_epochs():
    paper = replace(RECIPES["paper"], epochs=30)
    assert [rate_factor(epoch / 30, paper) for epoch in (0, 19, 20, 29)] == pytest.approx([1, 1, 0.1, 0.1])


def test_cosine_rises_in_the_warm_up_and_falls_to_nothing():
    recipe = replace(RECIPES["quick"], schedule="cosine", warmup=0.2)
    factors = [rate_factor(step / 1000, recipe) for step in range(1000)]
    assert factors[:200] == sorted(factors[:200])
    assert factors[200:] == sorted(factors[200:], reverse=True)
    assert 0 < factors[0] < 0.01 and factors[200] == 1 and factors[-1] < 1e-5
