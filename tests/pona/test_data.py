"""Training data: what a batch holds, and what is refused."""

import pytest
import torch

from pona import PoNAError, PoseImages
from pona.data import draw_colors, draw_pairs, make_batch, to_float, to_uint8
from pona.keypoints import flip_keypoints
from tests.factories import small_data


def test_uint8_survives_the_way_to_float_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert to_float(values).min() == -1
    assert to_float(values).max() == 1
    assert torch.equal(to_uint8(to_float(values)), values)
    assert to_uint8(torch.tensor([-1.5, 1.5])).tolist() == [0, 255]


def test_batch_holds_the_pairs() -> None:
    data = small_data()
    pairs = torch.tensor([[0, 3], [4, 1], [2, 0]])
    batch = make_batch(data, pairs)
    assert torch.equal(to_uint8(batch.condition_image), data.images[[0, 4, 2]])
    assert torch.equal(to_uint8(batch.target_image), data.images[[3, 1, 0]])
    assert torch.equal(batch.condition_keypoints.nan_to_num(-9), data.keypoints[[0, 4, 2]].nan_to_num(-9))
    assert torch.equal(batch.target_keypoints.nan_to_num(-9), data.keypoints[[3, 1, 0]].nan_to_num(-9))


def test_flip_mirrors_both_images_and_swaps_sides() -> None:
    data = small_data()
    batch = make_batch(data, torch.tensor([[0, 3], [4, 1]]), flip=torch.tensor([True, False]))
    mirrored = flip_keypoints(data.keypoints, 8)
    assert torch.equal(to_uint8(batch.condition_image), torch.stack([data.images[0].flip(2), data.images[4]]))
    assert torch.equal(to_uint8(batch.target_image), torch.stack([data.images[3].flip(2), data.images[1]]))
    assert torch.equal(batch.condition_keypoints[0].nan_to_num(-9), mirrored[0].nan_to_num(-9))
    assert torch.equal(batch.target_keypoints, torch.stack([mirrored[3], data.keypoints[1]]))


def test_colors_change_alike_in_both_images_of_a_pair() -> None:
    data = small_data()
    colors = draw_colors(2, 0.3, torch.Generator().manual_seed(0))
    batch = make_batch(data, torch.tensor([[0, 3], [4, 1]]), colors=colors)
    for images, rows in ((batch.condition_image, (0, 4)), (batch.target_image, (3, 1))):
        for index, row in enumerate(rows):
            matrix, offset = colors[index, :, :3], colors[index, :, 3:]
            expected = (matrix @ to_float(data.images[row]).flatten(1) + offset).clamp(-1, 1).view(3, 16, 8)
            assert torch.allclose(images[index], expected, atol=1e-6)
            assert not torch.allclose(images[index], to_float(data.images[row]), atol=0.1)


def test_no_strength_changes_no_colour() -> None:
    identity = torch.cat((torch.eye(3), torch.zeros(3, 1)), dim=1)
    assert torch.allclose(draw_colors(5, 0.0, torch.Generator()), identity.expand(5, 3, 4), atol=1e-6)


def test_jitter_stays_within_its_strength() -> None:
    """Grey stays grey, black stays black but for contrast, and a colour's distance from grey is turned and scaled."""
    matrix, offset = draw_colors(2_000, 0.25, torch.Generator().manual_seed(0)).split((3, 1), dim=2)
    gain, grey = 1 + offset[:, 0, 0], matrix @ torch.ones(3)
    assert torch.allclose(grey, grey[:, :1].expand(-1, 3), atol=1e-5)
    contrast = grey[:, 0] / gain
    red = matrix @ torch.tensor([2 / 3, -1 / 3, -1 / 3])  # red without its grey
    saturation = red.norm(dim=1) / (2 / 3) ** 0.5 / grey[:, 0]
    assert torch.allclose(red.sum(dim=1), torch.zeros(2_000), atol=1e-5)
    for share in (gain, contrast, saturation):
        assert 0.75 <= share.min() < 0.76
        assert 1.24 < share.max() <= 1.2501
    turned = torch.rad2deg(torch.acos(red[:, 0] / red.norm(dim=1) / (2 / 3) ** 0.5))
    assert 44 < turned.max() <= 45.01


def test_a_turn_of_120_degrees_makes_red_green() -> None:
    colors = draw_colors(20_000, 1.0, torch.Generator().manual_seed(0))
    turned = (colors[:, :, :3] / (colors[:, :, :3] @ torch.ones(3, 1))) @ torch.tensor([2 / 3, -1 / 3, -1 / 3])
    turned = turned / turned.norm(dim=1, keepdim=True) * (2 / 3) ** 0.5
    green = torch.tensor([-1 / 3, 2 / 3, -1 / 3])
    assert (turned - green).abs().amax(dim=1).min() < 0.01


def test_drawn_pairs_are_pairs_of_the_data_and_follow_the_seed() -> None:
    data = small_data()
    drawn = [draw_pairs(data, 500, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert {tuple(pair) for pair in drawn[0].tolist()} == {tuple(pair) for pair in data.pairs.tolist()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(6, 3, 16, 8)}, "uint8"),
        ({"images": torch.zeros(6, 16, 8, 3, dtype=torch.uint8)}, "uint8"),
        ({"images": torch.zeros(6, 3, 15, 8, dtype=torch.uint8)}, "4 divides"),
        ({"keypoints": torch.zeros(6, 17, 2)}, "18"),
        ({"keypoints": torch.zeros(5, 18, 2)}, "18"),
        ({"pairs": torch.zeros(0, 2, dtype=torch.int64)}, "no pairs"),
        ({"pairs": torch.tensor([[0, 6]])}, "rows 0 to 5"),
        ({"pairs": torch.tensor([[-1, 2]])}, "rows 0 to 5"),
        ({"pairs": torch.tensor([0, 1])}, "int64"),
    ],
)
def test_wrong_data_is_refused(change: dict[str, torch.Tensor], message: str) -> None:
    data = small_data()
    fields = {"images": data.images, "keypoints": data.keypoints, "pairs": data.pairs}
    with pytest.raises(PoNAError, match=message):
        PoseImages(**(fields | change))
