"""BaselineNet: size and first weights; weights from files, good and bad."""

import hashlib
import os
import pickle
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from reid_baseline import RECIPES, BaselineNet, ReIDError, build_model, load_model, save_model


@pytest.fixture(autouse=True)
def one_thread():
    """Batches this small are slower on two threads, and very much so beside another busy process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_resnet50_has_the_baseline_size_and_first_weights():
    torch.manual_seed(0)
    model = BaselineNet("resnet50", 751)
    # torchvision's ResNet-50 without its classifier, Linear 2048 -> 512, BN, Linear 512 -> 751
    assert sum(p.numel() for p in model.parameters()) == 25_557_032 - 2_049_000 + 1_049_088 + 1_024 + 385_263
    assert model.reduce.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)  # kaiming, fan_out
    assert model.norm.weight.std().item() == pytest.approx(0.02, rel=0.15)
    assert model.classifier.weight.std().item() == pytest.approx(1e-3, rel=0.02)
    assert not model.reduce.bias.any() and not model.classifier.bias.any()


@pytest.mark.parametrize("arch", ["resnet50", "resnet18"])
@pytest.mark.parametrize(("last_stride", "side"), [(2, (2, 1)), (1, (4, 2))])
def test_last_stride_sets_the_last_map(arch, last_stride, side):
    model = BaselineNet(arch, 3, last_stride=last_stride).eval()
    shapes = []
    model.backbone.layer4.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[2:]))
    features = model(torch.zeros(2, 3, 64, 32))
    assert shapes == [side]
    assert features.shape == (2, 512)
    assert model.logits(features).shape == (2, 3)


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_layout_of_the_last_stage_changes_no_result(arch):
    torch.manual_seed(0)
    model, images = BaselineNet(arch, 3).eval(), torch.rand(2, 3, 64, 32)
    formats, layer4 = [], model.backbone.layer4
    layer4[0].conv2.register_forward_pre_hook(lambda _, inputs: formats.append(inputs[0].is_contiguous()))
    with torch.no_grad():
        plain = model(images)
        laid_out = model.lay_out(torch.device("cpu"), "fp32")(images.to(memory_format=torch.channels_last))
        everywhere = model.to(memory_format=torch.channels_last)(images)
    assert formats == [True, True, False]
    torch.testing.assert_close(laid_out, plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(everywhere, plain, atol=1e-4, rtol=1e-4)


def test_dropout_acts_on_the_logits_in_training_only():
    model, features = BaselineNet("resnet18", 3), torch.ones(1, 512)
    assert not torch.equal(model.logits(features), model.logits(features))
    model.eval()
    assert torch.equal(model.logits(features), model.logits(features))


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


def test_an_own_model_serves_as_weights(tmp_path):
    trained = BaselineNet("resnet18", 4)
    torch.save(trained.state_dict(), tmp_path / "weights.pth")
    assert same_backbone(build_model("resnet18", 5, str(tmp_path / "weights.pth")), trained.backbone)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("bomb-went-off",)


def test_bad_weights_are_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def file(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        return path

    resnet18 = torchvision.models.resnet18().state_dict()
    cases = [
        (tmp_path / "absent.pth", "do not exist"),
        (file("html.pth", b"<html>404</html>"), "no file of plain tensors"),
        (file("empty.pth", b""), "no file of plain tensors"),
        (file("bomb.pth", pickle.dumps(Bomb())), "no file of plain tensors"),
        (file("bomb-zip.pth", {"x": Bomb()}), "no file of plain tensors"),
        (file("list.pth", [1, 2]), "hold a list"),
        (file("other.pth", {"weight": torch.zeros(3)}), "no ResNet"),
        (file("resnet18.pth", resnet18), r"do not fit resnet50: \d+ of \d+ tensors .*first: layer1"),
    ]
    for path, message in cases:
        with pytest.raises(ReIDError, match=message) as error:
            build_model("resnet50", 2, path)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "bomb-went-off").exists()
    with pytest.raises(ReIDError, match="resnet101"):
        build_model("resnet101", 2)


def test_imagenet_weights_out_of_reach_say_which_file_and_where(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(ReIDError, match=r"resnet18-f37072fd\.pth elsewhere") as error:
        build_model("resnet18", 2, "imagenet")
    assert str(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth") in str(error.value)
    assert "\n" not in str(error.value)


def test_imagenet_weights_in_the_cache_are_taken_if_they_are_those(tmp_path, monkeypatch):
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def cached(content):
        torch.save(content, tmp_path / "made.pth")
        path = cache / f"resnet18-{hashlib.sha256((tmp_path / 'made.pth').read_bytes()).hexdigest()[:8]}.pth"
        (tmp_path / "made.pth").rename(path)
        entry = SimpleNamespace(url=f"https://weights/{path.name}")
        monkeypatch.setattr(torchvision.models, "get_model_weights", lambda arch: {"IMAGENET1K_V1": entry})
        return path

    network = torchvision.models.resnet18()
    path = cached(network.state_dict())
    network.fc = torch.nn.Identity()
    assert same_backbone(build_model("resnet18", 5, "imagenet"), network)
    for content in (b"", path.read_bytes()[:-1]):
        path.write_bytes(content)
        with pytest.raises(ReIDError, match="is not the file of https://weights"):
            build_model("resnet18", 5, "imagenet")
    cached({"x": Bomb()})
    with pytest.raises(ReIDError, match="no file of plain tensors"):
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


def test_a_saved_network_comes_back_and_a_foreign_file_does_not(tmp_path):
    recipe = replace(RECIPES["strong"], size=(32, 16))
    model = BaselineNet("resnet18", 3, neck="bn", last_stride=1).eval()
    save_model(tmp_path / "m.pt", model, recipe, [7, 9, 12])
    loaded, its_recipe = load_model(tmp_path / "m.pt")
    assert its_recipe == recipe
    images = torch.randn(2, 3, 32, 16)
    assert torch.equal(loaded(images), model(images))
    (tmp_path / "cut.pt").write_bytes((tmp_path / "m.pt").read_bytes()[:2000])
    torch.save({"format": "other"}, tmp_path / "other.pt")
    (tmp_path / "bomb.pt").write_bytes(pickle.dumps(Path))
    for name in ("cut", "other", "bomb"):
        with pytest.raises(ReIDError, match=f"{name}.pt is no trained baseline"):
            load_model(tmp_path / f"{name}.pt")
    with pytest.raises(ReIDError, match="does not exist"):
        load_model(tmp_path / "absent.pt")
