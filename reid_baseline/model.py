"""The baseline network: a torchvision ResNet without its classifier, and a bottleneck."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
import torchvision
from torch import nn

from reid_baseline.convolution import multiply_matrices
from reid_baseline.errors import ReIDError
from reid_baseline.recipe import Recipe
from reid_baseline.resume import write_whole

ARCHS = ("resnet50", "resnet18")
FORMAT = "reid_baseline model 1"


class BaselineNet(nn.Module):
    """ResNet -> global average pooling -> neck = the feature; in training then dropout -> Linear = the logits.

    The neck "bottleneck" is Linear -> BN, the paper's; "bn" is BN without shift, and a classifier without bias (Luo et
    al., CVPRW 2019).

    Args:
        arch: "resnet50" or "resnet18".
        num_classes: training identities.
        embedding: width of the feature.
        dropout: probability, between feature and classifier.
        last_stride: 1 or 2, of the last stage (1 doubles the last map's height and width).
        neck: "bottleneck" or "bn", which has the width of the ResNet and leaves ``embedding`` aside.

    Raises:
        ReIDError: an unknown arch.
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
        if arch not in ARCHS:
            raise ReIDError(f"arch {arch!r} is unknown: expected {' or '.join(ARCHS)}")
        self.arch = arch
        self.backbone = torchvision.models.get_model(arch)
        width = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        if last_stride == 1:
            first = self.backbone.layer4[0]
            (first.conv2 if arch == "resnet50" else first.conv1).stride = (1, 1)
            first.downsample[0].stride = (1, 1)
        multiply_matrices(self.backbone)
        self.backbone.layer4.register_forward_pre_hook(_as_the_weights)
        plain = neck == "bn"
        self.backbone_width = width  # of what the ResNet gives, pooled
        self.width = width if plain else embedding  # of the feature
        self.reduce = nn.Identity() if plain else nn.Linear(width, embedding)
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
        """Moves the network to a device and its weights into the memory format that is fast there; returns it.

        That is channels last, but for the last stage on a CPU in float32: for maps of a few pixels oneDNN's
        channels-last kernels take longer.

        Args:
            device: where it is to run.
            precision: "fp32" or "bf16", in which it is to run.
        """
        self.to(device)
        for name, part in self.backbone.named_children():
            plain = name == "layer4" and device.type == "cpu" and precision == "fp32"
            part.to(memory_format=torch.contiguous_format if plain else torch.channels_last)
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (B, 3, H, W) normalised images to (B, width) features after BN."""
        return self.neck(self.backbone(images))

    def neck(self, pooled: torch.Tensor) -> torch.Tensor:
        """Maps what the ResNet gives, pooled, to (B, width) features."""
        return self.norm(self.reduce(pooled))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Maps (B, width) features to (B, num_classes) logits."""
        return self.classifier(self.dropout(features))


def _as_the_weights(stage: Any, inputs: tuple[torch.Tensor]) -> torch.Tensor:
    """Gives a stage its input in the memory format of its own weights."""
    last = not stage[0].conv2.weight.is_contiguous()
    return inputs[0].contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


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
        arch: "resnet50" or "resnet18".
        num_classes: training identities.
        weights: "imagenet" (torchvision's V1, downloaded if absent), "none", or a file: a torchvision state dict or a
            re-ID checkpoint, whose head is left aside.
        embedding: width of the feature.
        dropout: probability, between feature and classifier.
        last_stride: 1 or 2.
        neck: "bottleneck" or "bn".

    Raises:
        ReIDError: an unknown arch, or weights that cannot be had, are no plain tensors, or are of another network.
    """
    model = BaselineNet(arch, num_classes, embedding=embedding, dropout=dropout, last_stride=last_stride, neck=neck)
    if weights == "imagenet":
        _load_backbone(model, _imagenet_state(arch), f"the ImageNet weights of {arch}")
    elif weights != "none":
        _load_backbone(model, _file_state(Path(weights)), str(weights))
    return model


def save_model(path: Path, model: BaselineNet, recipe: Recipe, pids: Sequence[int]) -> None:
    """Writes a trained network with what it takes to use it, whole or not at all.

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
        ReIDError: no such file, or no file that `save_model` wrote.
    """
    if not path.is_file():
        raise ReIDError(f"model {path} does not exist: train one first, and save it")
    try:
        content = _read(path)
        if content["format"] != FORMAT:
            raise ValueError
        lists: dict[str, Any] = content["recipe"]
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in lists.items()}
        recipe = Recipe(**values)
        model = BaselineNet(
            content["arch"],
            len(content["pids"]),
            embedding=recipe.embedding,
            dropout=recipe.dropout,
            last_stride=recipe.last_stride,
            neck=recipe.neck,
        )
        model.load_state_dict(content["state_dict"])
    except Exception as error:  # torch.load raises a dozen kinds for a broken, foreign or unsafe file
        raise ReIDError(f"model {path} is no trained baseline: give a file that was saved with one") from error
    return model.eval(), recipe


def _imagenet_state(arch: str) -> dict[str, torch.Tensor]:
    """From torch's cache or the network; its name holds the start of its SHA-256: no other file passes."""
    url = torchvision.models.get_model_weights(arch)["IMAGENET1K_V1"].url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name
    digits = path.stem.rpartition("-")[2]
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), digits, progress=False)
        except (OSError, RuntimeError, ValueError) as error:  # no network, a full disk, or a wrong hash
            raise ReIDError(
                f"the ImageNet weights of {arch} cannot be had ({type(error).__name__}): fetch {url} elsewhere and"
                f" put it at {path}, or give that file as weights, or train from scratch with weights none"
            ) from error
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(digits):
        raise ReIDError(f"{path} is not the file of {url}: remove it, or give it as a file of weights if it is yours")
    return _file_state(path)


