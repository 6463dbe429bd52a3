"""The generators by name, as a checkpoint's "architecture" names them."""

from pona.errors import PoNAError
from pona.generator import PoNAGenerator
from pona.interface import Generator

ARCHITECTURES: dict[str, type[Generator]] = {
    "PoNAGenerator": PoNAGenerator,
}


def architecture_of(generator: Generator) -> str:
    """The name of a generator's class.

    Raises:
        PoNAError: for a class that is not in the table.
    """
    for name, architecture in ARCHITECTURES.items():
        if type(generator) is architecture:
            return name
    raise PoNAError(f"{type(generator).__name__} is no known architecture: add it to pona.architectures.ARCHITECTURES")
