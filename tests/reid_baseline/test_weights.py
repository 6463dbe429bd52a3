"""Trained weights for a backbone: from files, good and bad, and of ImageNet."""

import hashlib
import os
import pickle
import re
import zipfile
from dataclasses import replace
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from reid_baseline import BACKBONES, BaselineNet, ReIDError, build_model


def same_backbone(model, network):
    state = network.state_dict()
    return all(torch.equal(value, state[key]) for key, value in model.backbone.state_dict().items())


@pytest.mark.parametrize(
    "pack",
    [
        lambda state: state,
        lambda state: (
            {f"module.base.{key}": value for key, value in state.items()} | {"head.weight": torch.zeros(9, 9)}
        ),
        lambda state: {"state_dict": {f"backbone.{key}": value for key, value in state.items()}, "epoch": 3},
        lambda state: {"model": {key: value for key, value in state.items() if not key.startswith("fc.")}},
        lambda state: {key: value for key, value in state.items() if "num_batches_tracked" not in key},
    ],
)
def test_weights_come_from_any_resnet_checkpoint(tmp_path, pack):
    network = torchvision.models.resnet18()
    network.fc = torch.nn.Linear(512, 17)
    torch.save(pack(network.state_dict()), tmp_path / "weights.pth")
    network.fc = torch.nn.Identity()
    assert same_backbone(build_model("resnet18", 5, tmp_path / "weights.pth"), network)


@pytest.mark.parametrize("arch", ["resnet18", "toy"])
def test_a_baseline_serves_as_weights(tmp_path, toy, arch):
    trained = BaselineNet(arch, 4)
    torch.save(trained.state_dict(), tmp_path / "weights.pth")
    assert same_backbone(build_model(arch, 5, str(tmp_path / "weights.pth")), trained.backbone)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("bomb-went-off",)


