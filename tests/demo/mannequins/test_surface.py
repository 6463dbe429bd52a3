"""Tubes of cloth and skin."""

import numpy as np
import pytest

from reidaug.demo.mannequins.surface import SPACING, bone_weights, finish, make_tube


def test_a_cylinder_has_outward_normals_and_measures_its_girth() -> None:
    tube = make_tube([(0, 1.0, 0, 0.1, 0.1), (0, 0.5, 0, 0.1, 0.1)])
    patch = finish(tube, np.array([0.5, 0.5, 0.5]), bone_weights(tube, "chest"))
    radial = patch.points * (1, 0, 1)
    np.testing.assert_allclose((patch.normals * radial).sum(axis=1), 0.1, rtol=1e-3)
    step = np.diff(tube.u[0])
    assert tube.u[0, -1] - tube.u[0, 0] + step[0] == pytest.approx(2 * np.pi * 0.1, rel=1e-3)
    assert step.max() <= SPACING * 1.001
    assert (tube.u[0] * np.sin(tube.theta) >= 0).all()  # positive to the person's left
    assert abs(tube.back_u[0, 0]) < SPACING and abs(tube.back_u[0, -1]) < SPACING
