"""Weights in torch's cache: what is not there is named, and nothing in a file runs."""

import pickle
import sys
from pathlib import Path

import pytest
import torch

from reidaug.scoring.metrics.metric import NotComputed
from reidaug.scoring.metrics.weights import find_weights

URL = "https://example.org/somewhere/network.pth"


def test_the_file_in_the_cache(weights_folder: Path) -> None:
    with pytest.raises(NotComputed, match=f"needs {URL}, put at {weights_folder}/network.pth"):
        find_weights(URL, "numpy")
    torch.save({"conv.weight": torch.zeros(1)}, weights_folder / "network.pth")
    assert find_weights(URL, "numpy") == weights_folder / "network.pth"


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch, weights_folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(NotComputed, match=r"needs torch-fidelity: pip install 'reidaug\[metrics\]'"):
        find_weights(URL, "torch_fidelity")


def test_weights_with_code_in_them_are_refused(weights_folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(weights_folder / "ran"),)

    (weights_folder / "network.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(NotComputed, match=rf"is no file of plain tensors.*{URL}"):
        find_weights(URL, "numpy")
    assert not (weights_folder / "ran").exists()
