"""The generators by the name that a user gives. To add one, write a file like `patn.py` and list it here."""

from dataclasses import fields
from typing import TYPE_CHECKING

from pona.errors import PoNAError
from pona.generators.deform import DeformGenerator
from pona.generators.generator import Generator
from pona.generators.lwg2d import LWG2DGenerator
from pona.generators.patn import PATNGenerator
from pona.generators.pg2 import PG2Generator
from pona.generators.pona import PoNAGenerator
from pona.generators.vunet import VUnetGenerator
from pona.train_config import TrainConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

GENERATORS: dict[str, type[Generator]] = {
    "pona": PoNAGenerator,
    "patn": PATNGenerator,
    "deform": DeformGenerator,
    "vunet": VUnetGenerator,
    "pg2": PG2Generator,
    "lwg2d": LWG2DGenerator,
}


def generator_class(architecture: str) -> type[Generator]:
    """The generator that a checkpoint's or a configuration's "architecture" names, which is its class.

    Raises:
        PoNAError: for a class that is not in the table.
    """
    classes = {kind.__name__: kind for kind in GENERATORS.values()}
    if architecture not in classes:
        raise PoNAError(f"architecture is {architecture!r}, expected one of {', '.join(classes)}")
    return classes[architecture]


def architecture_of(generator: Generator) -> str:
    """The name of a generator's class, as checkpoints have it.

    Raises:
        PoNAError: for a class that is not in the table.
    """
    if type(generator) in GENERATORS.values():
        return type(generator).__name__
    raise PoNAError(f"{type(generator).__name__} is no known generator: add it to pona.generators.GENERATORS")


def generator_config(config: TrainConfig, size: tuple[int, int] | None = None) -> "DataclassInstance":
    """The configuration of the generator that a run trains: fields of the same name are taken from the run's,
    others from its `method`.

    Args:
        config: of the run.
        size: (height, width) of the images in pixels, for generators of one size; None = their default.

    Raises:
        PoNAError: for an unknown architecture, or values that its generator cannot have.
    """
    config_class = generator_class(config.architecture).config_class
    values = {field.name: getattr(config, field.name) for field in fields(config)} | dict(config.method)
    values |= {} if size is None else {"size": size}
    return config_class(**{field.name: values[field.name] for field in fields(config_class) if field.name in values})
