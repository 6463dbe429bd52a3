"""Speed of training and feature extraction compared with the usual way, in one run on the same images.

The usual way: a DataLoader with worker processes opens every JPEG with PIL in every epoch, torchvision's transforms
augment and normalise it on its own; float32, NCHW; each test image is loaded and passed twice, plain and mirrored; the
loss is fetched in every step; torch.optim.SGD with its defaults. Network, batches and augmentation are the same.

usage: python benchmarks/baseline.py [--arch resnet18] [--recipe quick] [--images 1280] [--rounds 3] [--threads N]
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from turns import median_seconds

from reid_baseline import RECIPES, Recipe, build_model, extract_features, train_baseline
from reid_baseline.backbones import find_backbone
from reid_baseline.device import pick_device
from reid_baseline.model import BaselineNet

PERSONS = 64


class Files(Dataset):
    """JPEG files, opened, resized, augmented and normalised one by one."""

    def __init__(self, paths: list[Path], labels: list[int], transform: Callable[[Image.Image], Tensor]) -> None:
        self.paths, self.labels, self.transform = paths, labels, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.open(self.paths[index]).convert("RGB")), self.labels[index]


class UsualWay:
    """Epochs and features as in most re-ID code."""

    def __init__(
        self, arch: str, recipe: Recipe, paths: list[Path], labels: list[int], device: torch.device, workers: int
    ) -> None:
        self.device, self.flip_test = device, recipe.flip_test
        self.model = build_model(arch, PERSONS, embedding=recipe.embedding, dropout=recipe.dropout).to(device)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), recipe.lr_head, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
        )
        height, width = recipe.size
        colours = find_backbone(arch).colours
        last = [transforms.ToTensor(), transforms.Normalize(colours.mean, colours.std)]
        first = [transforms.Resize((height, width))]
        crop = [transforms.Pad(recipe.padding), transforms.RandomCrop((height, width))]
        augmented = [*first, *crop, transforms.RandomHorizontalFlip(recipe.flip), *last]
        pin = device.type == "cuda"

        def loader(steps: list, shuffle: bool) -> DataLoader:
            files = Files(paths, labels, transforms.Compose(steps))
            return DataLoader(
                files,
                recipe.batch_size,
                shuffle,
                num_workers=workers,
                pin_memory=pin,
                persistent_workers=workers > 0,  # not usual, but starting them would take most of so short an epoch
            )

        self.training, self.test = loader(augmented, True), loader([*first, *last], False)

    def epoch(self) -> None:
        self.model.train()
        for images, labels in self.training:
            loss = nn.functional.cross_entropy(
                self.model.logits(self.model(images.to(self.device))), labels.to(self.device)
            )
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss.item()

    @torch.no_grad()
    def features(self) -> Tensor:
        self.model.eval()
        features = []
        for images, _ in self.test:
            images = images.to(self.device)
            both = self.model(images) + self.model(images.flip(3)) if self.flip_test else self.model(images)
            features.append(F.normalize(both).cpu())
        return torch.cat(features)


def smooth_images(count: int, size: tuple[int, int]) -> Tensor:
    """Random images whose JPEG files are as small as photographs; those of noise would take longer to read."""
    random = torch.Generator().manual_seed(0)
    coarse = 255 * torch.rand(count, 3, 16, 8, generator=random)
    grain = 5 * torch.randn(count, 3, *size, generator=random)
    return (F.interpolate(coarse, size, mode="bilinear") + grain).clamp(0, 255).to(torch.uint8)


def write_files(folder: Path, images: Tensor) -> list[Path]:
    """The images as JPEG files of Market-1501's size."""
    paths = [folder / f"{index}.jpg" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image.permute(1, 2, 0).numpy()).resize((64, 128)).save(path, quality=95)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", nargs="+", default=["resnet50", "resnet18"])
    parser.add_argument("--recipe", choices=("paper", "quick"), default="quick")
    parser.add_argument("--images", type=int, default=1280, help="a multiple of the recipe's batch")
    parser.add_argument("--rounds", type=int, default=3, help="of each way, in turns, after a warm-up")
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    device, recipe = pick_device(args.device), replace(RECIPES[args.recipe], epochs=1)
    images = smooth_images(args.images, recipe.size)
    labels = torch.arange(args.images) % PERSONS
    print(f"recipe {args.recipe}, {args.images} images, {args.threads} threads, {args.workers} workers, {device}")
    print("images/s by the median round; usual way = 1")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(Path(folder), images)
        for arch in args.arch:
            usual = UsualWay(arch, recipe, paths, labels.tolist(), device, args.workers)
            model = build_model(arch, PERSONS, embedding=recipe.embedding)

            def training(precision: str, arch: str = arch) -> Callable[[], object]:
                return lambda: train_baseline(images, labels, recipe, arch=arch, device=device, precision=precision)

            def features(precision: str, model: BaselineNet = model) -> Callable[[], object]:
                return lambda: extract_features(model, images, recipe, device, precision=precision)

            for what, usually, ours in (("training", usual.epoch, training), ("features", usual.features, features)):
                ways = {"usual": usually, "fp32": ours("fp32"), "auto": ours("auto")}
                medians = median_seconds(ways, args.rounds, device)
                for name, seconds in medians.items():
                    ratio = medians["usual"] / seconds
                    print(f"{arch:21} {what:9} {name:6} {args.images / seconds:8.1f} {ratio:6.2f} x", flush=True)


if __name__ == "__main__":
    main()
