"""Weights of published networks, in torch's cache. They come with no package and are not fetched here."""

from importlib.util import find_spec
from pathlib import Path

from reidaug.scoring.metrics.metric import NotComputed


def find_weights(url: str, package: str) -> Path:
    """The file of a network's weights; it holds nothing but tensors, so that reading it runs nothing.

    Args:
        url: where it can be fetched.
        package: what reads it.

    Raises:
        NotComputed: the package is not installed, or the file is not in the cache or holds anything else.
    """
    import torch

    from pona.checkpoint import read_torch
    from pona.errors import PoNAError

    if find_spec(package) is None:
        raise NotComputed(f"needs {package.replace('_', '-')}: pip install 'reidaug[metrics]'")
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        raise NotComputed(f"needs {url}, put at {path}")
    try:
        read_torch(path)
    except PoNAError as error:
        raise NotComputed(f"{error}, from {url}") from None
    return path
