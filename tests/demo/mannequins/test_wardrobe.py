"""Fabrics and prints on people."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reidaug.demo.mannequins.body import Pose
from reidaug.demo.mannequins.wardrobe import Decal, Fabric, paint, stamp
from tests.demo.mannequins.figures import NECK, person, picture_of


def green(colours: np.ndarray) -> np.ndarray:
    return (colours[..., 1] > 0.6) & (colours[..., 0] < 0.3) & (colours[..., 2] < 0.3)


def test_front_and_back_differ_by_the_print() -> None:
    decal = Decal("disc", (0.0, 1.0, 0.0), drop=0.2, size=0.1, seed=0)
    figure = person(top=Fabric((0.5, 0.0, 0.0)), front_decal=decal, back_decal=None, buttons=False)
    arms_apart = Pose(shoulder_abduct=(0.5, 0.5))
    front, back = (picture_of(figure, yaw, arms_apart).colours for yaw in (0.0, np.pi))
    assert green(front).sum() > 40
    assert green(back).sum() == 0


def test_a_print_reads_the_same_way_from_where_one_looks_at_it() -> None:
    """A badge sits to the right of the middle line, for who looks at the front and for who looks at the back."""
    decal = Decal("badge", (0.0, 1.0, 0.0), drop=0.2, size=0.06, seed=0)
    for yaw, where in ((0.0, "front_decal"), (np.pi, "back_decal")):
        prints = {"front_decal": None, "back_decal": None, where: decal}
        figure = person(top=Fabric((0.5, 0.0, 0.0)), buttons=False, **prints)
        picture = picture_of(figure, yaw, Pose(shoulder_abduct=(0.5, 0.5)))
        columns = np.nonzero(green(picture.colours))[1]
        assert len(columns) > 5
        assert columns.mean() > picture.keypoints[NECK, 0] + 1


@given(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_patterns_follow_body_coordinates(u: float, v: float) -> None:
    grain = np.zeros(2)
    fabric = Fabric((0.1, 0.2, 0.3), "bands", second=(0.9, 0.8, 0.7), size=0.08)
    around = paint(fabric, np.array([0.0, u]), np.array([v, v]), grain)
    assert (around[0] == around[1]).all()
    along = paint(replace(fabric, kind="stripes"), np.array([u, u]), np.array([0.0, v]), grain)
    assert (along[0] == along[1]).all()
    shifted = paint(fabric, np.array([u, u]), np.array([0.01, 0.05]), grain)
    assert (shifted[0] != shifted[1]).any()


def test_stamp_keeps_what_lies_outside_the_print() -> None:
    base = np.full((3, 3), 0.5)
    decal = Decal("panel", (1.0, 0.0, 0.0), drop=0.2, size=0.1, seed=0)
    stamped = stamp(base, decal, np.array([0.0, 0.2, 0.0]), np.array([0.2, 0.2, 0.5]))
    np.testing.assert_allclose(stamped, [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
