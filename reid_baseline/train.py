"""Training of the baseline: classification of the training identities."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from reid_baseline.augmentation import augment
from reid_baseline.device import autocast, choose_precision, pick_device
from reid_baseline.errors import ReIDError
from reid_baseline.features import check_images
from reid_baseline.losses import CenterLoss, identification_loss, triplet_loss
from reid_baseline.model import BaselineNet, build_model
from reid_baseline.optimizer import make_optimizer, rate_factor
from reid_baseline.recipe import Recipe
from reid_baseline.resume import Parts, fingerprint, read_state, write_state
from reid_baseline.sampling import draw_batches, steps_per_epoch

REPORT_SECONDS = 1.0  # between two reports, except for the one at the end of each epoch
SAVE_SECONDS = 60.0  # between two checkpoints, except for the one at the end


@dataclass(frozen=True)
class TrainProgress:
    """How far a training is; loss and accuracy are means over the epoch so far."""

    epoch: int  # from 1
    epochs: int
    iteration: int  # finished so far, over all epochs
    iterations: int
    loss: float
    accuracy: float  # fraction of augmented training images that are classified correctly
    images_per_second: float  # since the start or the last resumption
    seconds_left: float


def train_baseline(
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: Recipe,
    *,
    synthetic: torch.Tensor | None = None,
    arch: str = "resnet50",
    weights: str | Path = "none",
    seed: int = 0,
    device: str | torch.device = "auto",
    precision: str = "auto",
    checkpoint: Path | None = None,
    progress: Callable[[TrainProgress], None] | None = None,
) -> BaselineNet:
    """Trains a baseline; the same arguments on the same machine give the same network, on a GPU up to rounding.

    Args:
        images: (N, 3, H, W) uint8 of the recipe's size, on any device.
        labels: (N,) int64, classes 0 to C - 1.
        recipe: the settings.
        synthetic: (N,) bool, which images are generated, for recipes that treat them differently; None = none.
        arch: a name in `reid_baseline.BACKBONES`, or a model of timm.
        weights: "imagenet", "none" or a file, see `build_model`.
        seed: of the first weights, order, augmentation and dropout.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "fp32" or "bf16".
        checkpoint: file that is written after an epoch, at most once a minute, and after the last one. If it exists,
            the training resumes from it, with the same result as without the interruption. The caller removes it.
        progress: called about once a second and at the end of each epoch.

    Returns:
        The network in evaluation mode, on the device.

    Raises:
        ReIDError: images or labels that do not fit, a checkpoint of another training, or a loss that is not finite.
    """
    check_images(images, recipe)
    num_classes = _check_labels(labels, len(images))
    device = pick_device(device)
    precision = training_precision(device, precision, recipe)
    with _isolated_randomness(device):
        torch.manual_seed(seed)
        model = build_model(arch, num_classes, weights, **recipe.network()).lay_out(device, precision)
        objective = Objective(model, recipe, num_classes).to(device)
        optimizer = make_optimizer(model, recipe)
        parts: Parts = {"model": model, "optimizer": optimizer, **objective.parts()}
        identity, first_epoch, seconds = "", 0, 0.0
        if checkpoint:
            arithmetic = f"{device.type} {precision}"
            identity = fingerprint(images, labels, synthetic, recipe, arch, weights, seed, arithmetic)
            if checkpoint.exists():
                first_epoch, seconds = read_state(checkpoint, identity, parts, recipe.epochs)
        data = (images, labels, synthetic)
        run = _Run(objective, optimizer, recipe, data, device, precision, seed, progress, first_epoch)
        saved = run.began
        for epoch in range(first_epoch, recipe.epochs):
            run.epoch(epoch)
            now = time.monotonic()
            if checkpoint and (now - saved > SAVE_SECONDS or epoch == recipe.epochs - 1):
                write_state(checkpoint, identity, parts, epoch + 1, seconds + now - run.began)
                saved = now
    return model.eval()


@dataclass
class _Run:
    """What the epochs of one call of `train_baseline` share."""

    objective: "Objective"
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    data: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]  # images, labels, which are synthetic
    device: torch.device
    precision: str
    seed: int
    progress: Callable[[TrainProgress], None] | None
    first_epoch: int
    began: float = field(default_factory=time.monotonic)
    reported: float = -math.inf

    def epoch(self, epoch: int) -> None:
        """Trains one epoch, whose random draws depend on the seed and the number of the epoch alone."""
        epoch_seed = self.seed * 1_000_003 + epoch
        generator = torch.Generator().manual_seed(epoch_seed)
        torch.manual_seed(epoch_seed)  # dropout
        self.objective.train()
        images, labels, synthetic = self.data
        usual = steps_per_epoch(len(images), self.recipe)
        batches = draw_batches(labels.cpu(), synthetic, self.recipe, generator)
        sums = torch.zeros(2, device=self.device)  # loss, accuracy
        for step, batch in enumerate(batches):
            done = epoch + step / len(batches)
            sums += train_step(
                self.objective,
                self.optimizer,
                augment(images[batch].to(self.device), self.recipe, generator, self.objective.model.colours),
                labels[batch].to(self.device),
                None if synthetic is None else synthetic[batch].to(self.device),
                rate_factor(done / self.recipe.epochs, self.recipe),
                self.precision,
            )
            last = step == len(batches) - 1
            if last or time.monotonic() - self.reported > REPORT_SECONDS:
                iteration = (epoch + 1) * usual if last else epoch * usual + min(step + 1, usual)
                self._report(epoch, iteration, usual, *(sums / (step + 1)).tolist())

    def _report(self, epoch: int, done: int, steps: int, loss: float, accuracy: float) -> None:
        if not math.isfinite(loss):
            raise ReIDError(f"training diverged in epoch {epoch + 1}: the loss is {loss}; lower the learning rates")
        self.reported = time.monotonic()
        if self.progress:
            step_seconds = (self.reported - self.began) / (done - self.first_epoch * steps)
            speed = min(self.recipe.batch_size, len(self.data[0])) / step_seconds
            epochs, total = self.recipe.epochs, self.recipe.epochs * steps
            left = (total - done) * step_seconds
            self.progress(TrainProgress(epoch + 1, epochs, done, total, loss, accuracy, speed, left))


class Objective(nn.Module):
    """A network and the losses of its recipe."""

    def __init__(self, model: BaselineNet, recipe: Recipe, num_classes: int) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe
        self.centers: CenterLoss | None = None
        if recipe.center_weight:
            self.centers = CenterLoss(num_classes, model.backbone_width)
            self.center_optimizer = torch.optim.SGD(self.centers.parameters(), lr=recipe.center_lr)

    def parts(self) -> Parts:
        """What a resumed training needs, besides the network and its optimizer."""
        return {} if self.centers is None else {"centers": self.centers, "center_optimizer": self.center_optimizer}

    def forward(
        self, images: torch.Tensor, labels: torch.Tensor, synthetic: torch.Tensor | None, precision: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, H, W) normalised images, (B,) labels -> the loss and the (B, C) logits."""
        recipe = self.recipe
        with autocast(images.device, precision):
            pooled = self.model.backbone(images)
            logits = self.model.logits(self.model.neck(pooled)).float()
        smoothing: torch.Tensor | float = recipe.label_smoothing
        weights = None
        if synthetic is not None and recipe.synthetic_smoothing > recipe.label_smoothing:
            smoothing = torch.where(synthetic, recipe.synthetic_smoothing, recipe.label_smoothing)
        if synthetic is not None and recipe.synthetic_weight != 1:
            weights = torch.where(synthetic, recipe.synthetic_weight, 1.0)
        loss = identification_loss(logits, labels, smoothing, weights)
        if recipe.triplet_margin:
            loss = loss + triplet_loss(pooled.float(), labels, recipe.triplet_margin, weights)
        if self.centers is not None:
            loss = loss + recipe.center_weight * self.centers(pooled.float(), labels, weights)
        return loss, logits

    def move_centers(self) -> None:
        """Takes the centres' step, which does not depend on the weight of their loss."""
        if self.centers is not None and self.centers.centers.grad is not None:
            self.centers.centers.grad /= self.recipe.center_weight
            self.center_optimizer.step()
            self.center_optimizer.zero_grad()


def train_step(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    synthetic: torch.Tensor | None,
    factor: float,
    precision: str,
) -> torch.Tensor:
    """Takes one step with all learning rates times ``factor``; returns (2,), loss and accuracy of the batch."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
    loss, logits = objective(images, labels, synthetic, precision)
    optimizer.zero_grad()  # just before the backward pass, which reuses the freed memory
    loss.backward()
    optimizer.step()
    objective.move_centers()
    return torch.stack([loss.detach(), (logits.argmax(1) == labels).float().mean()])


def training_precision(device: torch.device, precision: str, recipe: Recipe) -> str:
    """Returns "fp32" or "bf16"; see `reid_baseline.device.autocast`.

    ``auto`` trains small images in float32: in a map one pixel wide the outer taps of a kernel see padding alone, and
    oneDNN's bfloat16 kernels compute garbage as the gradients of their weights.
    """
    return choose_precision(device, "fp32" if precision == "auto" and min(recipe.size) < 64 else precision)


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
def _isolated_randomness(device: torch.device) -> Iterator[None]:
    """Restores torch's random state and, on a GPU, cuDNN's settings afterwards; inside, cuDNN is deterministic."""
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        if device.type == "cuda":
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
        yield
