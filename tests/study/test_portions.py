"""Portions as text, as numbers and as names of folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.core.errors import ReidAugError
from reidaug.study.portions import parse_portion, parse_portions, portion_name


@given(st.integers(1, 99))
def test_every_two_decimal_portion_has_its_name(hundredths: int) -> None:
    assert portion_name(hundredths / 100) == f"p0.{hundredths:02d}"
    assert parse_portion(f"0.{hundredths:02d}") == hundredths / 100


@pytest.mark.parametrize(
    "text", ["0", "-1", "1", "1.5", "nan", "inf", "-inf", "abc", "", "0.123", "40%", "0,4", "1e-9"]
)
def test_other_portions_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ReidAugError, match="portion") as caught:
        parse_portion(text)
    assert "\n" not in str(caught.value)


def test_several_portions_come_in_order_and_once() -> None:
    assert parse_portions("0.8, 0.2,0.2") == (0.2, 0.8)
    with pytest.raises(ReidAugError, match="--portions is empty"):
        parse_portions(" ,")
