"""What a shrink and an augmentation may be asked for."""

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.study.request import AugmentConfig, ShrinkConfig


@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        ({"portion": 0.0}, "out of range"),
        ({"portion": 0.125}, "two decimals"),
        ({"portion": 0.4, "keep": "all"}, "keep is 'all'"),
        ({"portion": 0.4, "source": "best"}, "source is 'best'"),
        ({"portion": 0.4, "seed": -1}, "seed is -1"),
    ],
)
def test_impossible_settings(settings_: dict[str, object], expected: str) -> None:
    with pytest.raises(ReidAugError, match=expected):
        ShrinkConfig(**settings_)  # type: ignore[arg-type]


def test_how_many_images_a_person_gets() -> None:
    for config, counts in (
        (AugmentConfig(per_person=12), {1: 11, 11: 1, 12: 0, 40: 0}),
        (AugmentConfig(factor=2), {1: 1, 17: 17}),
        (AugmentConfig(factor=1.5), {1: 0, 4: 2, 17: 8}),
        (AugmentConfig(factor=1), {17: 0}),
    ):
        assert {count: config.new_images(count) for count in counts} == counts
    for neither_or_both in ({}, {"per_person": 12, "factor": 2.0}):
        with pytest.raises(ReidAugError, match="give one of them, such as --per-person 12"):
            AugmentConfig(**neither_or_both)  # type: ignore[arg-type]
