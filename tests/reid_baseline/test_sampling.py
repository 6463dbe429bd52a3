"""Batches: by image, by person, and with a fixed share of real images."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from reid_baseline import RECIPES, ReIDError
from reid_baseline.sampling import count_steps, draw_batches, steps_per_epoch

PLAIN = replace(RECIPES["quick"], batch_size=8)
BY_PERSON = replace(PLAIN, identities=2)
LABELS = torch.tensor([0] * 3 + [1] * 9 + [2] * 4 + [3] * 8)


def draw(recipe, labels=LABELS, synthetic=None, seed=0):
    return draw_batches(labels, synthetic, recipe, torch.Generator().manual_seed(seed))


def test_plain_batches_are_whole_and_take_no_image_twice():
    batches = draw(PLAIN)
    assert [len(batch) for batch in batches] == [8, 8, 8]
    assert len(torch.cat(batches).unique()) == 24
    assert [len(batch) for batch in draw(PLAIN, LABELS[:5])] == [5]


def test_batches_by_person_hold_p_persons_with_k_images():
    for seed in range(5):
        batches = draw(BY_PERSON, seed=seed)
        assert 2 <= len(batches) <= 3  # persons 0 to 3 have 1, 2, 1 and 2 groups of 4; pairs of different persons
        for batch in batches:
            assert sorted(Counter(LABELS[batch].tolist()).values()) == [4, 4]
        rows = Counter(torch.cat(batches).tolist())
        assert all(count == 1 for row, count in rows.items() if LABELS[row] != 0)


def test_strong_recipe_draws_sixteen_persons_with_four_images():
    labels = torch.arange(40).repeat_interleave(13)
    batches = draw(RECIPES["strong"], labels)
    assert all(sorted(Counter(labels[batch].tolist()).values()) == [4] * 16 for batch in batches)
    assert 4 <= len(batches) <= steps_per_epoch(len(labels), RECIPES["strong"])


@pytest.mark.parametrize("recipe", [PLAIN, BY_PERSON])
def test_counted_steps_are_those_that_are_drawn(recipe):
    drawn = [len(draw(recipe, seed=seed)) for seed in range(20)]
    assert min(drawn) <= count_steps(LABELS.tolist(), recipe) <= max(drawn)
    single = torch.arange(40)  # one image each: by person it is repeated up to four
    assert count_steps(single.tolist(), recipe) == (20 if recipe.identities else 5)


def test_fewer_persons_than_a_batch_takes():
    batches = draw(replace(PLAIN, identities=4), torch.tensor([0, 0, 1, 1, 1]))
    assert [Counter(torch.tensor([0, 0, 1, 1, 1])[batch].tolist()) for batch in batches] == [{0: 2, 1: 2}]


@pytest.mark.parametrize(("ratio", "real"), [(1.0, 4), (3.0, 6), (6.0, 7), (0.15, 1)])
def test_mixture_of_real_and_synthetic_images(ratio, real):
    synthetic = torch.arange(24) % 3 != 0  # 8 real, 16 synthetic
    batches = draw(replace(PLAIN, real_per_synthetic=ratio), synthetic=synthetic)
    assert [int((~synthetic[batch]).sum()) for batch in batches] == [real] * 3
    assert all(len(batch) == 8 for batch in batches)
    uses = Counter(torch.cat(batches).tolist())
    per_kind = [[uses[row] for row in range(24) if synthetic[row] == kind] for kind in (False, True)]
    assert all(max(counts) - min(counts) <= 1 for counts in per_kind)


def test_mixture_of_one_kind_is_refused():
    with pytest.raises(ReIDError, match="one kind only"):
        draw(replace(PLAIN, real_per_synthetic=1.0), synthetic=torch.zeros(24, dtype=torch.bool))


@pytest.mark.parametrize(("ratio", "real"), [(1.0, 2), (3.0, 3), (2.6, 3), (0.3, 1)])
def test_mixture_by_person(ratio, real):
    labels = torch.arange(6).repeat_interleave(9)
    synthetic = torch.arange(54) % 9 >= 2  # two real images of each person, seven generated ones
    synthetic[:9] = False  # one person has real images only
    recipe = replace(PLAIN, batch_size=16, identities=4, real_per_synthetic=ratio)
    batches = draw(recipe, labels, synthetic)
    assert 2 <= len(batches) <= 3  # two groups of four of each person
    for batch in batches:
        for group in batch.split(4):
            assert len(labels[group].unique()) == 1
            assert (~synthetic[group]).sum() == (4 if labels[group[0]] == 0 else real)
