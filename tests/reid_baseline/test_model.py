"""BaselineNet: size, first weights, dropout; saved and read again."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reid_baseline import BACKBONES, RECIPES, BaselineNet, ReIDError, load_model, save_model


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
@pytest.mark.parametrize("last_stride", [1, 2])
def test_widths_of_features_and_logits(arch, last_stride):
    model = BaselineNet(arch, 3, last_stride=last_stride).eval()
    features = model(torch.zeros(2, 3, 64, 32))
    assert features.shape == (2, 512)
    assert model.logits(features).shape == (2, 3)


def test_dropout_acts_on_the_logits_in_training_only():
    model, features = BaselineNet("resnet18", 3), torch.ones(1, 512)
    assert not torch.equal(model.logits(features), model.logits(features))
    model.eval()
    assert torch.equal(model.logits(features), model.logits(features))


def test_a_saved_network_comes_back_and_a_foreign_file_does_not(tmp_path):
    recipe = replace(RECIPES["strong"], size=(32, 16))
    model = BaselineNet("resnet18", 3, neck="bn", last_stride=1).eval()
    save_model(tmp_path / "m.pt", model, recipe, [7, 9, 12])
    loaded, loaded_recipe = load_model(tmp_path / "m.pt")
    assert loaded_recipe == recipe
    images = torch.randn(2, 3, 32, 16)
    assert torch.equal(loaded(images), model(images))
    (tmp_path / "cut.pt").write_bytes((tmp_path / "m.pt").read_bytes()[:2000])
    (tmp_path / "empty.pt").touch()
    (tmp_path / "page.pt").write_text("<html>")
    torch.save({"format": "other"}, tmp_path / "other.pt")
    (tmp_path / "bomb.pt").write_bytes(pickle.dumps(Path))
    reasons = {"cut": "cut short", "empty": "is empty", "page": "web page", "bomb": "no file of plain tensors"}
    for name, reason in (reasons | {"other": "no trained baseline"}).items():
        with pytest.raises(ReIDError, match=f"{name}.pt.*{reason}"):
            load_model(tmp_path / f"{name}.pt")
    with pytest.raises(ReIDError, match="does not exist"):
        load_model(tmp_path / "absent.pt")


def test_a_saved_network_that_is_not_finite_is_refused_by_name(tmp_path, toy):
    model = BaselineNet(toy, 3)
    model.classifier.weight.data[0, 0] = torch.nan
    save_model(tmp_path / "m.pt", model, RECIPES["quick"], [7, 9, 12])
    with pytest.raises(ReIDError, match=r"m\.pt.*1 of \d+ tensors is not finite \(first: classifier\.weight\)"):
        load_model(tmp_path / "m.pt")


def test_a_saved_network_whose_backbone_is_unknown_here_is_one_clear_line(tmp_path, toy, monkeypatch):
    save_model(tmp_path / "m.pt", BaselineNet(toy, 3), RECIPES["quick"], [7, 9, 12])
    monkeypatch.delitem(BACKBONES, toy)
    with pytest.raises(ReIDError, match=r"m\.pt.*toy.*resnet50") as error:
        load_model(tmp_path / "m.pt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("pids",), [7] * 10**5, r"2 of \d+ tensors do not fit its own settings \(first: classifier\.weight"),
        (("pids",), "abc", "no trained baseline"),
        (("pids",), ["a", "b", "c"], "no trained baseline"),
        (("recipe", "size"), [10**5, 64], "size is .*4096 pixels"),
        (("recipe", "size"), 7, "size is 7"),
        (("recipe", "embedding"), 10**9, "embedding is 1000000000"),
        (("recipe", "embedding"), 90_000, "do not fit its own settings"),
        (("recipe", "neck"), torch.ones(2), "neck is no text"),
        (("recipe", "flip_test"), 7, "flip_test is 7"),
        (("recipe",), None, "no trained baseline"),
        (("arch",), 7, "no trained baseline"),
        (("state_dict",), {}, "do not fit its own settings"),
        (("state_dict", "classifier.weight"), torch.ones(3, 512, dtype=torch.int64), "first: classifier.weight"),
    ],
)
def test_a_saved_network_that_is_broken_is_one_clear_line(tmp_path, toy, keys, value, message):
    save_model(tmp_path / "m.pt", BaselineNet(toy, 3), RECIPES["quick"], [7, 9, 12])
    content = torch.load(tmp_path / "m.pt", weights_only=True)
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(ReIDError, match=f"m.pt.*{message}") as error:
        load_model(tmp_path / "m.pt")
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_flipped_bit_of_a_saved_network_and_a_pipe_are_refused(tmp_path, toy):
    save_model(tmp_path / "m.pt", BaselineNet(toy, 3), RECIPES["quick"], [7, 9, 12])
    content = bytearray((tmp_path / "m.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "m.pt").write_bytes(content)
    with pytest.raises(ReIDError, match=r"m\.pt is damaged, in its record"):
        load_model(tmp_path / "m.pt")
    (tmp_path / "m.pt").unlink()
    os.mkfifo(tmp_path / "m.pt")
    with pytest.raises(ReIDError, match=r"m\.pt is a pipe"):
        load_model(tmp_path / "m.pt")
