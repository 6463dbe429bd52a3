"""The batches of an epoch: by image, by person, with a fixed share of real images."""

from collections.abc import Sequence

import torch
from torch import Tensor

from reid_baseline.errors import ReIDError
from reid_baseline.recipe import Recipe


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Returns the number of full batches in an epoch; the last partial one is dropped, as in the paper's baseline.

    Batches by identity are drawn until too few persons have images left, which gives about as many.
    """
    return max(1, images // recipe.batch_size)


def count_steps(pids: Sequence[int], recipe: Recipe) -> float:
    """Steps in an epoch; for batches by identity, whose number varies, the mean of a few draws.

    Args:
        pids: the person of each training image.
        recipe: says how batches are drawn.
    """
    if not recipe.identities:
        return float(steps_per_epoch(len(pids), recipe))
    labels = torch.tensor(pids)
    draws = [len(draw_batches(labels, None, recipe, torch.Generator().manual_seed(seed))) for seed in range(3)]
    return sum(draws) / len(draws)


def draw_batches(labels: Tensor, synthetic: Tensor | None, recipe: Recipe, generator: torch.Generator) -> list[Tensor]:
    """Returns the batches of one epoch, as indices into the training set.

    Args:
        labels: (N,) int64.
        synthetic: (N,) bool, which images are generated; None = none.
        recipe: its ``batch_size``, ``identities`` and ``real_per_synthetic`` are used.
        generator: of the random draws.

    Raises:
        ReIDError: a fixed share of real images in a training set of one kind only.
    """
    mixed = None if synthetic is None or not recipe.real_per_synthetic else synthetic
    if mixed is not None and (mixed.all() or not mixed.any()):
        raise ReIDError("a mixture of real and synthetic images needs both: the training set has one kind only")
    if recipe.identities:
        return _by_identity(labels, mixed, recipe, generator)
    steps = steps_per_epoch(len(labels), recipe)
    if mixed is not None:
        return list(_mixture(mixed, torch.arange(len(labels)), steps, recipe, generator))
    return list(torch.randperm(len(labels), generator=generator).split(recipe.batch_size)[:steps])


def _by_identity(labels: Tensor, mixed: Tensor | None, recipe: Recipe, generator: torch.Generator) -> list[Tensor]:
    """Batches of P persons with K images each, as in the bag of tricks (Luo et al., CVPRW 2019).

    If a person has fewer than K images, some are repeated; otherwise no image is drawn twice in an epoch. If the recipe
    sets a share of real images, each person with both kinds has that share, with repeated images if necessary.
    """
    persons, size = recipe.identities, recipe.batch_size // recipe.identities
    waiting: list[list[Tensor]] = []  # groups of K images, by person
    for label in labels.unique():
        rows = torch.nonzero(labels == label)[:, 0]
        if mixed is not None and mixed[rows].any() and not mixed[rows].all():
            waiting.append(list(_mixture(mixed, rows, max(1, len(rows) // size), recipe, generator)))
            continue
        if len(rows) < size:
            rows = rows[torch.randint(len(rows), (size,), generator=generator)]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        waiting.append(list(rows[: len(rows) // size * size].view(-1, size)))
    persons = min(persons, len(waiting))
    batches = []
    while len(waiting) >= persons:
        chosen = torch.randperm(len(waiting), generator=generator)[:persons].tolist()
        batches.append(torch.cat([waiting[index].pop() for index in chosen]))
        waiting = [groups for groups in waiting if groups]
    return batches


def _mixture(synthetic: Tensor, rows: Tensor, groups: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Draws (groups, size) of some rows, each group with the recipe's share of real images; the rarer kind repeats."""
    parts = []
    for kind, count in zip((rows[~synthetic[rows]], rows[synthetic[rows]]), recipe.mixture(), strict=True):
        wanted = count * groups
        rounds = [kind[torch.randperm(len(kind), generator=generator)] for _ in range(-(-wanted // len(kind)))]
        parts.append(torch.cat(rounds)[:wanted].view(groups, -1))
    return torch.cat(parts, dim=1)
