"""Varied people: places and colours of their own, for the training of generators."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from reidaug.datasets.images import read_image
from reidaug.demo.mannequins import MannequinConfig, write_mannequins
from reidaug.demo.mannequins.shots import IDENTITY, Studio, take_shot

FEW = MannequinConfig(train_ids=6, test_ids=2, images=4, cameras=2, distractors=0, junk=0, varied=True)


def borders_of(root: Path) -> dict[int, list[np.ndarray]]:
    """For each person, the mean colour of the upper corners of each image of the first camera."""
    found: dict[int, list[np.ndarray]] = {}
    for path in sorted((root / "bounding_box_train").glob("*_c1*.jpg")):
        image = read_image(path).astype(float)
        corners = np.concatenate([image[:20, :8].reshape(-1, 3), image[:20, -8:].reshape(-1, 3)])
        found.setdefault(int(path.name[:4]), []).append(corners.mean(axis=0))
    return found


def spread(root: Path) -> tuple[float, float]:
    """How much the places of people differ, and how much the images of one person in one place do: grey levels."""
    borders = borders_of(root)
    means = np.stack([np.mean(values, axis=0) for values in borders.values()])
    within = [np.std(values, axis=0) for values in borders.values() if len(values) > 1]
    return float(means.std(axis=0).mean()), float(np.mean(within))


def test_each_person_has_a_place_and_stays_in_it(tmp_path: Path) -> None:
    varied = write_mannequins(tmp_path / "varied", FEW)
    usual = write_mannequins(tmp_path / "usual", replace(FEW, varied=False))
    between, within = spread(varied)
    assert between > 2 * spread(usual)[0] and between > within


def test_the_same_seed_gives_the_same_people_whatever_was_rendered_before() -> None:
    busy = Studio(seed=9, varied=True)
    for number in range(20):  # more places than are kept
        take_shot(busy, IDENTITY, 100 + number, 0, camid=1, passage=0)
    fresh, again = (take_shot(studio, IDENTITY, 7, 0, 2, 0) for studio in (Studio(seed=9, varied=True), busy))
    assert fresh.jpeg == again.jpeg
    assert fresh.jpeg != take_shot(Studio(seed=9), IDENTITY, 7, 0, 2, 0).jpeg
    assert np.array_equal(fresh.keypoints[:, 0] > 64, np.zeros(18, dtype=bool))
