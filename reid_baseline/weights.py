"""Trained weights for a backbone, from a file or of ImageNet; nothing in a file is run."""

import hashlib
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import nn

from reid_baseline.backbones import BACKBONES
from reid_baseline.errors import ReIDError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")  # keys under which re-ID code saves the tensors

# What re-ID code saves beside the tensors, such as the best rank-1; numpy 2 has renamed its module.
_NUMBERS: list[Any] = [
    *((np.float32(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(np.dtype, *(type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "bool"))),
]


def load_weights(network: nn.Module, arch: str, weights: str | Path) -> None:
    """Loads trained weights into a backbone.

    Args:
        network: the backbone.
        arch: its name in `BACKBONES`.
        weights: "imagenet", or a file: see `reid_baseline.build_model`.

    Raises:
        ReIDError: weights that are not available, are no plain tensors, or are of another network.
    """
    if weights == "imagenet":
        state, source = _imagenet_state(arch), f"the ImageNet weights of {arch}"
    else:
        state, source = _file_state(Path(weights)), f"weights {weights}"
    rename = BACKBONES[arch].rename
    _load(network, arch, {rename(name): tensor for name, tensor in state.items()}, source)


def read_tensors(path: Path) -> Any:
    """Reads a file of tensors, numbers and containers of them, as `torch.load` does, and raises what it raises."""
    # torch's warnings about unusual files are not for users.
    with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_NUMBERS):
        return torch.load(path, map_location="cpu", weights_only=True)


def _imagenet_state(arch: str) -> dict[str, torch.Tensor]:
    """Reads an installed package, or torch's cache, after a download if need be.

    A file in the cache must have the SHA-256 whose start is in its name.
    """
    backbone = BACKBONES[arch]
    if backbone.imagenet_file:
        return _file_state(backbone.imagenet_file.find())
    imagenet_url = backbone.imagenet_url
    if imagenet_url is None:
        raise ReIDError(f"there are no ImageNet weights of {arch}: expected weights none, or a file of weights")
    url = imagenet_url()
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name
    digits = path.stem.rpartition("-")[2]
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), digits, progress=False)
        except (OSError, RuntimeError, ValueError) as error:  # no network, a full disk, or a wrong hash
            raise ReIDError(
                f"the ImageNet weights of {arch} cannot be fetched ({type(error).__name__}): download {url} elsewhere"
                f" and put it at {path}, or give that file as weights, or train from scratch with weights none"
            ) from error
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(digits):
        raise ReIDError(f"{path} is not the file of {url}: remove it, or give it as a file of weights if it is yours")
    return _file_state(path)


def _file_state(path: Path) -> dict[str, torch.Tensor]:
    """Returns the tensors of a checkpoint, from under the usual wrappers."""
    if not path.is_file():
        raise ReIDError(f"weights {path} do not exist: expected imagenet, none or a file of weights")
    try:
        state = read_tensors(path)
    except Exception as error:  # torch.load raises a dozen kinds for a broken, foreign or unsafe file
        raise ReIDError(f"weights {path} are no file of plain tensors: expected a PyTorch state dict") from error
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict):
        raise ReIDError(f"weights {path} contain a {type(state).__name__}: expected a PyTorch state dict")
    return {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}


def _load(network: nn.Module, arch: str, state: dict[str, torch.Tensor], source: str) -> None:
    """Loads a state dict whose names may carry any prefix (``module.``, ``base.``, ``backbone.``)."""
    expected = network.state_dict()
    first = next(iter(expected))
    prefixed = min((key for key in state if key.endswith(first)), key=len, default=None)
    if prefixed is None:
        names = f": {', '.join(list(state)[:3])}, ..." if state else ""
        raise ReIDError(f"{source} contain no {arch} (no {first} among {len(state)} tensors{names})")
    prefix = prefixed.removesuffix(first)
    loaded = {key: state[prefix + key] for key in expected if prefix + key in state}
    wrong = [
        key
        for key, value in expected.items()
        if not key.endswith("num_batches_tracked") and (key not in loaded or loaded[key].shape != value.shape)
    ]
    if wrong:
        raise ReIDError(f"{source} do not fit {arch}: {len(wrong)} of {len(expected)} tensors (first: {wrong[0]})")
    network.load_state_dict(loaded, strict=False)
