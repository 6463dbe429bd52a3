"""Portions: the share of training images that is kept, as text, number and folder name."""

from reidaug.core.errors import ReidAugError


def parse_portion(text: str) -> float:
    """A portion as typed on the command line.

    Raises:
        ReidAugError: not a number in 0.01-0.99 with at most two decimals.
    """
    try:
        portion = float(text)
    except ValueError:
        raise ReidAugError(f"portion {text!r} is not a number; give one from 0.01 to 0.99, such as 0.4") from None
    portion_name(portion)
    return round(portion, 2)


def parse_portions(text: str) -> tuple[float, ...]:
    """``"0.2,0.4"`` -> portions, ascending.

    Raises:
        ReidAugError: none, or an invalid one.
    """
    portions = tuple(sorted({parse_portion(part) for part in text.split(",") if part.strip()}))
    if not portions:
        raise ReidAugError("--portions is empty: expected some, such as 0.2,0.4,0.6,0.8")
    return portions


def portion_name(portion: float) -> str:
    """The folder name of a portion: 0.4 -> "p0.40".

    Raises:
        ReidAugError: it is not between 0 and 1, or has more than two decimals.
    """
    if not 0.005 < portion < 0.995:
        raise ReidAugError(f"portion {portion:g} is out of range; give one from 0.01 to 0.99, such as 0.4")
    if abs(portion * 100 - round(portion * 100)) > 1e-9:
        raise ReidAugError(f"portion {portion!r} has more than two decimals; give one such as {max(portion, 0.01):.2f}")
    return f"p{portion:.2f}"
