"""What a user asks of an evaluation."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reidaug.core.errors import ReidAugError


@dataclass(frozen=True)
class EvaluationRequest:
    """What the user asked for; None = the default."""

    portion: str | None = None  # one portion of the study
    portions: tuple[float, ...] = ()  # some portions of the study; empty = `portion`, or all
    recipe: str | None = None  # paper, strong or quick
    arch: str = "resnet50"  # resnet50 or resnet18
    weights: str | None = None  # imagenet, none or a file
    epochs: int | None = None  # other than the recipe's
    seeds: int = 1  # seeds 0 .. seeds - 1
    device: str = "auto"  # auto, cpu, cuda, cuda:N
    precision: str = "auto"  # auto, fp32, bf16
    controls: tuple[str, ...] = ()  # see `reidaug.study.controls`
    care: Mapping[str, float | None] = field(default_factory=dict)  # of reid_baseline.CARE; None = the recipe's value
    save_models: bool = False  # keep each trained network and its features in STUDY/models, STUDY/features
    rerank: bool = False  # score with k-reciprocal re-ranking too

    def asked_precision(self) -> dict[str, str]:
        """What a result hangs on; with "auto" each machine computes as it is fast, for one and the same result."""
        return {} if self.precision == "auto" else {"asked_precision": self.precision}


def weights_name(weights: str) -> str:
    """``none``, ``imagenet``, or a file's content in 12 digits: a result must not hang on where a file lies."""
    if weights in ("none", "imagenet"):
        return weights
    path = Path(weights)
    if not path.is_file():
        raise ReidAugError(f"--weights {weights}: no such file; give a file, imagenet or none")
    return f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
