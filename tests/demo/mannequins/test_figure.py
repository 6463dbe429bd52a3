"""Whole figures."""

import numpy as np
import pytest

from reidaug.demo.mannequins.figure import build_figure
from reidaug.demo.mannequins.looks import sample_outfit, sample_shape


@pytest.mark.parametrize("seed", range(6))
def test_every_surfel_is_carried_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = sample_shape(rng)
    figure = build_figure(shape, sample_outfit(rng, shape), seed)
    total = np.zeros(figure.points.shape[1])
    for pull in figure.pulls:
        total[pull.surfels] += pull.weights
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert figure.colours.min() >= 0 and figure.colours.max() <= 1
    np.testing.assert_allclose((figure.normals**2).sum(axis=0), 1, atol=1e-4)