def test_bad_weights_are_one_clear_line(tmp_path, monkeypatch, toy):
    monkeypatch.chdir(tmp_path)

    def file(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        return path

    script = tmp_path / "script.pth"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)), script)
    resnet18 = file("resnet18.pth", torchvision.models.resnet18().state_dict())
    cases = [
        ("resnet50", tmp_path / "absent.pth", "not exist"),
        ("resnet50", tmp_path, "Is a directory"),
        ("resnet50", file("html.pth", b"\n<!DOCTYPE html><html>404</html>"), "is a web page"),
        ("resnet50", file("empty.pth", b""), "is empty"),
        ("resnet50", file("pointer.pth", b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        ("resnet50", file("cut.pth", b"PK\x05\x06" + bytes(18)), "cut short"),
        ("resnet50", file("text.pth", b"a line of text"), "no file of plain tensors"),
        ("resnet50", file("bomb.pth", pickle.dumps(Bomb())), "plain tensors"),
        ("resnet50", file("bomb-zip.pth", {"x": Bomb()}), "'posix.mkdir'.*state_dict"),
        ("resnet50", file("module.pth", torch.nn.Linear(1, 1)), r"'torch\.nn\.modules\.linear\.Linear'.*state_dict"),
        ("resnet50", script, "TorchScript.*state_dict"),
        ("resnet50", file("list.pth", [1, 2]), "list"),
        ("resnet50", file("other.pth", {"weight": torch.zeros(3)}), "no resnet50.*conv1.weight.*1 tensor"),
        ("resnet50", resnet18, r"not fit resnet50.*\d+ of \d+ tensors.*layer1"),
        (toy, resnet18, r"no toy.*stem.weight.*122 tensors.*conv1.weight"),
    ]
    for arch, path, words in cases:
        with pytest.raises(ReIDError, match=words) as error:
            build_model(arch, 2, path)
        assert path.name in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "bomb-went-off").exists()


@pytest.mark.parametrize(
    "layers",
    [
        {"layer1.0.se.fc.0.weight": torch.zeros(4, 64)},  # squeeze-and-excitation
        {"NL_2.0.g.weight": torch.zeros(256, 512, 1, 1), "NL_2.0.g.bias": torch.zeros(256)},  # non-local
        {"layer2.0.bn1.IN.weight": torch.zeros(64)},
    ],
)
@pytest.mark.parametrize("prefix", ["", "module.backbone."])
def test_layers_that_the_network_lacks_are_named(tmp_path, toy, layers, prefix):
    state = torchvision.models.resnet18().state_dict() | layers
    torch.save({prefix + name: tensor for name, tensor in state.items()}, tmp_path / "w.pth")
    first = next(iter(layers))
    words = rf"w\.pth.*{len(layers)} tensors? that resnet18 lacks \(first: {first}\)"
    with pytest.raises(ReIDError, match=words) as error:
        build_model("resnet18", 2, tmp_path / "w.pth")
    assert "\n" not in str(error.value)


def test_any_head_is_left_out(tmp_path):
    network = torchvision.models.resnet18()
    heads = {
        **{"fc.0.weight": torch.zeros(17, 512), "classifier.weight": torch.full((17, 512), torch.nan)},
        **{"bottleneck.running_mean": torch.zeros(512), "bottleneck.num_batches_tracked": torch.tensor(3)},
    }
    torch.save(network.state_dict() | heads, tmp_path / "w.pth")
    network.fc = torch.nn.Identity()
    assert same_backbone(build_model("resnet18", 5, tmp_path / "w.pth"), network)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_named(tmp_path, toy, value):
    trained = BaselineNet(toy, 4)
    trained.backbone.norm1.running_var[2] = value
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    with pytest.raises(ReIDError, match=r"w\.pth.*1 of \d+ tensors is not finite \(first: norm1\.running_var\)"):
        build_model(toy, 2, tmp_path / "w.pth")


def test_imagenet_weights_of_a_backbone_that_has_none_are_one_clear_line(toy):
    with pytest.raises(ReIDError, match=r"no ImageNet weights.*toy") as error:
        build_model(toy, 2, "imagenet")
    assert "\n" not in str(error.value)


def test_imagenet_weights_out_of_reach_say_which_file_and_where(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(ReIDError, match=r"resnet18-f37072fd\.pth") as error:
        build_model("resnet18", 2, "imagenet")
    assert str(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth") in str(error.value)
    assert "https://" in str(error.value) and "\n" not in str(error.value)


def test_imagenet_weights_in_the_cache_are_taken_if_they_are_those(tmp_path, monkeypatch):
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def cached(content):
        torch.save(content, tmp_path / "weights.pth")
        path = cache / f"resnet18-{hashlib.sha256((tmp_path / 'weights.pth').read_bytes()).hexdigest()[:8]}.pth"
        (tmp_path / "weights.pth").rename(path)
        entry = replace(BACKBONES["resnet18"], imagenet_url=lambda: f"https://weights/{path.name}")
        monkeypatch.setitem(BACKBONES, "resnet18", entry)
        return path

    network = torchvision.models.resnet18()
    path = cached(network.state_dict())
    network.fc = torch.nn.Identity()
    assert same_backbone(build_model("resnet18", 5, "imagenet"), network)
    for content in (b"", path.read_bytes()[:-1]):
        path.write_bytes(content)
        with pytest.raises(ReIDError, match=r"not the file.*https://weights"):
            build_model("resnet18", 5, "imagenet")
    cached({"x": Bomb()})
    with pytest.raises(ReIDError, match="state_dict"):
        build_model("resnet18", 5, "imagenet")


@pytest.mark.parametrize("module", ["core", "_core"])
def test_numbers_of_numpy_beside_the_tensors_are_read(tmp_path, module):
    network = torchvision.models.resnet18()
    content = {"net": network.state_dict(), "epoch": 60, "rank1": np.float32(0.88), "map": np.float64(0.7)}
    torch.save(content, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as old, zipfile.ZipFile(tmp_path / f"{module}.pth", "w") as new:
        for name in old.namelist():  # numpy 1 and 2 name their module differently
            data = old.read(name)
            new.writestr(name, re.sub(rb"numpy\._?core\.", b"numpy.%s." % module.encode(), data))
    network.fc = torch.nn.Identity()
    assert same_backbone(build_model("resnet18", 5, tmp_path / f"{module}.pth"), network)
