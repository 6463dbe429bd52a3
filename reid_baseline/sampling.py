"""Which images stand in which batch of an epoch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from reid_baseline.errors import ReIDError
from reid_baseline.recipe import Recipe


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Returns the whole batches in an epoch; the odd images at its end are left out, as in the paper's baseline.

    Batches by identity are drawn until too few persons have images left, which gives about as many.
    """
    return max(1, images // recipe.batch_size)


def count_steps(pids: Sequence[int], recipe: Recipe) -> float:
    """Steps in an epoch; where batches are drawn by identity the mean of a few draws, as their number varies.

    Args:
        pids: the person of each training image.
        recipe: decides how batches are drawn.
    """
    if not recipe.identities:
        return float(steps_per_epoch(len(pids), recipe))
    labels = torch.tensor(pids)
    draws = [len(draw_batches(labels, None, recipe, torch.Generator().manual_seed(seed))) for seed in range(3)]
    return sum(draws) / len(draws)


def draw_batches(labels: Tensor, synthetic: Tensor | None, recipe: Recipe, generator: torch.Generator) -> list[Tensor]:
    """The batches of one epoch, as rows of the training set.

    Args:
        labels: (N,) int64.
        synthetic: (N,) bool, which images are generated; None = none.
        recipe: its ``batch_size``, ``identities`` and ``real_per_synthetic`` are used.
        generator: of the draws.
    """
    if recipe.identities:
        return _by_identity(labels, recipe.identities, recipe.batch_size // recipe.identities, generator)
    if synthetic is not None and recipe.real_per_synthetic:
        return _mixed(synthetic, recipe, generator)
    order = torch.randperm(len(labels), generator=generator)
    return list(order.split(recipe.batch_size)[: steps_per_epoch(len(labels), recipe)])


def _by_identity(labels: Tensor, persons: int, each: int, generator: torch.Generator) -> list[Tensor]:
    """Batches of P persons with K images, as the bag of tricks draws them (Luo et al., CVPRW 2019).

    A person with fewer than K images is filled up with repeated ones; in an epoch no image comes twice otherwise.
    """
    waiting: list[list[Tensor]] = []
    for label in labels.unique():
        rows = torch.nonzero(labels == label)[:, 0]
        if len(rows) < each:
            rows = rows[torch.randint(len(rows), (each,), generator=generator)]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        waiting.append([part for part in rows.split(each) if len(part) == each])
    persons = min(persons, len(waiting))
    batches = []
    while len(waiting) >= persons:
        chosen = torch.randperm(len(waiting), generator=generator)[:persons].tolist()
        batches.append(torch.cat([waiting[place].pop() for place in chosen]))
        waiting = [parts for parts in waiting if parts]
    return batches


def _mixed(synthetic: Tensor, recipe: Recipe, generator: torch.Generator) -> list[Tensor]:
    """Batches with a fixed share of real images; the scarcer kind comes more than once in an epoch."""
    share = recipe.real_per_synthetic / (1 + recipe.real_per_synthetic)
    count = min(recipe.batch_size - 1, max(1, round(share * recipe.batch_size)))
    steps = steps_per_epoch(len(synthetic), recipe)
    parts = []
    for rows, wanted in (
        (torch.nonzero(~synthetic)[:, 0], count * steps),
        (torch.nonzero(synthetic)[:, 0], (recipe.batch_size - count) * steps),
    ):
        if not len(rows):
            raise ReIDError("a mixture of real and synthetic images needs both: the training set has one kind only")
        rounds = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(-(-wanted // len(rows)))]
        parts.append(torch.cat(rounds)[:wanted].view(steps, -1))
    return list(torch.cat(parts, dim=1).unbind(0))
