"""Training of the baseline: classification of the training identities."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F

from reid_baseline.augmentation import augment
from reid_baseline.device import autocast, pick_device
from reid_baseline.errors import ReIDError
from reid_baseline.features import check_images
from reid_baseline.model import BaselineNet, build_model
from reid_baseline.recipe import PAPER, QUICK, RECIPES, Recipe
from reid_baseline.resume import fingerprint, read_state, write_state

__all__ = ["PAPER", "QUICK", "RECIPES", "Recipe", "TrainProgress", "train_baseline"]

REPORT_SECONDS = 1.0  # at most one report in this time, besides the one at the end of each epoch
SAVE_SECONDS = 60.0  # at most one checkpoint in this time, besides the one at the end


@dataclass(frozen=True)
class TrainProgress:
    """Where a training stands; loss and accuracy are means over the epoch so far."""

    epoch: int  # from 1
    epochs: int
    iteration: int  # done, in all
    iterations: int
    loss: float
    accuracy: float  # fraction of augmented training images put to their identity
    images_per_second: float  # since this run began
    seconds_left: float


def train_baseline(
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: Recipe,
    *,
    arch: str = "resnet50",
    weights: str | Path = "none",
    seed: int = 0,
    device: str | torch.device = "auto",
    precision: str = "auto",
    checkpoint: Path | None = None,
    progress: Callable[[TrainProgress], None] | None = None,
) -> BaselineNet:
    """Trains a baseline; the same arguments on the same machine give the same network.

    Args:
        images: (N, 3, H, W) uint8 of the recipe's size, on any device.
        labels: (N,) int64, classes 0 to C - 1.
        recipe: the settings.
        arch: "resnet50" or "resnet18".
        weights: "imagenet", "none" or a file, see ``build_model``.
        seed: of initial weights, order, augmentation and dropout.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32" or "bf16".
        checkpoint: file that is written at the end of epochs, at most once a minute, and at the end of all; where it
            exists, the training goes on from it, with the result that it would have had without the interruption. The
            caller removes it.
        progress: called about once a second and at the end of each epoch.

    Returns:
        The network in evaluation mode, on the device.

    Raises:
        ReIDError: images or labels that do not fit, a checkpoint of another training, or a loss that is not finite.
    """
    check_images(images, recipe)
    num_classes = _check_labels(labels, len(images))
    device = pick_device(device)
    if precision == "auto" and min(recipe.size) < 64:
        # A kernel's outer taps see nothing but padding in a map one pixel wide; oneDNN's bfloat16 gives them garbage.
        precision = "fp32"
    with _own_randomness(device):
        torch.manual_seed(seed)
        model = build_model(
            arch,
            num_classes,
            weights,
            embedding=recipe.embedding,
            dropout=recipe.dropout,
            last_stride=recipe.last_stride,
        ).to(device)
        model.to(memory_format=torch.channels_last)
        optimizer = make_optimizer(model, recipe)
        identity = fingerprint(images, labels, recipe, arch, str(weights), seed, precision) if checkpoint else ""
        first_epoch = read_state(checkpoint, identity, model, optimizer) if checkpoint and checkpoint.exists() else 0
        run = _Run(model, optimizer, recipe, images, labels, device, precision, seed, progress, first_epoch)
        saved = time.monotonic()
        for epoch in range(first_epoch, recipe.epochs):
            run.epoch(epoch)
            if checkpoint and (time.monotonic() - saved > SAVE_SECONDS or epoch == recipe.epochs - 1):
                write_state(checkpoint, identity, model, optimizer, epoch + 1)
                saved = time.monotonic()
    return model.eval()


@dataclass
class _Run:
    """One call of ``train_baseline``: what its epochs share."""

    model: BaselineNet
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    images: torch.Tensor
    labels: torch.Tensor
    device: torch.device
    precision: str
    seed: int
    progress: Callable[[TrainProgress], None] | None
    first_epoch: int
    began: float = field(default_factory=time.monotonic)
    reported: float = -math.inf

    def epoch(self, epoch: int) -> None:
        """Trains one epoch, whose draws depend on nothing but the seed and its number."""
        epoch_seed = self.seed * 1_000_003 + epoch
        generator = torch.Generator().manual_seed(epoch_seed)
        torch.manual_seed(epoch_seed)  # dropout
        self.model.train()
        steps = steps_per_epoch(len(self.images), self.recipe)
        sums = torch.zeros(2, device=self.device)  # loss, accuracy
        for step, batch in enumerate(_batches(len(self.images), self.recipe, generator)):
            iteration = epoch * steps + step
            factor = rate_factor(iteration / (self.recipe.epochs * steps), self.recipe)
            sums += train_step(
                self.model,
                self.optimizer,
                augment(self.images[batch].to(self.device), self.recipe, generator),
                self.labels[batch].to(self.device),
                self.recipe,
                factor,
                self.precision,
            )
            if step == steps - 1 or time.monotonic() - self.reported > REPORT_SECONDS:
                self._report(epoch, iteration + 1, steps, *(sums / (step + 1)).tolist())

    def _report(self, epoch: int, done: int, steps: int, loss: float, accuracy: float) -> None:
        if not math.isfinite(loss):
            raise ReIDError(f"training diverged in epoch {epoch + 1}: the loss is {loss}; lower the learning rates")
        self.reported = time.monotonic()
        if self.progress:
            done_here = done - self.first_epoch * steps
            step_seconds = (self.reported - self.began) / done_here
            batch = min(self.recipe.batch_size, len(self.images))
            epochs = self.recipe.epochs
            left = (epochs * steps - done) * step_seconds
            self.progress(
                TrainProgress(epoch + 1, epochs, done, epochs * steps, loss, accuracy, batch / step_seconds, left)
            )


def train_step(
    model: BaselineNet,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: Recipe,
    factor: float,
    precision: str,
) -> torch.Tensor:
    """Takes one step with all learning rates times ``factor``; returns (2,): loss and accuracy of the batch."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
    with autocast(images.device, precision):
        logits = model.logits(model(images))
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return torch.stack([loss.detach(), (logits.argmax(1) == labels).float().mean()])


