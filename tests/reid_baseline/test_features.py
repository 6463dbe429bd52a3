"""Features of images: both mirrorings, folded norms, batches, precision."""

import pytest
import torch

from reid_baseline import RECIPES, BaselineNet, ReIDError, extract_features
from tests.reid_baseline.factories import TINY, random_images, unfolded_features


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return BaselineNet("resnet18", 3)


def test_features_are_the_sum_over_both_mirrorings_at_length_one(model):
    images = random_images()
    features = extract_features(model, images, TINY, "cpu", precision="fp32")
    torch.testing.assert_close(features, unfolded_features(model, images))
    assert features.shape == (5, 512) and features.dtype == torch.float32
    torch.testing.assert_close(features.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(features, extract_features(model, images.flip(3), TINY, "cpu", precision="fp32"))


class ActivatedNorm(torch.nn.BatchNorm2d):
    def forward(self, maps):
        return super().forward(maps).relu()


def test_a_norm_with_an_activation_is_not_folded():
    torch.manual_seed(0)
    network = BaselineNet("resnet18", 3).eval()
    network.backbone.bn1.__class__ = ActivatedNorm
    network.backbone.relu = torch.nn.Identity()  # of the stem, after bn1
    features = extract_features(network, random_images(), TINY, "cpu", precision="fp32")
    torch.testing.assert_close(features, unfolded_features(network, random_images()), atol=1e-5, rtol=0)


def test_batch_size_changes_nothing_and_progress_counts(model):
    calls, images = [], random_images()
    one = extract_features(model, images, TINY, "cpu", lambda *call: calls.append(call), batch_size=2)
    assert calls == [(2, 5), (4, 5), (5, 5)]
    torch.testing.assert_close(one, extract_features(model, images, TINY, "cpu", batch_size=5), atol=5e-3, rtol=0)


def test_bfloat16_is_close_to_float32(model):
    low, high = (extract_features(model, random_images(), TINY, "cpu", precision=name) for name in ("bf16", "fp32"))
    assert (low * high).sum(1).min() > 0.999
    assert not torch.equal(low, high)


def test_images_of_another_size_are_refused(model):
    with pytest.raises(ReIDError, match=r"quick.*\(N, 3, 128, 64\)"):
        extract_features(model, random_images(), RECIPES["quick"], "cpu")
    with pytest.raises(ReIDError, match=r"\(0, 3, 32, 16\)"):
        extract_features(model, random_images()[:0], TINY, "cpu")
