"""Speed of training steps compared with a naive form of the same step, in one run on the same random data.

The naive form is that of the published code, by its description (not copied): for every pair two JPEGs and two stored
heatmaps are read in the loop, one by one; float32, NCHW; attention as an N x N map; torch's dropout; an image pool that
is handled image by image; Adam that is not fused; every loss is fetched in every step; no moving average.

usage: python benchmarks/training.py [--width 24] [--batch-size 16] [--iterations 5] [--threads N] [--compile]
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from turns import median_seconds

import pona.attention
from pona import PoNAGenerator, PoseImages, render_heatmaps
from pona.discriminator import APPEARANCE_CHANNELS, POSE_CHANNELS, Discriminator
from pona.generators import generator_config
from pona.generators.pona import PRESETS
from pona.launch import launch
from pona.layers import HalfDropout
from pona.losses import adversarial_loss
from pona.train_config import TrainConfig
from pona.trainer import Trainer

IMAGES, PAIRS = 64, 1024


class StoredPairs(Dataset):
    """Pairs whose images and heatmaps are read from files at each access."""

    def __init__(self, folder: Path, data: PoseImages) -> None:
        self.folder, self.pairs = folder, data.pairs.tolist()
        heatmaps = render_heatmaps(data.keypoints)
        for row, image in enumerate(data.images):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{row}.jpg", quality=95)
            np.save(folder / f"{row}.npy", heatmaps[row].permute(1, 2, 0).numpy())

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> list[Tensor]:
        item = []
        for row in self.pairs[index]:
            pixels = np.asarray(Image.open(self.folder / f"{row}.jpg").convert("RGB"), np.float32)
            item.append(torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1)
            item.append(torch.from_numpy(np.load(self.folder / f"{row}.npy")).permute(2, 0, 1).float())
        return item


def attend_naively(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention with the whole map in memory."""
    weights = torch.bmm(query.flatten(2).transpose(1, 2), key.flatten(2)).softmax(dim=-1)
    return torch.bmm(value.flatten(2), weights.transpose(1, 2)).view_as(value)


class NaivePool:
    """An image pool as a list of single images."""

    def __init__(self, size: int) -> None:
        self.size, self.kept = size, list[Tensor]()

    def query(self, images: Tensor) -> Tensor:
        answer = []
        for image in images.detach():
            image = image.unsqueeze(0)
            if len(self.kept) < self.size:
                self.kept.append(image)
            elif torch.rand(1).item() > 0.5:
                index = int(torch.randint(self.size, (1,)).item())
                image, self.kept[index] = self.kept[index], image.clone()
            answer.append(image)
        return torch.cat(answer)


def plain_dropout(network: nn.Module) -> nn.Module:
    """The same network with torch's own dropout."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, HalfDropout):
                setattr(module, name, nn.Dropout(0.5))
    return network


class NaiveTrainer:
    """One step at a time, as plainly as it can be written."""

    def __init__(self, config: TrainConfig, batches: Iterator[list[Tensor]], device: torch.device) -> None:
        self.config, self.batches, self.device = config, batches, device
        self.generator = plain_dropout(PoNAGenerator.from_config(generator_config(config))).to(device)
        norm = config.discriminator_norm or config.norm
        self.discriminators = [
            plain_dropout(Discriminator(channels, config.discriminator_width, norm)).to(device)
            for channels in (APPEARANCE_CHANNELS, POSE_CHANNELS)
        ]
        self.pools = [NaivePool(config.pool_size) for _ in self.discriminators]
        networks = (self.generator, *self.discriminators)
        self.optimizers = [
            torch.optim.Adam(n.parameters(), config.learning_rate, (config.beta1, config.beta2), foreach=False)
            for n in networks
        ]

    def step(self) -> dict[str, float]:
        config = self.config
        image, pose, target, target_pose = (tensor.to(self.device) for tensor in next(self.batches))
        generated = self.generator(image, pose, target_pose)
        losses = {"l1": F.l1_loss(generated, target)}
        inputs = [torch.cat((generated, condition), 1) for condition in (image, target_pose)]
        terms = [
            adversarial_loss(network(x), True, config.adversarial)
            for network, x in zip(self.discriminators, inputs, strict=True)
        ]
        losses["gan"] = (terms[0] + terms[1]) / 2
        self._descend(0, config.l1_weight * losses["l1"] + config.gan_weight * losses["gan"])
        for index, condition in enumerate((image, target_pose)):
            network = self.discriminators[index]
            real = adversarial_loss(network(torch.cat((target, condition), 1)), True, config.adversarial)
            old = self.pools[index].query(inputs[index])
            losses[f"d{index}"] = (real + adversarial_loss(network(old), False, config.adversarial)) / 2
            self._descend(index + 1, losses[f"d{index}"])
        return {name: loss.item() for name, loss in losses.items()}

    def _descend(self, index: int, loss: Tensor) -> None:
        self.optimizers[index].zero_grad()
        loss.backward()
        self.optimizers[index].step()


def endless(loader: DataLoader) -> Iterator[list[Tensor]]:
    while True:
        yield from loader


def naively(step: Callable[[], object]) -> Callable[[], object]:
    """The step with naive attention."""

    def run() -> object:
        ours, pona.attention.attend = pona.attention.attend, attend_naively
        try:
            return step()
        finally:
            pona.attention.attend = ours

    return run


def machine(device: torch.device) -> str:
    """What the figures depend on, in one line."""
    checks = {"AMX": "_is_amx_tile_supported", "AVX512-BF16": "_is_avx512_bf16_supported"}
    has = [name for name, check in checks.items() if getattr(torch.cpu, check, lambda: False)()]
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    features = ", ".join(has) or "no AMX, no AVX512-BF16"
    return f"{where}, {torch.get_num_threads()} threads, {features}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mini = PRESETS["mini"]
    parser.add_argument("--width", type=int, default=mini.width)
    parser.add_argument("--batch-size", type=int, default=mini.batch_size)
    parser.add_argument("--iterations", type=int, default=5, help="of each form, in turns, after two as a warm-up")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", action="store_true", help="also time our step with torch.compile")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    config = replace(mini, width=args.width, batch_size=args.batch_size, dropout=True)  # the same work for both
    random = torch.Generator().manual_seed(0)
    data = PoseImages(
        torch.randint(256, (IMAGES, 3, 128, 64), dtype=torch.uint8, generator=random),
        torch.rand(IMAGES, 18, 2, generator=random) * torch.tensor([64.0, 128.0]),
        torch.randint(IMAGES, (PAIRS, 2), generator=random),
    )
    processes = launch(config, args.device)
    device = processes.fabric.device
    with tempfile.TemporaryDirectory() as folder:
        loader = DataLoader(StoredPairs(Path(folder), data), config.batch_size, shuffle=True, drop_last=True)
        ours, naive = Trainer(processes, config, data, None), NaiveTrainer(config, endless(loader), device)
        steps = {"naive": naively(naive.step), "ours": lambda: ours.step(config.learning_rate)}
        if args.compile:
            compiled = Trainer(processes, config, data, None, compiled=True)
            steps["compiled"] = lambda: compiled.step(config.learning_rate)
        medians = median_seconds(steps, args.iterations, device, warm_up=2)
    print(machine(device))
    print(f"width {config.width}, batches of {config.batch_size}; iterations/s by the median step, naive = 1")
    for name, seconds in medians.items():
        print(f"{name:9} {1 / seconds:7.3f} it/s {medians['naive'] / seconds:6.2f} x")


if __name__ == "__main__":
    main()