def make_optimizer(model: BaselineNet, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; the head and the backbone have learning rates of their own (``base_lr``)."""
    backbone = list(model.backbone.parameters())
    head = [*model.reduce.parameters(), *model.norm.parameters(), *model.classifier.parameters()]
    return torch.optim.SGD(
        [{"params": backbone, "base_lr": recipe.lr_backbone}, {"params": head, "base_lr": recipe.lr_head}],
        lr=recipe.lr_head,
        momentum=recipe.momentum,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )


def rate_factor(done: float, recipe: Recipe) -> float:
    """Returns what the learning rates are multiplied by when the fraction ``done`` (in [0, 1)) of the steps is done."""
    if done < recipe.warmup:
        return (done + 1e-3) / (recipe.warmup + 1e-3)
    if recipe.schedule == "cosine":
        return (1 + math.cos(math.pi * (done - recipe.warmup) / (1 - recipe.warmup))) / 2
    return 0.1 ** sum(done >= fraction for fraction in recipe.decay_at)


def steps_per_epoch(images: int, recipe: Recipe) -> int:
    """Returns the whole batches in an epoch; the odd images at its end are left out, as in the paper's baseline."""
    return max(1, images // recipe.batch_size)


def _batches(images: int, recipe: Recipe, generator: torch.Generator) -> list[torch.Tensor]:
    order = torch.randperm(images, generator=generator)
    return list(order.split(recipe.batch_size)[: steps_per_epoch(images, recipe)])


def _check_labels(labels: torch.Tensor, images: int) -> int:
    """Returns the number of classes."""
    if labels.dtype != torch.int64 or labels.shape != (images,):
        raise ReIDError(f"labels are {tuple(labels.shape)} {labels.dtype}: expected ({images},) torch.int64")
    classes = labels.unique()
    if len(classes) < 2 or not torch.equal(classes.cpu(), torch.arange(len(classes))):
        raise ReIDError(
            f"labels hold {len(classes)} classes from {classes.min()} to {classes.max()}: expected 0 to C - 1, C > 1"
        )
    return len(classes)


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Leaves torch's random state, and on a GPU cuDNN's settings, as they were; inside, cuDNN is deterministic."""
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        if device.type == "cuda":
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
        yield
