"""Features of a PoNA generator after each block, and the maps of its cross attention (Figure 13 of the paper)."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from pona.errors import PoNAError
from pona.generate import generate_images
from pona.generators.generator import Generator
from pona.generators.pona import PoNABlock, PoNAGenerator

STRIDE = 4  # pixels between positions of a code: position i lies on pixel 4 i, after two convolutions of stride 2

Calls = Mapping[nn.Module, tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]  # module -> (inputs, outputs)


@dataclass(frozen=True)
class BlockView:
    """The outputs of one block. Features are the mean of |activations| over channels, B x H/4 x W/4."""

    pose: Tensor  # the pose code
    image: Tensor  # the image code before cross attention
    moved_image: Tensor  # the image code after it; the same without cross attention
    attention: Tensor | None  # B x P x H/4 x W/4, 0..1, each map sums to 1; None without cross attention
    gamma: float | None  # its learnt weight: at 0 the attention does nothing
    change: Tensor  # B, mean |what attention adds| over mean |image code before|; 0 without cross attention


@dataclass(frozen=True)
class GeneratorView:
    """A generated batch and the features behind it, on the CPU."""

    generated_images: Tensor  # uint8, B x 3 x H x W
    pose: Tensor  # B x H/4 x W/4, features of the pose encoder
    image: Tensor  # B x H/4 x W/4, features of the image encoder
    blocks: tuple[BlockView, ...]


@torch.inference_mode()
def look_inside(
    generator: Generator,
    condition_images: Tensor,
    condition_keypoints: Tensor,
    target_keypoints: Tensor,
    points: Tensor | None = None,
    *,
    device: str | torch.device = "cpu",
) -> GeneratorView:
    """Generates in fp32 as `generate_images` does, and keeps features and attention (section IV-C.4 of the paper).

    The attention of a point is the softmax of its query over all positions. Only in the first block these are positions
    of the condition image: later blocks see a code that the blocks before have already moved.

    Args:
        generator: as `generate_images` leaves it; its hooks are removed, also after an error.
        condition_images: uint8, B x 3 x H x W, RGB.
        condition_keypoints: B x 18 x 2, (x, y) in pixels, NaN = missing.
        target_keypoints: B x 18 x 2.
        points: B x P x 2, whole (x, y) in pixels of the target image; the nearest position of the code is the query.
        device: where to compute.

    Raises:
        PoNAError: another architecture than PoNA's, a point outside of the image, or points without cross attention.
    """
    generator = require_pona(generator)
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
        raise PoNAError("this generator has no cross attention, so points have no maps: leave the points out")
    calls: dict[nn.Module, tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        calls[module] = (inputs, output if isinstance(output, tuple) else (output,))

    blocks = [cast(PoNABlock, block) for block in generator.blocks]
    with ExitStack() as hooks:
        for module in _hooked_modules(blocks):
            hooks.enter_context(module.register_forward_hook(keep))
        generated = generate_images(
            generator, condition_images, condition_keypoints, target_keypoints, device=device, precision="fp32"
        )
    (image, pose, *_), _ = calls[blocks[0]]
    views = tuple(_view_block(block, calls, points) for block in blocks)
    return GeneratorView(generated, _strength(pose), _strength(image), views)


def require_pona(generator: Generator) -> PoNAGenerator:
    """Returns a generator of PoNA's architecture; raises PoNAError for another, which has no such blocks."""
    if not isinstance(generator, PoNAGenerator):
        raise PoNAError(f"the generator is a {type(generator).__name__}: only a PoNAGenerator has blocks to look into")
    return generator


def _hooked_modules(blocks: list[PoNABlock]) -> list[nn.Module]:
    attentions = [block.cross_attention for block in blocks if block.cross_attention is not None]
    layers = [layer for attention in attentions for layer in (attention.query, attention.key)]
    return [*blocks, *attentions, *layers]


def _view_block(block: PoNABlock, calls: Calls, points: Tensor) -> BlockView:
    moved, pose = calls[block][1]
    attention = block.cross_attention
    if attention is None:
        return BlockView(_strength(pose), _strength(moved), _strength(moved), None, None, torch.zeros(len(moved)))
    (image, _), _ = calls[attention]
    (query,), (key,) = calls[attention.query][1], calls[attention.key][1]
    maps = attention_maps(query, key, points.to(query.device)).cpu()
    change = (moved - image).abs().mean(dim=(1, 2, 3)) / image.abs().mean(dim=(1, 2, 3)).clamp(min=1e-12)
    return BlockView(_strength(pose), _strength(image), _strength(moved), maps, float(attention.gamma), change.cpu())


def attention_maps(query: Tensor, key: Tensor, points: Tensor) -> Tensor:
    """Attention maps of chosen queries: rows of softmax(q k^T), without 1/sqrt(d) (eqs. 4-5 of the paper).

    Args:
        query: B x D x h x w.
        key: B x D x h x w.
        points: B x P x 2, (x, y) in pixels of the image, which is four times as large as the code.

    Returns:
        B x P x h x w, each map sums to 1.
    """
    height, width = query.shape[2:]
    x, y = ((points + STRIDE // 2) // STRIDE).unbind(dim=-1)
    rows = y.clamp(max=height - 1) * width + x.clamp(max=width - 1)
    queries = query.flatten(2).gather(2, rows[:, None].expand(-1, query.shape[1], -1))
    weights = torch.bmm(queries.transpose(1, 2), key.flatten(2)).softmax(dim=-1)
    return weights.unflatten(2, (height, width))


def _strength(code: Tensor) -> Tensor:
    return code.abs().mean(dim=1).float().cpu()
