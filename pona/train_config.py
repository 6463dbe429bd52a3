"""The configuration of a training run; presets stand with their generators."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from pona.errors import PoNAError
from pona.precision import PRECISIONS

MOST_ITERATIONS = 10**12  # more than any machine computes
# The largest values of other fields: what they ask for is not merely long, it fits into no memory.
MOST = {"width": 10_000, "discriminator_width": 10_000, "blocks": 100, "batch_size": 10**6, "seed": 2**62}


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run; the defaults are the paper's for Market-1501 (section III-G).

    What the paper leaves open follows the authors' code: first weights, the learning rate of each epoch (constant for
    499, then 200/201 of it in epoch 500, and 0 in epoch 700), and `gan_weight` in the discriminators' losses too.

    Raises:
        PoNAError: for values that no run can have.
    """

    preset: str = "market"  # where the values come from, for the record
    architecture: str = "PoNAGenerator"  # generator: the name of its class, see pona.generators
    width: int = 64  # generator: channels after its first convolution
    blocks: int = 3  # generator: 1-5 in Table III
    norm: str = "batch"  # generator and discriminators: "batch" or "instance"
    fusion: str = "head"  # generator: "head", "middle", "tail" or "none" (Table V)
    self_attention: bool = True  # generator (Table IV)
    cross_attention: bool = True  # generator (Table IV)
    dropout: bool = True  # in the generator's blocks, 0.5 while it trains; no part of its architecture
    sigma: float | None = 6.0  # heatmaps, pixels; None = one-pixel impulses, as in the authors' DeepFashion code
    discriminator_width: int = 64  # channels after the first convolution; 0 = no discriminators
    discriminator_variant: str = "code"  # "code", "paper" or "plain": see `Discriminator`
    discriminator_norm: str | None = None  # "batch", "instance" or "none"; None = as in the generator
    adversarial: str = "bce"  # "bce" or "lsgan"
    gan_weight: float = 5.0  # eq. 8, lambda 1: for the mean of the two discriminators' terms, and for their own losses
    l1_weight: float = 10.0  # eq. 8, lambda 2; images -1..1
    perceptual_weight: float = 10.0  # eq. 8, lambda 3
    identity_weight: float = 1.0  # of the identity loss, in runs that are given one; not the paper's
    perceptual: str = "required"  # "required", "optional" (left out if there are no VGG weights) or "none"
    batch_size: int = 32  # pairs per iteration
    iterations: int | None = 87_500  # 700 epochs of 4,000 pairs; None = `minutes` alone ends the run
    minutes: float | None = None  # time budget; with both, what comes first ends the run
    decay: float = 201 / 700  # last share of the run, in which the learning rate falls linearly to 0
    rate_steps: int | None = 700  # equal parts of the run (epochs) with a constant learning rate each; None = no parts
    learning_rate: float = 2e-4  # Adam
    attention_rate: float = 1.0  # learning rate of the generator's gammas and betas, times `learning_rate`
    beta1: float = 0.5  # Adam
    beta2: float = 0.999  # Adam
    pool_size: int = 50  # generated images kept for the discriminators; 0 = none
    flip: bool = False  # mirror half of the pairs (both images, keypoints swapped)
    color_jitter: float = 0.0  # 0..1: change hue, saturation, contrast and brightness (both images alike)
    ema: float = 0.0  # decay of the generator's moving average per iteration; 0 = save the last weights
    precision: str = "auto"  # "fp32", "bf16", "fp16" (losses scaled), or "auto" = bf16 where it is faster
    initialisation: str = "code"  # "code" (as the authors': `pona.layers.initialise`) or "normal" (see `Discriminator`)
    method: Mapping[str, float] = field(default_factory=dict)  # of the generator and its objective: what others lack
    seed: int = 0  # of weights, pairs and dropout
    half: bool = False  # store the weights in half precision
    log_every: int = 50  # iterations
    validate_every: int = 2_500  # iterations; also how often the files are written
    validation_pairs: int = 256  # evenly spaced among the held-out pairs

    def __post_init__(self) -> None:
        positive = ("batch_size", "log_every", "validate_every", "validation_pairs", "learning_rate")
        optional = [name for name in ("iterations", "minutes", "rate_steps") if getattr(self, name) is not None]
        for name in (*positive, *optional):
            if not getattr(self, name) > 0:
                raise PoNAError(f"{name} is {getattr(self, name)}, expected more than 0")
        for item in fields(self):
            value, most = getattr(self, item.name), MOST.get(item.name, MOST_ITERATIONS)
            if isinstance(value, int | float) and not -most <= value <= most:  # also for what is no number
                raise PoNAError(f"{item.name} is {str(value)[:50]}, expected a finite number of at most {most:,}")
        if self.iterations is None and self.minutes is None:
            raise PoNAError("neither iterations nor minutes is given, expected at least one: what should end the run?")
        if self.batch_size < 2:
            raise PoNAError("batch_size is 1, expected at least 2: batch statistics of one image say little")
        choices = {
            "perceptual": ("required", "optional", "none"),
            "precision": PRECISIONS,
            "adversarial": ("bce", "lsgan"),
            "discriminator_variant": ("code", "paper", "plain"),
            "initialisation": ("code", "normal"),
            "discriminator_norm": (None, "batch", "instance", "none"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise PoNAError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(map(str, allowed))}")
        if not 0 <= self.decay <= 1 or not 0 <= self.ema < 1:
            raise PoNAError(f"decay is {self.decay} and ema {self.ema}, expected shares of 1")
        if not 0 <= self.color_jitter <= 1:
            raise PoNAError(f"color_jitter is {self.color_jitter}, expected 0 (none) to 1 (any hue)")
