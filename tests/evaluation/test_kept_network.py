"""Kept networks in other programs."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from reid_baseline import BACKBONES, RECIPES, Backbone, build_model, save_model
from reidaug.core.errors import ReidAugError
from reidaug.evaluation.kept_network import export_network
from tests.cli.commands import error_of, values_of
from tests.factories import SmallBackbone


def kept(path: Path, arch: str = "resnet18") -> Path:
    model = build_model(arch, 6, **RECIPES["quick"].network())
    torch.nn.init.uniform_(model.backbone.get_parameter(next(iter(model.backbone.state_dict()))))
    save_model(path, model, RECIPES["quick"], range(1, 7))
    return path


def load_as_torchreid(network: torch.nn.Module, path: Path) -> tuple[list[str], list[str]]:
    """`load_pretrained_weights`: tensors under `state_dict` or alone, no `module.`, what does not fit is left.

    Returns:
        The names that were taken, and those that were not.
    """
    content = torch.load(path, map_location="cpu")
    given: Mapping[str, torch.Tensor] = content.get("state_dict", content)
    state, taken, left = network.state_dict(), [], []
    for name, tensor in given.items():
        own = name.removeprefix("module.")
        fits = own in state and state[own].shape == tensor.shape
        (taken if fits else left).append(own)
        state |= {own: tensor} if fits else {}
    network.load_state_dict(state)
    return taken, left


@pytest.mark.parametrize("tool", ["torchreid", "torchvision"])
def test_a_resnet_opens_with_all_its_layers(tool: str, tmp_path: Path) -> None:
    values = values_of("export", str(kept(tmp_path / "KEY.pt")), str(tmp_path / "net.pth"), "--for", tool)
    assert (values["arch"], values["image_size"]) == ("resnet18", "128x64")
    network = torchvision.models.resnet18(num_classes=6).eval()  # torchreid's has these names too, and a classifier
    taken, left = load_as_torchreid(network, tmp_path / "net.pth")
    assert left == [] and {name for name in network.state_dict() if not name.startswith("fc.")} == set(taken)
    missing, unexpected = network.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True), strict=False)
    assert unexpected == [] and sorted(missing) == ["fc.bias", "fc.weight"]
    model = torch.load(tmp_path / "KEY.pt", weights_only=True)["state_dict"]
    assert all(torch.equal(model[f"backbone.{name}"], network.state_dict()[name]) for name in taken)
    command = shlex.split(values["type"])
    assert command[:2] == ["python", "-c"] and str(tmp_path / "net.pth") in command[2] and tool in command[2]
    compile(command[2], "typed", "exec")


def test_it_does_in_torchvision_what_it_did_here(tmp_path: Path) -> None:
    model = build_model("resnet18", 6, last_stride=2).eval()
    save_model(tmp_path / "KEY.pt", model, replace(RECIPES["quick"], last_stride=2), range(1, 7))
    export_network(tmp_path / "KEY.pt", tmp_path / "net.pth", "torchvision")
    network = torchvision.models.resnet18().eval()
    network.load_state_dict(torch.load(tmp_path / "net.pth"), strict=False)
    network.fc = torch.nn.Identity()
    images = torch.rand(2, 3, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), model.backbone(images), atol=1e-5, rtol=1e-4)


def test_what_no_other_program_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "small", Backbone(SmallBackbone))
    with pytest.raises(ReidAugError, match="is a small, which torchreid does not have"):
        export_network(kept(tmp_path / "small.pt", "small"), tmp_path / "net.pth", "torchreid")
    assert "takes images; a network can be written for torchreid or torchvision" in error_of(
        "export", str(tmp_path / "small.pt"), str(tmp_path / "net.pth"), "--for", "layumi"
    )
    (tmp_path / "other.pt").write_bytes(b"no network")
    assert "other.pt" in error_of("export", str(tmp_path / "other.pt"), str(tmp_path / "x.pth"), "--for", "torchreid")
    assert not (tmp_path / "net.pth").exists()


def test_another_file_is_not_replaced(tmp_path: Path) -> None:
    path = kept(tmp_path / "KEY.pt")
    for _ in range(2):
        export_network(path, tmp_path / "net.pth", "torchreid")
    with pytest.raises(ReidAugError, match="is there already with other content"):
        export_network(kept(tmp_path / "other.pt"), tmp_path / "net.pth", "torchreid")
