"""Features of images, and how long it will take."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from reid_baseline import RECIPES, BaselineNet, ReIDError, estimate, estimate_seconds, extract_features
from reid_baseline.augmentation import normalise

SMALL = replace(RECIPES["quick"], size=(32, 16))


@pytest.fixture(autouse=True)
def one_thread():
    """Batches this small are slower on two threads, and very much so beside another busy process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return BaselineNet("resnet18", 3)


def images(count=5):
    return torch.randint(256, (count, 3, 32, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_features_are_the_sum_over_both_mirrorings_at_length_one(model):
    features = extract_features(model, images(), SMALL, "cpu", precision="fp32")
    with torch.no_grad():
        expected = F.normalize(model.eval()(normalise(images())) + model(normalise(images().flip(3))))
    torch.testing.assert_close(features, expected)
    assert features.shape == (5, 512) and features.dtype == torch.float32
    torch.testing.assert_close(features.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(features, extract_features(model, images().flip(3), SMALL, "cpu", precision="fp32"))


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_folding_the_norms_changes_features_by_rounding_only(arch):
    torch.manual_seed(0)
    network = BaselineNet(arch, 3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    features = extract_features(network, images(), SMALL, "cpu", precision="fp32")
    with torch.no_grad():
        expected = F.normalize(network(normalise(images())) + network(normalise(images().flip(3))))
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_batch_size_changes_nothing_and_progress_counts(model):
    calls = []
    one = extract_features(model, images(), SMALL, "cpu", lambda *call: calls.append(call), batch_size=2)
    assert calls == [(2, 5), (4, 5), (5, 5)]
    torch.testing.assert_close(one, extract_features(model, images(), SMALL, "cpu", batch_size=5), atol=5e-3, rtol=0)


def test_bfloat16_is_close_to_float32(model):
    low, high = (extract_features(model, images(), SMALL, "cpu", precision=name) for name in ("bf16", "fp32"))
    assert (low * high).sum(1).min() > 0.999
    assert not torch.equal(low, high)


def test_images_of_another_size_are_refused(model):
    with pytest.raises(ReIDError, match=r"recipe quick expects \(N, 3, 128, 64\)"):
        extract_features(model, images(), RECIPES["quick"], "cpu")
    with pytest.raises(ReIDError, match=r"images are \(0, 3, 32, 16\)"):
        extract_features(model, images()[:0], SMALL, "cpu")


def test_the_estimate_counts_steps_and_test_batches(monkeypatch):
    monkeypatch.setattr(estimate, "_seconds", lambda function: function() or 2.0)
    recipe = replace(SMALL, epochs=5, batch_size=8)
    estimate._paces.cache_clear()
    options = {"images": 100, "num_classes": 10, "arch": "resnet18", "device": "cpu"}
    assert estimate_seconds(recipe, **options) == 5 * 12 * 2.0
    assert estimate_seconds(recipe, **options, test_images=40) == 5 * 12 * 2.0 + 40 / 8 * 2.0


def test_a_pace_is_measured_once(monkeypatch):
    timed = []
    monkeypatch.setattr(estimate, "_seconds", lambda function: timed.append(function) or 1.0)
    recipe = replace(SMALL, epochs=3, batch_size=8)
    estimate._paces.cache_clear()
    options = {"num_classes": 10, "arch": "resnet18", "device": "cpu"}
    assert [estimate_seconds(recipe, images=images, **options) for images in (8, 80)] == [3.0, 30.0]
    assert len(timed) == 2  # a step and a test batch


def test_the_estimate_leaves_the_random_state_alone():
    state = torch.get_rng_state()
    recipe = replace(SMALL, batch_size=4)
    assert estimate_seconds(recipe, images=4, num_classes=2, arch="resnet18", device="cpu") > 0
    assert torch.equal(torch.get_rng_state(), state)
