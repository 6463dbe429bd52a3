"""How a baseline is trained: every number in one frozen object."""

from dataclasses import dataclass

from reid_baseline.errors import ReIDError


@dataclass(frozen=True)
class Recipe:
    """Settings of one training; the defaults are the paper's baseline (PoNA, TIP 2020, and the code that it trains)."""

    name: str
    size: tuple[int, int] = (256, 128)  # (height, width) in pixels
    epochs: int = 60
    batch_size: int = 32
    lr_head: float = 0.05  # bottleneck and classifier
    lr_backbone: float = 0.005
    momentum: float = 0.9  # Nesterov
    weight_decay: float = 5e-4
    schedule: str = "step"  # "step" (x0.1 at each of decay_at) or "cosine" (to 0)
    decay_at: tuple[float, ...] = (40 / 60,)  # fractions of the training, so that they follow a change of epochs
    warmup: float = 0.0  # fraction of the training in which the rate rises linearly from 0
    label_smoothing: float = 0.0
    padding: int = 10  # black pixels on each side before the random crop
    flip: float = 0.5  # probability
    erasing: float = 0.0  # probability of random erasing
    embedding: int = 512  # width of the feature
    dropout: float = 0.5  # between feature and classifier
    last_stride: int = 2  # of the last ResNet stage

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ReIDError(f"recipe {self.name} has {self.epochs} epochs: expected at least 1")
        if self.batch_size < 2:
            raise ReIDError(f"recipe {self.name} has batches of {self.batch_size}: batch norm needs at least 2")
        if self.schedule not in ("step", "cosine"):
            raise ReIDError(f"schedule {self.schedule!r} is unknown: expected step or cosine")


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

RECIPES = {recipe.name: recipe for recipe in (PAPER, QUICK)}
