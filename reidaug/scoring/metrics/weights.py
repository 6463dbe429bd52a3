"""Weights of published networks in torch's cache; no package brings them, and they are not downloaded."""

from importlib.util import find_spec
from pathlib import Path

from reidaug.scoring.metrics.metric import NotComputed


def find_weights(url: str, package: str) -> Path:
    """The file of a network's weights; it holds only tensors, so reading it runs no code.

    Args:
        url: where to download it.
        package: the package that reads it.

    Raises:
        NotComputed: the package is not installed, or the file is not in the cache or holds anything but tensors.
    """
    import torch

    from pona.errors import PoNAError
    from pona.torch_file import read_torch

    if find_spec(package) is None:
        raise NotComputed(f"needs {package.replace('_', '-')}: pip install 'reidaug[metrics]'")
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        raise NotComputed(f"needs {url}, put at {path}: `reidaug fetch` does so")
    try:
        read_torch(path, "file of weights")
    except PoNAError as error:
        raise NotComputed(f"{error}, from {url}") from None
    return path
