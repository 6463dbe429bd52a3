"""The image pool does in one indexing what its definition does one image at a time."""

import pytest
import torch

from pona.errors import PoNAError
from pona.image_pool import ImagePool


class PoolByDefinition:
    """Shrivastava et al.: each image in its turn is kept, or swapped for an older one, or passed on."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.kept = size, list[torch.Tensor]()
        self.random = torch.Generator().manual_seed(seed)

    def query(self, images: torch.Tensor) -> torch.Tensor:
        answer = []
        for image in images:
            if len(self.kept) < self.size:
                self.kept.append(image)
            elif torch.rand((), generator=self.random) < 0.5:
                slot = int(torch.randint(self.size, (), generator=self.random))
                image, self.kept[slot] = self.kept[slot], image
            answer.append(image)
        return torch.stack(answer)


@pytest.mark.parametrize(("size", "batch"), [(1, 4), (3, 8), (6, 4), (50, 4)])
def test_same_answers_as_one_image_at_a_time(size: int, batch: int) -> None:
    pool, definition = ImagePool(size, seed=3), PoolByDefinition(size, seed=3)
    numbers = torch.arange(20 * batch, dtype=torch.float32).view(20, batch, 1, 1, 1).expand(-1, -1, 2, 3, 3)
    for images in numbers:
        assert torch.equal(pool.query(images), definition.query(images))


@pytest.mark.parametrize("before", [1, 5])  # batches: not yet full, and full
def test_goes_on_from_its_state(before: int) -> None:
    images = torch.randn(8, 4, 2, 3, 3)
    whole, cut, resumed = ImagePool(6, seed=1), ImagePool(6, seed=1), ImagePool(6, seed=99)
    for batch in images[:before]:
        whole.query(batch)
        cut.query(batch)
    resumed.load_state_dict(cut.state_dict(), torch.device("cpu"))
    for batch in images[before:]:
        assert torch.equal(whole.query(batch), resumed.query(batch))


def test_pool_of_none_gives_back_what_it_gets() -> None:
    images = torch.randn(4, 2, 3, 3)
    assert ImagePool(0).query(images) is images


def test_answers_carry_no_gradient_and_keep_channels_last() -> None:
    images = torch.randn(4, 2, 3, 3, requires_grad=True).contiguous(memory_format=torch.channels_last)
    answer = ImagePool(6).query(images)
    assert not answer.requires_grad and answer.is_contiguous(memory_format=torch.channels_last)


def numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count).float().view(-1, 1, 1, 1)


def test_pool_fills_first_and_then_answers_half_with_old_ones() -> None:
    pool = ImagePool(50, seed=0)
    assert torch.equal(pool.query(numbered(0, 50)), numbered(0, 50))
    answer = pool.query(numbered(50, 1000)).flatten()
    fresh = (answer == torch.arange(50, 1050)).float().mean().item()
    assert fresh == pytest.approx(0.5, abs=0.06)
    assert len(set(answer.tolist())) == 1000  # an old one leaves the pool when it is given out


def test_the_state_of_another_pool_is_refused() -> None:
    pool = ImagePool(2)
    pool.query(torch.zeros(2, 3, 4, 4))
    state = pool.state_dict()
    broken = torch.full((2, 3, 4, 4), torch.nan)
    for kept in (torch.zeros(3, 3, 4, 4), torch.zeros(2, 3, 4), torch.zeros(0, 3, 4, 4), broken):
        with pytest.raises(ValueError, match="of a pool of 2"):
            pool.load_state_dict({**state, "kept": kept}, torch.device("cpu"))
    for other in (torch.zeros(2, 5, 4, 4), torch.zeros(2, 3, 4, 4).double()):
        pool.load_state_dict({**state, "kept": other}, torch.device("cpu"))
        with pytest.raises(PoNAError, match=r"delete the state of this training \(\.last\)"):
            pool.query(torch.zeros(2, 3, 4, 4))
