"""Speed of `generate_images` compared with the plain form of the same network, in one run.

The plain form: float32, NCHW, batch norm as trained, attention as an N x N map. Also prints how much the images differ.

usage: python benchmarks/painting.py [--ckpt pona.pt | --width 64] [--batch-size 8] [--repeats 7] [--threads N]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from training import attend_naively
from turns import median_seconds

import pona.attention
from pona import PoNAGenerator, fold_norms, generate_images, load_checkpoint, render_heatmaps
from pona.attention import CrossAttention, SelfAttention
from pona.data import to_float, to_uint8

SIZE = (128, 64)


@torch.inference_mode()
def generate_plainly(generator: PoNAGenerator, images: Tensor, conditions: Tensor, targets: Tensor) -> Tensor:
    """The same images by the plain form."""
    attend, pona.attention.attend = pona.attention.attend, attend_naively
    try:
        maps = [render_heatmaps(poses, SIZE, generator.config.sigma) for poses in (conditions, targets)]
        return to_uint8(generator(to_float(images), *maps))
    finally:
        pona.attention.attend = attend


def load(arguments: argparse.Namespace) -> PoNAGenerator:
    if arguments.ckpt:
        return load_checkpoint(arguments.ckpt).generator
    torch.manual_seed(0)
    generator = PoNAGenerator(width=arguments.width).eval()
    for layer in generator.modules():
        if isinstance(layer, CrossAttention | SelfAttention):
            torch.nn.init.constant_(layer.gamma, 0.1)
    return generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", type=Path)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    plain, count = load(arguments), arguments.batch_size
    fast = fold_norms(plain)
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, *SIZE), dtype=torch.uint8, generator=random)
    conditions, targets = (torch.rand(count, 18, 2, generator=random) * torch.tensor([63.0, 127.0]) for _ in "ab")
    first = torch.zeros(count, dtype=torch.int64)
    ways: dict[str, Callable[[], Tensor]] = {
        "plain": lambda: generate_plainly(plain, images, conditions, targets),
        "fast": lambda: generate_images(fast, images, conditions, targets),
        "fast, one person": lambda: generate_images(fast, images[:1], conditions[:1], targets, of=first),
    }
    difference = (ways["plain"]().float() - ways["fast"]().float()).abs()
    medians = median_seconds(ways, arguments.repeats)
    for name, seconds in medians.items():
        print(f"{name:17} {count / seconds:7.1f} images/s   {medians['plain'] / seconds:.2f} times plain")
    print(f"plain and fast differ by {difference.mean():.4f} of 255 on average, {difference.max():.0f} at most")


if __name__ == "__main__":
    main()
