"""Training: it learns, repeats, and refuses what cannot work."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from reid_baseline import RECIPES, BaselineNet, ReIDError, train_baseline
from reid_baseline import train as train_module
from reid_baseline.augmentation import normalise
from reid_baseline.losses import triplet_loss
from reid_baseline.optimizer import make_optimizer, rate_factor
from reid_baseline.sampling import steps_per_epoch
from reid_baseline.train import Objective, train_step
from tests.reid_baseline.factories import STRONG_TINY, TINY, coloured_people, mean_ap_of, same_weights, train


def test_strong_recipe_learns():
    reports = []
    recipe = replace(STRONG_TINY, epochs=12)
    model = train(recipe, progress=reports.append)
    mean_ap, features = mean_ap_of(model, recipe)
    assert features.shape == (32, 512) and mean_ap > 0.9
    assert reports[-1].iteration == reports[-1].iterations


def test_generated_images_without_weight_give_no_gradient():
    """BN in evaluation mode, so that images do not touch each other: only the losses can carry the generated ones."""
    images, labels = coloured_people()
    images = normalise(images[::4])
    labels, synthetic = labels[::4], torch.arange(8) % 2 == 1
    other = torch.where(synthetic[:, None, None, None], -images, images)
    for changes in ({}, {"triplet_margin": 0.3, "center_weight": 1e-3}):
        gradients = {}
        for weight in (0.0, 1.0):
            recipe = replace(TINY, dropout=0.0, synthetic_weight=weight, **changes)
            torch.manual_seed(0)
            objective = Objective(BaselineNet("resnet18", 4, dropout=0.0), recipe, 4).eval()
            for name, batch in (("one", images), ("other", other)):
                objective.zero_grad()
                objective(batch, labels, synthetic, "fp32")[0].backward()
                gradients[weight, name] = objective.model.backbone.layer4[1].conv2.weight.grad.clone()
        assert torch.allclose(gradients[0.0, "one"], gradients[0.0, "other"], rtol=1e-3, atol=1e-5)
        assert not torch.allclose(gradients[1.0, "one"], gradients[1.0, "other"], rtol=1e-2)


def test_strong_objective_is_the_sum_that_the_paper_says():
    """Luo et al., CVPRW 2019, eq. 4: identification + triplet + 0.0005 centre."""
    images, labels = coloured_people()
    images = normalise(images)
    torch.manual_seed(0)
    model = BaselineNet("resnet18", 4, dropout=0.0, neck="bn").train()
    objective = Objective(model, RECIPES["strong"], 4).train()
    loss, logits = objective(images, labels, None, "fp32")
    pooled = model.backbone(images)
    expected = F.cross_entropy(model.logits(model.neck(pooled)), labels, label_smoothing=0.1)
    expected += triplet_loss(pooled, labels, 0.3)
    expected += 5e-4 * (pooled - objective.centers.centers[labels]).square().sum(dim=1).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4) and logits.shape == (32, 4)


def test_a_step_takes_the_rates_of_the_schedule_and_moves_the_centres_by_their_own():
    images, labels = coloured_people()
    torch.manual_seed(0)
    recipe = replace(STRONG_TINY, lr_head=1e-2, lr_backbone=1e-3)
    objective = Objective(BaselineNet("resnet18", 4, dropout=0.0, neck="bn"), recipe, 4).train()
    optimizer = make_optimizer(objective.model, recipe)
    before = objective.centers.centers.detach().clone()
    with torch.no_grad():
        objective.model.train()
        pooled = objective.model.backbone(normalise(images))
    train_step(objective, optimizer, normalise(images), labels, None, 0.25, "fp32")
    assert [group["lr"] for group in optimizer.param_groups] == [2.5e-4, 2.5e-3]
    mean = torch.stack([(before[labels] - pooled)[labels == label].sum(0) for label in range(4)]) / 16
    moved = before - objective.centers.centers.detach()
    assert torch.allclose(moved, recipe.center_lr * mean, rtol=1e-3, atol=1e-4)


def test_training_follows_the_schedule(monkeypatch):
    taken = []
    step = train_module.train_step

    def watched(objective, optimizer, images, labels, synthetic, factor, precision):
        taken.append(factor)
        return step(objective, optimizer, images, labels, synthetic, factor, precision)

    monkeypatch.setattr(train_module, "train_step", watched)
    train()
    steps = len(taken)
    assert steps == TINY.epochs * steps_per_epoch(32, TINY)
    assert taken == pytest.approx([rate_factor(i / steps, TINY) for i in range(steps)])


def test_a_batch_without_weight_is_no_division_by_zero():
    recipe = replace(TINY, epochs=1, synthetic_weight=0.0)
    images, labels = coloured_people()
    reports = []
    everything = torch.ones(32, dtype=torch.bool)
    train_baseline(images, labels, recipe, synthetic=everything, arch="resnet18", device="cpu", progress=reports.append)
    assert reports[-1].loss == 0


def test_smoothing_of_generated_images_is_theirs_alone():
    images, labels = coloured_people()
    smooth = replace(TINY, epochs=1, synthetic_smoothing=0.5)

    def trained(recipe, synthetic):
        return train_baseline(images, labels, recipe, synthetic=synthetic, arch="resnet18", device="cpu")

    nobody, everybody = torch.zeros(32, dtype=torch.bool), torch.ones(32, dtype=torch.bool)
    plain = trained(replace(TINY, epochs=1), None)
    for one, other in zip(trained(smooth, nobody).parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    assert not same_weights(trained(smooth, everybody), plain)


def test_it_learns_to_tell_people_apart():
    reports = []
    recipe = replace(TINY, epochs=10, dropout=0.0)
    model = train(recipe, progress=reports.append)
    ends = [report for report in reports if report.iteration % 4 == 0]
    assert ends[0].accuracy < 0.5 and max(report.accuracy for report in ends[-3:]) > 0.85  # chance: 0.25
    assert min(report.loss for report in ends[-3:]) < 0.5 * ends[0].loss
    assert mean_ap_of(model, recipe)[0] > 0.95


def test_progress_counts_to_the_end():
    reports = []
    train(progress=reports.append)
    last = reports[-1]
    assert [report.epoch for report in reports if report.iteration % 4 == 0] == [1, 2, 3]
    assert (last.epochs, last.iteration, last.iterations, last.seconds_left) == (3, 12, 12, 0.0)
    assert reports[0].seconds_left > 0 and last.images_per_second > 0


def test_same_seed_same_network_and_no_trace_in_the_random_state():
    state = torch.get_rng_state()
    one = train(seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert same_weights(one, train(seed=3))
    assert not same_weights(one, train(seed=4))


def test_bfloat16_at_full_size_gives_the_same_network_twice():
    images = torch.randint(256, (8, 3, 128, 64), dtype=torch.uint8)
    recipe = replace(TINY, size=(128, 64), epochs=1, batch_size=4)
    one, other = (
        train_baseline(images, torch.arange(8) % 4, recipe, arch="resnet18", device="cpu", precision="bf16")
        for _ in range(2)
    )
    assert same_weights(one, other)


def test_a_diverging_loss_is_an_error():
    with pytest.raises(ReIDError, match=r"diverged.*epoch 1.*loss"):
        train(replace(TINY, lr_backbone=1e6, lr_head=1e6, warmup=0.0))


def test_a_set_smaller_than_the_batch_trains():
    images, labels = coloured_people(identities=2, images=2)
    reports = []
    train_baseline(images, labels, replace(TINY, epochs=2), arch="resnet18", device="cpu", progress=reports.append)
    assert reports[-1].iterations == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(32, 3, 16, 16, dtype=torch.uint8)}, r"\(N, 3, 32, 16\)"),
        ({"images": torch.zeros(32, 3, 32, 16)}, "torch.float32"),
        ({"labels": torch.zeros(31, dtype=torch.int64)}, r"\(32,\) torch.int64"),
        ({"labels": torch.zeros(32, dtype=torch.int32)}, "torch.int32"),
        ({"labels": torch.zeros(32, dtype=torch.int64)}, "1 classes"),
        ({"labels": torch.arange(1, 33)}, "from 1 to 32"),
        ({"device": "cuda:77"}, "cuda:77"),
        ({"device": "abacus"}, "abacus"),
        ({"precision": "fp7"}, "fp7"),
    ],
)
def test_bad_arguments_are_one_clear_line(change, message):
    images, labels = coloured_people()
    arguments = {"images": images, "labels": labels, "recipe": TINY, "arch": "resnet18", "device": "cpu"} | change
    with pytest.raises(ReIDError, match=message) as error:
        train_baseline(**arguments)
    assert "\n" not in str(error.value)
