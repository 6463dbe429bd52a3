"""Training: it learns, repeats, resumes, and refuses what cannot work."""

from dataclasses import FrozenInstanceError, replace

import pytest
import torch
import torch.nn.functional as F

from reid_baseline import (
    RECIPES,
    BaselineNet,
    ReIDError,
    evaluate_ranking,
    extract_features,
    train_baseline,
    training_seconds,
)
from reid_baseline import train as train_module
from reid_baseline.augmentation import normalise
from reid_baseline.losses import triplet_loss
from reid_baseline.optimizer import make_optimizer, rate_factor
from reid_baseline.sampling import steps_per_epoch
from reid_baseline.train import Objective, train_step

TINY = replace(
    RECIPES["quick"], size=(32, 16), epochs=3, batch_size=8, padding=2, lr_head=0.01, lr_backbone=0.01, warmup=0.2
)


@pytest.fixture(autouse=True)
def one_thread():
    """Steps this small are slower on two threads, and very much so beside another busy process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def coloured_people(identities=4, each=8, seed=0):
    """Noisy images, one colour above and one below for each identity."""
    generator = torch.Generator().manual_seed(seed)
    colours = torch.randint(40, 216, (identities, 3, 2, 1), generator=torch.Generator().manual_seed(9))
    labels = torch.arange(identities).repeat_interleave(each)
    flat = colours[labels].repeat_interleave(16, dim=2).expand(-1, -1, -1, 16)
    noise = torch.randint(-30, 31, flat.shape, generator=generator)
    return (flat + noise).to(torch.uint8), labels


def train(recipe=TINY, **options):
    images, labels = coloured_people()
    images = F.interpolate(images, recipe.size)
    return train_baseline(images, labels, recipe, **({"arch": "resnet18", "device": "cpu"} | options))


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


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


STRONG_TINY = replace(
    RECIPES["strong"], size=(32, 16), epochs=4, batch_size=8, identities=2, padding=2, erasing=0.2, lr_backbone=1e-3
)


def test_strong_recipe_learns_and_resumes_exactly(tmp_path, monkeypatch):
    reports = []
    recipe = replace(STRONG_TINY, epochs=12)
    model = train(recipe, progress=reports.append)
    images, labels = coloured_people(seed=1)
    features = extract_features(model, images, recipe, "cpu")
    assert features.shape == (32, 512)
    cameras = torch.arange(len(labels)) % 2 + 1
    assert evaluate_ranking(features, features, labels, labels, cameras, cameras).mean_ap > 0.9
    assert reports[-1].iteration == reports[-1].iterations

    whole = train(STRONG_TINY)
    monkeypatch.setattr(train_module, "SAVE_SECONDS", -1.0)

    def kill_in_epoch_three(report):
        if report.epoch == 3:
            raise Killed

    with pytest.raises(Killed):
        train(STRONG_TINY, checkpoint=tmp_path / "t.pt", progress=kill_in_epoch_three)
    assert same_weights(whole, train(STRONG_TINY, checkpoint=tmp_path / "t.pt"))


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
    assert all(
        torch.allclose(a, b, atol=1e-4)
        for a, b in zip(trained(smooth, nobody).parameters(), plain.parameters(), strict=True)
    )
    assert not same_weights(trained(smooth, everybody), plain)


def test_step_decay_follows_a_change_of_epochs():
    paper = replace(RECIPES["paper"], epochs=30)
    assert [rate_factor(epoch / 30, paper) for epoch in (0, 19, 20, 29)] == pytest.approx([1, 1, 0.1, 0.1])


def test_cosine_rises_in_the_warm_up_and_falls_to_nothing():
    recipe = replace(RECIPES["quick"], schedule="cosine", warmup=0.2)
    factors = [rate_factor(step / 1000, recipe) for step in range(1000)]
    assert factors[:200] == sorted(factors[:200])
    assert factors[200:] == sorted(factors[200:], reverse=True)
    assert 0 < factors[0] < 0.01 and factors[200] == 1 and factors[-1] < 1e-5


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
        ({"schedule": "linear"}, "step or cosine"),
        ({"optimizer": "lion"}, "sgd or adam"),
        ({"identities": 5}, "do not divide among 5 persons"),
        ({"identities": 32}, "2 images or more"),
        ({"synthetic_smoothing": 1.0}, r"in \[0, 1\)"),
        ({"label_smoothing": 0.1, "synthetic_smoothing": 0.05}, "expected more than the 0.1"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(change, message):
    with pytest.raises(ReIDError, match=message):
        replace(RECIPES["quick"], **change)


def test_a_checkpoint_that_cannot_be_written_is_one_clear_line(tmp_path):
    with pytest.raises(ReIDError, match="cannot be written"):
        train(replace(TINY, epochs=1), checkpoint=tmp_path / "absent" / "training.pt")


def test_it_learns_to_tell_people_apart():
    reports = []
    recipe = replace(TINY, epochs=10, dropout=0.0)
    model = train(recipe, progress=reports.append)
    ends = [report for report in reports if report.iteration % 4 == 0]
    assert ends[0].accuracy < 0.5 and max(report.accuracy for report in ends[-3:]) > 0.85  # chance: 0.25
    assert min(report.loss for report in ends[-3:]) < 0.5 * ends[0].loss
    images, labels = coloured_people(seed=1)
    features = extract_features(model, images, recipe, "cpu")
    cameras = torch.arange(len(labels)) % 2 + 1
    ranking = evaluate_ranking(features, features, labels, labels, cameras, cameras)
    assert ranking.mean_ap > 0.95


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


class Killed(Exception):
    pass


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resume_gives_the_same_network_as_no_interruption(tmp_path, monkeypatch, precision):
    options = {"recipe": replace(TINY, size=(64, 32)), "precision": precision}  # oneDNN convolves no map one pixel wide
    whole = train(**options)
    monkeypatch.setattr(train_module, "SAVE_SECONDS", -1.0)

    def kill_in_epoch_three(report):
        if report.epoch == 3:
            raise Killed

    checkpoint = tmp_path / "training.pt"
    with pytest.raises(Killed):
        train(**options, checkpoint=checkpoint, progress=kill_in_epoch_three)
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]
    first = training_seconds(checkpoint)
    reports = []
    assert same_weights(whole, train(**options, checkpoint=checkpoint, progress=reports.append))
    assert {report.epoch for report in reports} == {3}
    seconds = training_seconds(checkpoint)
    assert 0 < first < seconds  # those of both sittings
    reports.clear()
    assert same_weights(whole, train(**options, checkpoint=checkpoint, progress=reports.append))
    assert not reports and training_seconds(checkpoint) == seconds  # nothing was left to do


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    recipe = replace(TINY, epochs=1)
    checkpoint = tmp_path / "training.pt"
    train(recipe, checkpoint=checkpoint)
    for options in ({"seed": 1}, {"recipe": replace(recipe, weight_decay=0.0)}):
        with pytest.raises(ReIDError, match="other images, settings or versions"):
            train(**({"recipe": recipe, "checkpoint": checkpoint} | options))
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, "format": "reid_baseline training state 2"}, checkpoint)
    with pytest.raises(ReIDError, match="of another version"):
        train(recipe, checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ReIDError, match="no state of a baseline training"):
        train(recipe, checkpoint=checkpoint)


def test_a_diverging_loss_is_an_error():
    with pytest.raises(ReIDError, match="diverged in epoch 1: the loss is"):
        train(replace(TINY, lr_backbone=1e30, lr_head=1e30, warmup=0.0))


def test_a_set_smaller_than_the_batch_trains():
    images, labels = coloured_people(identities=2, each=2)
    reports = []
    train_baseline(images, labels, replace(TINY, epochs=2), arch="resnet18", device="cpu", progress=reports.append)
    assert reports[-1].iterations == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(32, 3, 16, 16, dtype=torch.uint8)}, r"expects \(N, 3, 32, 16\)"),
        ({"images": torch.zeros(32, 3, 32, 16)}, "torch.float32"),
        ({"labels": torch.zeros(31, dtype=torch.int64)}, r"expected \(32,\) torch.int64"),
        ({"labels": torch.zeros(32, dtype=torch.int32)}, "torch.int32"),
        ({"labels": torch.zeros(32, dtype=torch.int64)}, "1 classes"),
        ({"labels": torch.arange(1, 33)}, "from 1 to 32"),
        ({"device": "cuda:77"}, "is not there"),
        ({"device": "abacus"}, "is unknown"),
        ({"precision": "fp7"}, "fp7"),
    ],
)
def test_bad_arguments_are_one_clear_line(change, message):
    images, labels = coloured_people()
    arguments = {"images": images, "labels": labels, "recipe": TINY, "arch": "resnet18", "device": "cpu"} | change
    with pytest.raises(ReIDError, match=message) as error:
        train_baseline(**arguments)
    assert "\n" not in str(error.value)
