"""Checkpoints: one file of tensors and plain values, written whole or not at all, read without running code."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pona.errors import PoNAError
from pona.generators import architecture_of, generator_class
from pona.generators.generator import LARGEST, Generator
from pona.torch_file import not_finite, read_torch, write_torch
from pona.torch_reader import misfits
from pona.train_config import MOST_ITERATIONS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMAT = "pona-checkpoint"
VERSION = 1
MAX_NAMES_SIZE = 2**26  # bytes, unpacked


@dataclass(frozen=True)
class Checkpoint:
    """A generator with its history."""

    generator: Generator  # eval mode
    config: "DataclassInstance"  # that of the generator
    training: dict[str, Any]  # plain values: preset, iteration, what it was trained on, and so on


def save_checkpoint(
    path: Path | str,
    generator: Generator,
    config: "DataclassInstance",
    training: Mapping[str, object],
    half: bool = False,
) -> None:
    """Writes a checkpoint atomically.

    Args:
        path: the file; its folder must exist.
        generator: of a class in `pona.generators.GENERATORS`.
        config: what it was built from.
        training: plain values only (str, int, float, bool, None, lists and dicts of these).
        half: store floating-point weights in half precision, as far as they fit; they are loaded as float32.

    Raises:
        PoNAError: for an unknown class, values that are not plain, or a file that cannot be written.
    """
    check_plain(dict(training), "training")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    if half:
        state = {name: _halved(tensor) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    content = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": architecture_of(generator),
        "config": asdict(config),
        "training": _with_names(training, _pack_names),
        "state": state,
    }
    write_torch(Path(path), content)


def load_checkpoint(path: Path | str, device: str | torch.device = "cpu") -> Checkpoint:
    """Reads a checkpoint; no code in the file is run.

    Raises:
        PoNAError: for a file that is missing, empty, cut short, no checkpoint of this package, of a later version or
            an unknown architecture, or that holds anything but tensors and plain values, or weights that are not
            finite.
    """
    content = read_torch(Path(path))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        hint = ": give one that `train` wrote"
        if isinstance(content, dict) and any("stream1_down" in str(name) for name in content):
            hint = "; these are weights of the authors' code: load them with pona.generator_from_author_weights"
        raise PoNAError(f"{path} is no PoNA checkpoint (no '{FORMAT}' mark in it){hint}")
    version, architecture = content.get("version"), content.get("architecture")
    if type(version) is not int:
        raise PoNAError(f"{path} is damaged: it names no version; get the file again")
    if version != VERSION:
        raise PoNAError(f"{path} has version {version}, this program reads version {VERSION}: update it")
    if type(architecture) is not str:
        raise PoNAError(f"{path} is damaged: it names no architecture; get the file again")
    try:
        kind = generator_class(architecture[:50])
    except PoNAError as error:
        raise PoNAError(f"{path} is of another version of this program, update it: {error}") from None
    try:
        config = kind.config_class(**content["config"])
        with torch.device("meta"):  # its weights are replaced at once: none are drawn
            generator = kind.from_config(config)
        given, expected = content["state"], generator.state_dict()
        wrong = misfits(expected, given)
    except Exception as error:  # whatever the values of a damaged file lead to
        reason = (
            " ".join(str(error).split())
            if isinstance(error, PoNAError)
            else "its configuration is not of its architecture"
        )
        raise PoNAError(f"{path} is damaged: {reason}; get the file again") from None
    if wrong:
        raise PoNAError(
            f"{path} is damaged: its weights do not fit its own configuration, {len(wrong)} of {len(expected)} tensors "
            f"(first: {wrong[0]}); get the file again"
        )
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in given.items()}
    generator.load_state_dict(state, assign=True)
    try:
        training = _with_names(content["training"], _unpack_names)
        _check_training(training)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, zlib.error) as error:
        reason = f": {error}" if isinstance(error, PoNAError) else ""
        raise PoNAError(
            f"{path} is damaged in the record of its training{reason}; get the file again, or remove it to train again"
        ) from None
    if bad := not_finite(state):
        raise PoNAError(
            f"{path} is of no use: {len(bad)} of {len(state)} tensors are not finite (first: {bad[0]}); take an "
            "earlier checkpoint, or train again"
        )
    return Checkpoint(generator.to(device).eval(), config, training)


def _check_training(training: Mapping[str, Any]) -> None:
    """Checks the values of a record that this package and others compute with; any of them may be missing."""
    check_plain(dict(training), "training")
    for name in ("iteration", "iterations", "batch_size", "seconds"):
        value = training.get(name, 0)
        if type(value) not in (int, float) or not 0 <= value <= MOST_ITERATIONS:
            raise PoNAError(f"{name} is {str(value)[:50]}, expected 0 to {MOST_ITERATIONS:.0e}")
    for name in ("trained_on", "origin", "config"):
        if type(training.get(name, {})) is not dict:
            raise PoNAError(f"{name} is no dict")
    names = training.get("trained_on", {}).get("names", [])
    if type(names) is not list or not all(type(name) is str for name in names):
        raise PoNAError("names are no list of text")
    size = training.get("image_size", [1, 1])
    if type(size) is not list or len(size) != 2 or not all(type(side) is int and 0 < side <= LARGEST for side in size):
        raise PoNAError(f"image_size is {str(size)[:50]}, expected two lengths in pixels")


def _halved(tensor: Tensor) -> Tensor:
    """The tensor in half precision, or as it is where that would make it infinite."""
    half = tensor.half()
    return half if torch.isfinite(half).all() else tensor


def check_plain(value: object, name: str) -> None:
    """Refuses what `load_checkpoint` could not read, such as numpy numbers.

    Raises:
        PoNAError: where `value` holds anything but str, int, float, bool, None, lists and dicts.
    """
    if type(value) is dict:
        for key, item in value.items():
            check_plain(key, f"a key of {name}")
            check_plain(item, f"{name}[{key!r}]")
    elif type(value) is list:
        for item in value:
            check_plain(item, f"an item of {name}")
    elif type(value) not in (str, int, float, bool, type(None)):
        raise PoNAError(
            f"{name} is a {type(value).__name__}, expected plain values: str, int, float, bool, None, list, dict"
        )


def _pack_names(names: list[str]) -> Tensor:
    """Compresses names to a tenth: 100,000 of them would take 2.5 MB."""
    return torch.frombuffer(bytearray(zlib.compress("\n".join(names).encode(), 9)), dtype=torch.uint8)


def _unpack_names(packed: Tensor) -> list[str]:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(packed.numpy().tobytes(), MAX_NAMES_SIZE)
    if not unpacker.eof:
        raise PoNAError(f"the names are cut short, or take more than {MAX_NAMES_SIZE} bytes")
    return text.decode().splitlines()


def _with_names(training: Mapping[str, object], change: Callable[[Any], object]) -> dict[str, object]:
    """Copies `training` with the names that it was trained on packed or unpacked."""
    trained_on = training.get("trained_on")
    if not isinstance(trained_on, dict) or "names" not in trained_on:
        return dict(training)
    return {**training, "trained_on": {**trained_on, "names": change(trained_on["names"])}}
