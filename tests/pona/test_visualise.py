"""A look inside a generator: attention as it is written in the paper, and a generator that does not notice."""

import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

import pona
from pona.errors import PoNAError
from pona.visualise import STRIDE, look_inside
from tests.factories import wake

SIZE = (32, 16)  # pixels; codes are 8 x 4


def make_generator(**changes: Any) -> pona.PoNAGenerator:
    return wake(pona.PoNAGenerator(width=8, blocks=2, **changes))


def make_inputs(batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (batch, 3, *SIZE), generator=random, dtype=torch.uint8)
    keypoints = torch.rand((2, batch, 18, 2), generator=random) * torch.tensor([SIZE[1] - 1, SIZE[0] - 1])
    return images, keypoints[0], keypoints[1]


def every_position(batch: int = 2) -> Tensor:
    """The pixels of the positions of a code, row by row."""
    y, x = torch.meshgrid(torch.arange(0, SIZE[0], STRIDE), torch.arange(0, SIZE[1], STRIDE), indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1).expand(batch, -1, -1)


def codes(generator: pona.PoNAGenerator) -> list[tuple[Tensor, Tensor]]:
    """The (image, pose) code before each block and after the last, by the forward pass written out."""
    images, conditions, targets = make_inputs()
    heat = [pona.render_heatmaps(keypoints, SIZE, generator.config.sigma) for keypoints in (conditions, targets)]
    passed = [(generator.image_encoder(images / 127.5 - 1), generator.pose_encoder(torch.cat(heat, dim=1)))]
    for block in generator.blocks:
        passed.append(block(*passed[-1]))
    return passed


@torch.no_grad()
def test_attention_is_softmax_of_query_and_key_and_moves_the_values() -> None:
    generator = make_generator()
    view = look_inside(generator, *make_inputs(), every_position())
    for block, seen, before, after in zip(
        generator.blocks, view.blocks, codes(generator)[:-1], codes(generator)[1:], strict=True
    ):
        attention = block.cross_attention
        image = before[0] + block.image_conv1(before[0])
        image = image + block.image_conv2(image)
        query, key, value = (
            layer(code).flatten(2)
            for layer, code in ((attention.query, after[1]), (attention.key, after[1]), (attention.value, image))
        )
        naive = torch.softmax(torch.einsum("bdq,bdk->bqk", query, key), dim=2)
        assert naive.max() > 2 * naive.min()  # no flat map
        torch.testing.assert_close(seen.attention.flatten(2), naive, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(seen.attention.sum(dim=(2, 3)), torch.ones(2, 32))
        added = torch.einsum("bqk,bck->bcq", seen.attention.flatten(2), value).unflatten(2, (8, 4))
        torch.testing.assert_close(seen.gamma * added + image, after[0], rtol=1e-4, atol=1e-5)
        share = (seen.gamma * added).abs().mean(dim=(1, 2, 3)) / image.abs().mean(dim=(1, 2, 3))
        torch.testing.assert_close(seen.change, share, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(seen.image, image.abs().mean(dim=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fusion", ["head", "middle", "tail", "none"])
@pytest.mark.parametrize("cross_attention", [True, False])
@torch.no_grad()
def test_features_are_mean_strengths_of_the_codes(fusion: str, cross_attention: bool) -> None:
    generator = make_generator(fusion=fusion, cross_attention=cross_attention)
    view = look_inside(generator, *make_inputs())
    passed = codes(generator)
    shown = [(view.image, view.pose), *((block.moved_image, block.pose) for block in view.blocks)]
    for features, expected in zip(shown, passed, strict=True):
        for feature, code in zip(features, expected, strict=True):
            assert feature.shape == (2, 8, 4)
            torch.testing.assert_close(feature, code.abs().mean(dim=1), rtol=1e-4, atol=1e-5)
    for block in view.blocks:
        assert (block.attention is None) == (block.gamma is None) == (not cross_attention)
        assert (block.change > 0).all() == cross_attention


def test_a_point_asks_for_the_nearest_position() -> None:
    generator, inputs = make_generator(), make_inputs()
    everywhere = look_inside(generator, *inputs, every_position()).blocks[0].attention
    points = torch.tensor([[[0, 0], [1, 1], [2, 0], [5, 6], [15, 31]]]).expand(2, -1, -1)
    maps = look_inside(generator, *inputs, points).blocks[0].attention
    for number, position in enumerate([0, 0, 1, 2 * 4 + 1, 7 * 4 + 3]):
        torch.testing.assert_close(maps[:, number], everywhere[:, position])


def test_the_generator_does_not_notice() -> None:
    generator, inputs = make_generator(), make_inputs()
    hook = generator.blocks[0].register_forward_hook(lambda *_: None)
    with pytest.raises((AttributeError, pickle.PicklingError)):  # a generator with a hook cannot be pickled
        pickle.dumps(generator)
    hook.remove()
    before = pona.generate_images(generator, *inputs, precision="fp32")
    state = {name: weight.clone() for name, weight in generator.state_dict().items()}
    view = look_inside(generator, *inputs, every_position())
    assert torch.equal(view.generated_images, before)
    assert torch.equal(pona.generate_images(generator, *inputs, precision="fp32"), before)
    assert all(torch.equal(weight, state[name]) for name, weight in generator.state_dict().items())
    pickle.dumps(generator)


def test_no_hook_stays_after_an_error() -> None:
    generator, (images, conditions, _) = make_generator(), make_inputs()
    with pytest.raises(PoNAError, match="keypoints have shape"):
        look_inside(generator, images, conditions, torch.zeros(2, 17, 2))
    pickle.dumps(generator)


@pytest.mark.parametrize("point", [(16, 0), (0, 32), (-1, 3)])
def test_a_point_outside(point: tuple[int, int]) -> None:
    message = rf"point {point[0]},{point[1]} .*x from 0 to 15 and y from 0 to 31"
    with pytest.raises(PoNAError, match=message):
        look_inside(make_generator(), *make_inputs(1), torch.tensor([[point]]))


def test_points_need_cross_attention() -> None:
    with pytest.raises(PoNAError, match="no cross attention"):
        look_inside(make_generator(cross_attention=False), *make_inputs(), every_position())
