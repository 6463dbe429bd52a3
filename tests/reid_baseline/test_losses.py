"""Losses of the baselines, against plain loops and those of torch."""

import pytest
import torch
import torch.nn.functional as F

from reid_baseline.losses import CenterLoss, identification_loss, triplet_loss


def batch(seed=0, people=4, images=3, width=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(people * images, width, generator=generator), torch.arange(people).repeat_interleave(images)


def test_identification_loss_is_torchs_where_all_images_are_alike():
    logits, labels = batch(width=4)
    for smoothing in (0.0, 0.1):
        expected = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        assert identification_loss(logits, labels, smoothing, None) == pytest.approx(expected)
        per_image = torch.full((12,), smoothing)
        assert identification_loss(logits, labels, per_image, torch.ones(12)).item() == pytest.approx(expected.item())


def test_images_may_differ_in_smoothing_and_weight():
    logits, labels = batch(width=4)
    smoothing, weights = torch.tensor([0.0, 0.3] * 6), torch.tensor([1.0, 0.5, 0.0] * 4)
    by_hand = [
        F.cross_entropy(logits[i : i + 1], labels[i : i + 1], label_smoothing=smoothing[i].item()) * weights[i]
        for i in range(12)
    ]
    expected = torch.stack(by_hand).sum() / weights.sum()
    assert identification_loss(logits, labels, smoothing, weights).item() == pytest.approx(expected.item())


def test_an_image_without_weight_is_no_anchor_s_farthest_or_nearest():
    features, labels = batch()
    weights = torch.tensor([1.0, 1.0, 0.0] * 4)
    moved = torch.where(weights[:, None] > 0, features, 100 * features)
    rest = weights > 0
    alone = triplet_loss(features[rest], labels[rest], 0.3)
    assert triplet_loss(features, labels, 0.3, weights) == triplet_loss(moved, labels, 0.3, weights)
    assert triplet_loss(moved, labels, 0.3, weights).item() == pytest.approx(alone.item())


@pytest.mark.parametrize("seed", range(3))
def test_triplet_loss_takes_the_hardest_of_each_batch(seed):
    features, labels = batch(seed)
    losses = []
    for i, anchor in enumerate(features):
        distances = [(anchor - other).square().sum().sqrt().item() for other in features]
        farthest = max(d for d, label in zip(distances, labels, strict=True) if label == labels[i])
        nearest = min(d for d, label in zip(distances, labels, strict=True) if label != labels[i])
        losses.append(max(0.0, farthest - nearest + 0.3))
    assert triplet_loss(features, labels, 0.3).item() == pytest.approx(sum(losses) / 12, rel=1e-5)
    weights = torch.rand(12)
    expected = sum(w * loss for w, loss in zip(weights.tolist(), losses, strict=True)) / weights.sum().item()
    assert triplet_loss(features, labels, 0.3, weights).item() == pytest.approx(expected, rel=1e-5)


def test_triplet_loss_of_equal_features_has_a_gradient():
    features = torch.zeros(4, 3, requires_grad=True)
    triplet_loss(features, torch.tensor([0, 0, 1, 1]), 0.3).backward()
    assert features.grad is not None and features.grad.isfinite().all()


def test_one_person_in_a_batch_gives_no_triplet():
    features, _ = batch()
    assert triplet_loss(features, torch.zeros(12, dtype=torch.int64), 0.3) == 0


def test_center_loss_is_the_squared_distance_and_moves_the_centres_of_the_batch():
    features, labels = batch()
    loss = CenterLoss(6, 5)
    value = loss(features, labels)
    expected = sum((f - loss.centers[label]).square().sum() for f, label in zip(features, labels, strict=True)) / 12
    assert value.item() == pytest.approx(expected.item())
    value.backward()
    assert loss.centers.grad[:4].any(dim=1).all() and not loss.centers.grad[4:].any()


def test_gradient_of_the_centres_is_the_same_every_time_also_with_three_threads():
    """A batch and threads for which indexing in torch sums the gradient in random order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        loss, labels = CenterLoss(751, 2048), torch.arange(16).repeat_interleave(4)
        features = torch.randn(64, 2048, generator=torch.Generator().manual_seed(0))
        gradients = {torch.autograd.grad(loss(features, labels), loss.centers)[0].numpy().tobytes() for _ in range(30)}
        assert len(gradients) == 1
    finally:
        torch.set_num_threads(threads)
