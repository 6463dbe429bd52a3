"""What a shrink may be asked for."""

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.study.request import ShrinkConfig


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
