"""The baseline network: a backbone, a neck and a classifier."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from reid_baseline.backbones import build_backbone, find_backbone
from reid_baseline.errors import ReIDError
from reid_baseline.recipe import Recipe
from reid_baseline.resume import write_whole
from reid_baseline.torch_reader import misfits
from reid_baseline.weights import check_finite, load_weights, read_tensors

FORMAT = "reid_baseline model 1"


class BaselineNet(nn.Module):
    """Backbone -> global pooling -> neck = the feature; in training then dropout -> Linear = the logits.

    The neck "bottleneck" is Linear -> BN, the paper's; "bn" is BN without shift, and a classifier without bias (Luo et
    al., CVPRW 2019).

    Arguments and errors are those of `build_model`, which also loads weights.
    """

    def __init__(
        self,
        arch: str,
        num_classes: int,
        *,
        embedding: int = 512,
        dropout: float = 0.5,
        last_stride: int = 2,
        neck: str = "bottleneck",
    ) -> None:
        super().__init__()
        self.arch = arch
        self.backbone = build_backbone(arch, last_stride)
        self.colours = find_backbone(arch).colours  # by which its images are normalised
        plain = neck == "bn"
        self.backbone_width = cast(int, self.backbone.width)  # of the pooled features
        self.width = self.backbone_width if plain else embedding  # of the feature
        self.reduce = nn.Identity() if plain else nn.Linear(self.backbone_width, embedding)
        self.norm = nn.BatchNorm1d(self.width)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.width, num_classes, bias=not plain)
        if isinstance(self.reduce, nn.Linear):
            nn.init.kaiming_normal_(self.reduce.weight, mode="fan_out")
            nn.init.zeros_(self.reduce.bias)
            nn.init.normal_(self.norm.weight, 1.0, 0.02)
        else:
            self.norm.bias.requires_grad_(False)
        nn.init.normal_(self.classifier.weight, std=0.001)
        if not plain:
            nn.init.zeros_(self.classifier.bias)

    def lay_out(self, device: torch.device, precision: str) -> "BaselineNet":
        """Moves the network to a device, its backbone into the memory format that is fastest there; returns itself.

        Args:
            device: where it will run.
            precision: "fp32" or "bf16", in which it will run.
        """
        self.to(device)
        lay_out = getattr(self.backbone, "lay_out", None)
        if lay_out:
            lay_out(device, precision)
        else:
            self.backbone.to(memory_format=torch.channels_last)
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (B, 3, H, W) normalised images to (B, width) features after BN."""
        return self.neck(self.backbone(images))

    def neck(self, pooled: torch.Tensor) -> torch.Tensor:
        """Maps the backbone's (B, backbone_width) pooled features to (B, width) features."""
        return self.norm(self.reduce(pooled))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Maps (B, width) features to (B, num_classes) logits."""
        return self.classifier(self.dropout(features))


def build_model(
    arch: str,
    num_classes: int,
    weights: str | Path = "none",
    *,
    embedding: int = 512,
    dropout: float = 0.5,
    last_stride: int = 2,
    neck: str = "bottleneck",
) -> BaselineNet:
    """Builds the network, from scratch or on trained weights of the backbone.

    Args:
        arch: a name in `reid_baseline.BACKBONES`, or a model of timm.
        num_classes: training identities.
        weights: "imagenet" (torchvision's V1 for ResNets, a package's, or timm's; downloaded if absent), "none", or a
            file: a state dict of the backbone, or a re-ID checkpoint, whose head is ignored.
        embedding: width of the feature.
        dropout: probability, between feature and classifier.
        last_stride: 1 or 2, of the backbone's last stage (1 doubles the height and width of the last map).
        neck: "bottleneck" or "bn", which has the width of the backbone and ignores ``embedding``.

    Raises:
        ReIDError: an unknown arch, or one whose package is not installed; weights that are not available, are no plain
            tensors, are of another network, or are not finite.
    """
    model = BaselineNet(arch, num_classes, embedding=embedding, dropout=dropout, last_stride=last_stride, neck=neck)
    if weights != "none":
        load_weights(model.backbone, arch, weights)
    return model


def save_model(path: Path, model: BaselineNet, recipe: Recipe, pids: Sequence[int]) -> None:
    """Writes a trained network with what is needed to use it, whole or not at all.

    Args:
        path: the file; its folder must exist.
        model: the network.
        recipe: the one that it was trained by.
        pids: the person of each class.
    """
    content = {
        "format": FORMAT,
        "arch": model.arch,
        "recipe": {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(recipe).items()},
        "pids": [int(pid) for pid in pids],
        "state_dict": {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()},
    }
    write_whole(path, content)


def load_model(path: Path) -> tuple[BaselineNet, Recipe]:
    """Reads a network that `save_model` wrote; nothing in the file is run.

    Returns:
        (the network in evaluation mode on the CPU, its recipe).

    Raises:
        ReIDError: no such file, a file that `save_model` did not write, a network with an unknown arch, or one that is
            not finite.
    """
    if not path.exists():
        raise ReIDError(f"model {path} does not exist: train one first, and save it")
    content = read_tensors(path, "model")
    try:
        if content["format"] != FORMAT:
            raise ValueError
        recorded = content["recipe"].items()
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in recorded}
        recipe, pids, state = Recipe(**values), content["pids"], content["state_dict"]
        if not isinstance(pids, list) or not all(type(pid) is int for pid in pids):
            raise ValueError
        with torch.device("meta"):  # takes no memory, whatever the file claims
            claimed = BaselineNet(content["arch"], len(pids), **recipe.network()).state_dict()
        if wrong := misfits(claimed, state):
            raise ReIDError(
                f"{len(wrong)} of {len(claimed)} tensors do not fit its own settings (first: {wrong[0]}): get it again"
            )
        check_finite(state, f"model {path}")
        model = BaselineNet(content["arch"], len(pids), **recipe.network())
        model.load_state_dict(state)
    except ReIDError as error:
        told, reason = str(error).startswith(f"model {path}"), " ".join(str(error).split())
        raise ReIDError(reason if told else f"model {path} cannot be used: {reason}") from None
    except Exception as error:  # whatever the values of a foreign file lead to
        raise ReIDError(f"model {path} is no trained baseline: give a file that was saved with one") from error
    return model.eval(), recipe
