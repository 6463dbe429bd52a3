"""Speed of the baseline on this machine: training and feature extraction, float32 beside what ``auto`` takes.

usage: python benchmarks/baseline.py [--recipe quick] [--threads N]
"""

import argparse
import time
from dataclasses import replace

import torch

from reid_baseline import ARCHS, RECIPES, build_model, estimate_seconds, extract_features

IMAGES = 960  # a multiple of the batch sizes, so that whole epochs are counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="quick")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    recipe = replace(RECIPES[args.recipe], epochs=1)
    images = torch.randint(256, (IMAGES, 3, *recipe.size), dtype=torch.uint8)
    print(f"recipe {args.recipe}, {args.threads} threads; seconds per 1,000 images: an epoch of training, features")
    for arch in ARCHS:
        for precision in ("fp32", "auto"):
            training = estimate_seconds(
                recipe, images=IMAGES, num_classes=751, arch=arch, device=args.device, precision=precision
            )
            model = build_model(arch, 751)
            extract_features(model, images[:128], recipe, args.device, precision=precision)  # warm-up
            start = time.perf_counter()
            extract_features(model, images, recipe, args.device, precision=precision)
            features = time.perf_counter() - start
            print(f"{arch:9} {precision:5} {training / IMAGES * 1000:7.2f} {features / IMAGES * 1000:7.2f}")


if __name__ == "__main__":
    main()