# What re-ID code packs beside the tensors, such as the best rank-1; numpy's module has moved with its version 2.
_NUMBERS: list[Any] = [
    *((np.float32(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(np.dtype, *(type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "bool"))),
]


def _read(path: Path) -> Any:
    """Reads tensors, numbers and containers of them; nothing in the file is run."""
    with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_NUMBERS):
        return torch.load(path, map_location="cpu", weights_only=True)  # its remarks on odd files are not for users


def _file_state(path: Path) -> dict[str, torch.Tensor]:
    """Returns the tensors of a checkpoint, from under the usual wrappers."""
    if not path.is_file():
        raise ReIDError(f"weights {path} do not exist: expected imagenet, none or a file of weights")
    try:
        state = _read(path)
    except Exception as error:  # torch.load raises a dozen kinds for a broken, foreign or unsafe file
        raise ReIDError(f"weights {path} are no file of plain tensors: expected a PyTorch state dict") from error
    for wrapper in ("state_dict", "model_state_dict", "model", "net"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict):
        raise ReIDError(f"weights {path} hold a {type(state).__name__}: expected a PyTorch state dict")
    return {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}


def _load_backbone(model: BaselineNet, state: dict[str, torch.Tensor], source: str) -> None:
    """Loads the backbone from a state dict whose names may carry any prefix (``module.``, ``base.``, ``backbone.``)."""
    stem = min((key for key in state if key.endswith("conv1.weight")), key=len, default=None)
    if stem is None:
        names = f": {', '.join(list(state)[:3])}, ..." if state else ""
        raise ReIDError(f"{source} hold no ResNet (no conv1.weight among {len(state)} tensors{names})")
    prefix = stem.removesuffix("conv1.weight")
    expected = model.backbone.state_dict()
    found = {key: state[prefix + key] for key in expected if prefix + key in state}
    wrong = [
        key
        for key, value in expected.items()
        if not key.endswith("num_batches_tracked") and (key not in found or found[key].shape != value.shape)
    ]
    if wrong:
        raise ReIDError(
            f"{source} do not fit {model.arch}: {len(wrong)} of {len(expected)} tensors (first: {wrong[0]})"
        )
    model.backbone.load_state_dict(found, strict=False)
