"""The losses of a baseline: identification and, in the strong recipe, triplets and centres."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def identification_loss(logits: Tensor, labels: Tensor, smoothing: Tensor | float, weights: Tensor | None) -> Tensor:
    """Cross entropy with label smoothing (Szegedy et al., CVPR 2016); images may differ in smoothing and in weight.

    Args:
        logits: (B, C).
        labels: (B,) int64.
        smoothing: share of the label that is spread over all C classes, in [0, 1); a number or (B,).
        weights: (B,), None = all equal; the loss is the weighted mean.
    """
    if weights is None and isinstance(smoothing, float):
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)
    log_shares = logits.log_softmax(dim=1)
    right = log_shares.gather(1, labels[:, None])[:, 0]
    losses = -((1 - smoothing) * right + smoothing * log_shares.mean(dim=1))
    return _weighted_mean(losses, weights)


def triplet_loss(features: Tensor, labels: Tensor, margin: float, weights: Tensor | None = None) -> Tensor:
    """Batch-hard triplet loss (Hermans et al., arXiv:1703.07737) on euclidean distances.

    Args:
        features: (B, D), not normalised; each label should occur at least twice.
        labels: (B,).
        margin: how much nearer the farthest image of the person should be than the nearest of another person.
        weights: (B,) of the anchors, None = all equal. An image of weight 0 is never a farthest or nearest one.
    """
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None, :]
    weighted = torch.ones_like(labels, dtype=torch.bool) if weights is None else weights > 0
    farthest = distances.masked_fill(~(same & weighted), -torch.inf).amax(dim=1)
    nearest = distances.masked_fill(~(~same & weighted), torch.inf).amin(dim=1)
    losses = F.relu(farthest - nearest + margin)  # no other person in the batch: nearest is infinite, the loss 0
    return _weighted_mean(losses, weights)


class CenterLoss(nn.Module):
    """Squared distance of each feature to the learnt centre of its class (Wen et al., ECCV 2016)."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(num_classes, width))

    def forward(self, features: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """(B, D) features, (B,) labels and weights -> the weighted mean over the batch."""
        centers = self.centers.index_select(0, labels)  # self.centers[labels] sums its gradient in random order
        return _weighted_mean((features - centers).square().sum(dim=1), weights)


def _weighted_mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    """0 if all weights in the batch are 0."""
    if weights is None:
        return losses.mean()
    return (weights * losses).sum() / weights.sum().clamp(min=1e-9)
