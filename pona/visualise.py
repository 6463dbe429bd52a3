"""A look inside a generator: its features after each block, and where its cross attention looks (Figure 13)."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pona.errors import PoNAError
from pona.generate import generate_images
from pona.generator import PoNAGenerator

STRIDE = 4  # pixels from place to place of a code: place i lies on pixel 4 i, after two convolutions of stride 2


@dataclass(frozen=True)
class BlockView:
    """One block. Features are the mean of |activations| over channels, B x H/4 x W/4.

    What enters a block is what the block before, or the encoder, gave.
    """

    pose: Tensor  # the new pose code
    image: Tensor  # the new image code, before cross attention moves it
    moved_image: Tensor  # what the block gives; the same where there is no cross attention
    attention: Tensor | None  # B x P x H/4 x W/4, 0..1, each map sums to 1; None without cross attention
    gamma: float | None  # its learnt weight: at 0 the attention does nothing
    change: Tensor  # B, mean |what attention adds| over mean |image code before|; 0 without cross attention


@dataclass(frozen=True)
class GeneratorView:
    """What a generator did, on the CPU."""

    generated_images: Tensor  # uint8, B x 3 x H x W
    pose: Tensor  # B x H/4 x W/4, features of the pose encoder
    image: Tensor  # B x H/4 x W/4, features of the image encoder
    blocks: tuple[BlockView, ...]


@torch.inference_mode()
def look_inside(
    generator: PoNAGenerator,
    condition_images: Tensor,
    condition_keypoints: Tensor,
    target_keypoints: Tensor,
    points: Tensor | None = None,
    *,
    device: str | torch.device = "cpu",
) -> GeneratorView:
    """Paints in fp32 as `generate_images` does, and keeps what passes by (section IV-C.4 of the paper).

    The attention of a point is the softmax of its query over all places. Only in the first block are these places those
    of the condition image: a later block looks at a code that the one before it has already moved.

    Args:
        generator: as `generate_images` leaves it; hooks are taken off again, also after an error.
        condition_images: uint8, B x 3 x H x W, RGB.
        condition_keypoints: B x 18 x 2, (x, y) in pixels, NaN = missing.
        target_keypoints: B x 18 x 2.
        points: B x P x 2, whole (x, y) in pixels of the target image; the nearest place of the code asks.
        device: where to compute.

    Raises:
        PoNAError: a point outside of the image, or points where there is no cross attention.
    """
    height, width = condition_images.shape[2:]
    if points is None:
        points = torch.empty((len(condition_images), 0, 2), dtype=torch.int64)
    outside = ((points < 0) | (points >= torch.tensor([width, height]))).any(dim=-1)
    if outside.any():
        x, y = points[outside][0].tolist()
        raise PoNAError(
            f"point {x},{y} is outside of the image; expected x from 0 to {width - 1} and y from 0 to {height - 1}"
        )
    if points.shape[1] and not generator.config.cross_attention:
        raise PoNAError("this generator has no cross attention, so its points look nowhere: leave the points away")
    seen: dict[Any, tuple[Any, Any]] = {}  # module -> (inputs, output)
    with ExitStack() as hooks:
        for module in _watched(generator):
            hooks.enter_context(module.register_forward_hook(lambda *call: seen.update({call[0]: call[1:]})))
        generated = generate_images(
            generator, condition_images, condition_keypoints, target_keypoints, device=device, precision="fp32"
        )
    (image, pose, *_), _ = seen[generator.blocks[0]]
    blocks = tuple(_view_block(block, seen, points) for block in generator.blocks)
    return GeneratorView(generated, _strength(pose), _strength(image), blocks)


def _watched(generator: PoNAGenerator) -> list[Any]:
    blocks: list[Any] = list(generator.blocks)
    attentions = [block.cross_attention for block in blocks if block.cross_attention is not None]
    return [*blocks, *attentions, *(layer for each in attentions for layer in (each.query, each.key))]


def _view_block(block: Any, seen: dict[Any, tuple[Any, Any]], points: Tensor) -> BlockView:
    moved, pose = seen[block][1]
    attention = block.cross_attention
    if attention is None:
        return BlockView(_strength(pose), _strength(moved), _strength(moved), None, None, torch.zeros(len(moved)))
    (image, _), _ = seen[attention]
    query, key = seen[attention.query][1], seen[attention.key][1]
    maps = attention_maps(query, key, points.to(query.device)).cpu()
    change = (moved - image).abs().mean(dim=(1, 2, 3)) / image.abs().mean(dim=(1, 2, 3)).clamp(min=1e-12)
    return BlockView(_strength(pose), _strength(image), _strength(moved), maps, float(attention.gamma), change.cpu())


def attention_maps(query: Tensor, key: Tensor, points: Tensor) -> Tensor:
    """Where chosen queries look: softmax(q k^T) without 1/sqrt(d) (eqs. 4-5), for these rows only.

    Args:
        query: B x D x h x w.
        key: B x D x h x w.
        points: B x P x 2, (x, y) in pixels of the image, four times as large as the code.

    Returns:
        B x P x h x w, each map sums to 1.
    """
    height, width = query.shape[2:]
    x, y = ((points + STRIDE // 2) // STRIDE).unbind(dim=-1)
    places = y.clamp(max=height - 1) * width + x.clamp(max=width - 1)
    queries = query.flatten(2).gather(2, places[:, None].expand(-1, query.shape[1], -1))
    weights = torch.bmm(queries.transpose(1, 2), key.flatten(2)).softmax(dim=-1)
    return weights.unflatten(2, (height, width))


def _strength(code: Tensor) -> Tensor:
    return code.abs().mean(dim=1).float().cpu()
