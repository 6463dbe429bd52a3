"""What stands in front of people."""

import numpy as np
import pytest

from reidaug.demo.mannequins.occluders import OCCLUDERS, draw_occluder


@pytest.mark.parametrize("kind", sorted(OCCLUDERS))
def test_occluders_cover_a_part_of_the_image(kind: str) -> None:
    for seed in range(5):
        colours, alpha = draw_occluder(kind, np.random.default_rng(seed))
        assert colours.shape == (128, 64, 3) and alpha.shape == (128, 64)
        assert (colours <= alpha[..., None] + 1e-6).all()
        assert alpha.mean() < 0.75
