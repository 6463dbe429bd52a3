"""Trained weights for a backbone, from a file or of ImageNet; nothing in a file is run."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from reid_baseline.backbones import find_backbone
from reid_baseline.errors import ReIDError
from reid_baseline.torch_reader import UnreadableFile, check_regular, fits, load_tensors

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")  # keys under which re-ID code saves the tensors


def load_weights(network: nn.Module, arch: str, weights: str | Path) -> None:
    """Loads trained weights into a backbone.

    Args:
        network: the backbone.
        arch: its name, as `find_backbone` takes it.
        weights: "imagenet", or a file: see `reid_baseline.build_model`.

    Raises:
        ReIDError: weights that are not available, are no plain tensors, are of another network (also of one with more
            layers), or are not finite.
    """
    if weights == "imagenet":
        state, source = _imagenet_state(arch), f"the ImageNet weights of {arch}"
    else:
        state, source = _file_state(Path(weights)), f"weights {weights}"
    backbone = find_backbone(arch)
    try:
        state = backbone.convert(_without_prefix(state, network), network)
    except Exception:  # of timm, for tensors that its models do not have
        raise ReIDError(f"{source} do not fit {arch}: give weights of this network") from None
    _load(network, arch, state, source)


def read_tensors(path: Path, what: str) -> Any:
    """Reads a file of tensors, numbers and containers of them.

    Args:
        path: the file.
        what: its name in messages.

    Raises:
        ReIDError: anything else; the message says what it is.
    """
    try:
        return load_tensors(path)
    except OSError as error:
        raise ReIDError(f"{what} {path}: {error.strerror or error}; give a file that can be read") from None
    except UnreadableFile as error:
        raise ReIDError(f"{what} {path} {error}") from None


def check_finite(state: Mapping[str, torch.Tensor], what: str) -> None:
    """Raises ReIDError if a tensor holds NaN or infinity; `what` is the start of the message."""
    if bad := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        are = "is" if len(bad) == 1 else "are"
        raise ReIDError(
            f"{what}: {len(bad)} of {len(state)} tensors {are} not finite (first: {bad[0]}): get the file again, or"
            " train the network again"
        )


def _imagenet_state(arch: str) -> dict[str, torch.Tensor]:
    """Reads an installed package, or torch's cache, after a download if need be.

    A file in the cache must have the SHA-256 whose start is in its name.
    """
    backbone = find_backbone(arch)
    if backbone.imagenet_state:
        return backbone.imagenet_state()
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
    if not path.exists():
        raise ReIDError(f"weights {path} do not exist: expected imagenet, none or a file of weights")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else read_tensors(path, "weights")
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict):
        raise ReIDError(f"weights {path} contain a {type(state).__name__}: expected a PyTorch state dict")
    return {key: value for key, value in state.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        check_regular(path)
    except UnreadableFile as error:
        raise ReIDError(f"weights {path} {error}") from None
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise ReIDError(f"weights {path} need safetensors to be read: pip install safetensors") from None
    try:
        return load_file(path)
    except Exception as error:  # of an own kind for what is broken
        reason = str(error).splitlines()[0]
        raise ReIDError(f"weights {path} are no safetensors file, or damaged ({reason}): get the file again") from None


def _load(network: nn.Module, arch: str, state: dict[str, torch.Tensor], source: str) -> None:
    """Loads a state dict whose names may still carry a prefix."""
    expected = network.state_dict()
    state = _without_prefix(state, network)
    first = next(iter(expected))
    if first not in state:
        names = f": {', '.join(list(state)[:3])}, ..." if state else ""
        raise ReIDError(f"{source} contain no {arch} (no {first} among {len(state)} tensors{names})")
    loaded = {key: state[key] for key in expected if key in state}
    wrong = [
        key
        for key, value in expected.items()
        if not key.endswith("num_batches_tracked") and not fits(value, loaded.get(key))
    ]
    if wrong:
        raise ReIDError(f"{source} do not fit {arch}: {len(wrong)} of {len(expected)} tensors (first: {wrong[0]})")
    if extra := _layers_it_lacks(expected, state):
        raise ReIDError(
            f"{source} have {len(extra)} tensor{'s' * (len(extra) > 1)} that {arch} lacks (first: {extra[0]}), such as"
            " squeeze-and-excitation and non-local layers have: the rest is no network without them, take weights of a"
            f" plain {arch}, or remove these tensors if they are of a head"
        )
    check_finite(loaded, source)
    network.load_state_dict(loaded, strict=False)


def _without_prefix(state: dict[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """Takes any prefix off (``module.``, ``base.``, ``backbone.``); what lies beside it is left out."""
    first = next(iter(network.state_dict()))
    prefix = min((key for key in state if f".{key}".endswith(f".{first}")), key=len, default=first).removesuffix(first)
    return {key[len(prefix) :]: tensor for key, tensor in state.items() if key.startswith(prefix)}


def _layers_it_lacks(expected: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> list[str]:
    """The names of tensors within the network, or of convolutions beside it; other layers beside it are a head."""
    parts = {name.partition(".")[0] for name in expected}
    unknown = {name: tensor for name, tensor in given.items() if name not in expected}
    beside = {name.partition(".")[0] for name, tensor in unknown.items() if tensor.ndim > 2}
    return [name for name in unknown if name.partition(".")[0] in parts | beside]
