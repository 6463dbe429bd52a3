"""How a baseline is trained: every number in one frozen object."""

import math
from dataclasses import dataclass, fields
from typing import Any

from reid_baseline.errors import ReIDError

MIXTURE_ERROR = 0.2  # allowed relative error of the share of real images, which comes in whole images

MOST_PIXELS = 4096  # height or width of what a network sees
MOST_NUMBER = 10**6  # any other number
MOST = {"batch_size": 100_000, "embedding": 100_000, "padding": MOST_PIXELS}


@dataclass(frozen=True)
class Recipe:
    """Settings of one training; the defaults are the paper's baseline (PoNA, TIP 2020, and the code that it uses)."""

    name: str
    size: tuple[int, int] = (256, 128)  # (height, width) in pixels
    epochs: int = 60
    batch_size: int = 32
    identities: int = 0  # persons in a batch, batch_size / identities images of each; 0 = images are drawn one by one
    optimizer: str = "sgd"  # "sgd" (Nesterov) or "adam"
    lr_head: float = 0.05  # neck and classifier
    lr_backbone: float = 0.005
    momentum: float = 0.9  # Nesterov
    weight_decay: float = 5e-4
    schedule: str = "step"  # "step" (x0.1 at each of decay_at) or "cosine" (to 0)
    decay_at: tuple[float, ...] = (40 / 60,)  # fractions of the training, so they hold for any epochs
    warmup: float = 0.0  # fraction of the training in which the rate rises linearly from 0
    warmup_start: float = 0.0  # rate at its start, as a share of the full rate
    label_smoothing: float = 0.0
    triplet_margin: float = 0.0  # batch-hard triplet loss on the features before the neck; 0 = none
    center_weight: float = 0.0  # centre loss on the same features; 0 = none
    center_lr: float = 0.5  # of the centres, SGD
    padding: int = 10  # black pixels on each side before the random crop
    flip: float = 0.5  # probability
    erasing: float = 0.0  # probability of random erasing
    neck: str = "bottleneck"  # "bottleneck" (Linear and BN) or "bn" (BN without shift on the pooled features)
    embedding: int = 512  # width of the bottleneck's feature
    dropout: float = 0.5  # between feature and classifier
    last_stride: int = 2  # of the backbone's last stage
    flip_test: bool = True  # add the feature of the mirrored image
    synthetic_weight: float = 1.0  # of a generated image in the losses; a real one counts 1
    synthetic_smoothing: float = 0.0  # label smoothing of generated images, if larger than the recipe's
    real_per_synthetic: float = 0.0  # real images per generated one in a batch, or of a person; 0 = as they come

    def __post_init__(self) -> None:
        sides = self.size if isinstance(self.size, tuple) else ()
        if len(sides) != 2 or not all(type(side) is int and 0 < side <= MOST_PIXELS for side in sides):
            raise ReIDError(f"size is {str(self.size)[:50]}: expected height and width, 1 to {MOST_PIXELS} pixels")
        if type(self.name) is not str:
            raise ReIDError("the name of a recipe is no text")
        for item in fields(self)[1:]:
            value, kind = getattr(self, item.name), type(item.default)
            numbers = value if item.name == "decay_at" else (value,) if kind in (int, float) else ()
            most = MOST.get(item.name, MOST_NUMBER)
            if not all(isinstance(number, int | float) and -most <= number <= most for number in numbers):
                raise ReIDError(f"{item.name} is {str(value)[:50]}: expected a finite number of at most {most:,}")
            whole = {int: "a whole number", bool: "True or False"}
            if kind in whole and type(value) is not kind:
                raise ReIDError(f"{item.name} is {str(value)[:50]}: expected {whole[kind]}")
            if isinstance(item.default, str) and type(value) is not str:
                raise ReIDError(f"{item.name} is no text")
        if self.epochs < 1:
            raise ReIDError(f"recipe {self.name} has {self.epochs} epochs: expected at least 1")
        if self.batch_size < 2:
            raise ReIDError(f"recipe {self.name} has batches of {self.batch_size}: batch norm needs at least 2")
        choices = {"schedule": ("step", "cosine"), "optimizer": ("sgd", "adam"), "neck": ("bottleneck", "bn")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ReIDError(f"{name} {getattr(self, name)!r} is unknown: expected {' or '.join(allowed)}")
        if self.identities and (self.batch_size % self.identities or self.batch_size < 2 * self.identities):
            raise ReIDError(
                f"batches of {self.batch_size} do not divide among {self.identities} persons: expected 2 images or "
                "more of each"
            )
        if not (
            0 <= self.synthetic_smoothing < 1
            and 0 <= self.synthetic_weight < math.inf
            and 0 <= self.real_per_synthetic < math.inf
        ):
            raise ReIDError(
                "expected synthetic_smoothing in [0, 1), synthetic_weight and real_per_synthetic finite and at least 0"
            )
        if self.real_per_synthetic:
            real, synthetic = self.mixture()
            if not 1 - MIXTURE_ERROR <= real / synthetic / self.real_per_synthetic <= 1 + MIXTURE_ERROR:
                where = f"the {real + synthetic} images of a {'person in a batch' if self.identities else 'batch'}"
                raise ReIDError(
                    f"{self.real_per_synthetic:g} real images per synthetic one are impossible among {where} of recipe "
                    f"{self.name}: the nearest is {real / synthetic:.3g} ({real} and {synthetic})"
                )
        if 0 < self.synthetic_smoothing <= self.label_smoothing:
            raise ReIDError(
                f"synthetic_smoothing is {self.synthetic_smoothing}, expected more than the {self.label_smoothing} "
                f"that recipe {self.name} gives every image"
            )

    def mixture(self) -> tuple[int, int]:
        """Real and synthetic images in each batch, or of each person in one where batches are drawn by identity."""
        size = self.batch_size // (self.identities or 1)
        real = min(size - 1, max(1, round(size * self.real_per_synthetic / (1 + self.real_per_synthetic))))
        return real, size - real

    def network(self) -> dict[str, Any]:
        """The settings of the network, as `reid_baseline.build_model` takes them."""
        return {name: getattr(self, name) for name in ("embedding", "dropout", "last_stride", "neck")}

    def differences(self) -> dict[str, object]:
        """The fields that are not the defaults: they name the recipe in records, even when fields are added later."""
        return {name: value for name, default in DEFAULTS.items() if (value := getattr(self, name)) != default}

    def care(self) -> dict[str, float]:
        """How generated images are treated differently from real ones."""
        return {name: getattr(self, name) for name in CARE if getattr(self, name) != DEFAULTS[name]}


CARE = ("synthetic_weight", "synthetic_smoothing", "real_per_synthetic")  # fields that concern generated images only
DEFAULTS: dict[str, object] = {field.name: field.default for field in fields(Recipe)}

PAPER = Recipe("paper")

QUICK = Recipe(
    "quick",
    size=(128, 64),
    epochs=20,
    lr_head=0.1,
    lr_backbone=0.1,
    schedule="cosine",
    decay_at=(),
    warmup=0.2,
    padding=5,
)

# The bag of tricks (Luo et al., CVPRW 2019), as its code sets it for Market-1501.
STRONG = Recipe(
    "strong",
    epochs=120,
    batch_size=64,
    identities=16,
    optimizer="adam",
    lr_head=3.5e-4,
    lr_backbone=3.5e-4,
    decay_at=(40 / 120, 70 / 120),
    warmup=10 / 120,
    warmup_start=0.01,
    label_smoothing=0.1,
    triplet_margin=0.3,
    center_weight=5e-4,
    erasing=0.5,
    neck="bn",
    dropout=0.0,
    last_stride=1,
    flip_test=False,
)

RECIPES = {recipe.name: recipe for recipe in (PAPER, STRONG, QUICK)}
