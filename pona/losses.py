"""The losses of PoNA: adversarial (BCE or LSGAN), L1 and perceptual (eqs. 8-11 of the paper)."""

from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.errors import PoNAError
from pona.torch_file import not_finite, read_torch

VGG_FILE = "vgg19-dcbb9e9d.pth"  # torchvision's name for its VGG-19 weights
LAST_OF_VGG19 = "features.34.weight"  # of its last convolution, which VGG-16 and smaller networks lack


def adversarial_loss(score: Tensor, real: bool, kind: str = "bce") -> Tensor:
    """Mean distance of a discriminator's score map from "real" (1) or "fake" (0).

    Args:
        score: logits of any shape.
        real: the label to compare with.
        kind: "bce" (binary cross entropy after a sigmoid; Market-1501) or "lsgan" (mean square; DeepFashion).

    Raises:
        PoNAError: for another kind.
    """
    label = torch.full_like(score, float(real), dtype=torch.float32)
    if kind == "bce":
        return F.binary_cross_entropy_with_logits(score.float(), label)
    if kind == "lsgan":
        return F.mse_loss(score.float(), label)
    raise PoNAError(f"adversarial loss is {kind!r}, expected 'bce' or 'lsgan'")


class PerceptualLoss(nn.Module):
    """Mean absolute difference of VGG-19 relu1_2 features (eq. 11; the paper finds conv1_2 good enough).

    It reads two layouts of weights, recognised by their names. torchvision's VGG-19 takes images normalised by
    ImageNet's mean and deviation. The normalised VGG-19 (`vgg_normalised_conv2_1.pth`) normalises images by a 1 x 1
    convolution of its own, pads by reflection and has features of another scale. `kind` says which one is in use.

    Args:
        path: a file of weights, read with `weights_only=True`.

    Raises:
        PoNAError: for a file that is missing, unreadable, of neither layout, or not finite.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        weights = _read_weights(path)
        if LAST_OF_VGG19 in weights:
            self.kind = "vgg19-torchvision"
            self.layers = _convolutions("zeros")
            names = {"1": "features.0", "3": "features.2"}
            mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
            # The normalisation as a 1 x 1 convolution, so that both layouts have the same layers.
            first = {"weight": torch.diag(1 / deviation)[:, :, None, None], "bias": -mean / deviation}
        elif {"0.weight", "2.weight", "5.weight"} <= weights.keys():
            self.kind = "vgg19-normalised"
            self.layers = _convolutions("reflect")
            names = {"0": "0", "1": "2", "3": "5"}
            first = {}
        else:
            other = " but those of another VGG, or of a part of it" if "features.0.weight" in weights else ""
            raise PoNAError(
                f"{path} holds no VGG-19 weights{other}: expected torchvision's names (features.0.weight to "
                f"{LAST_OF_VGG19}) or those of vgg_normalised_conv2_1.pth (0.weight, 2.weight, 5.weight), "
                f"got {', '.join(str(name)[:50] for name in list(weights)[:3])} ..."
            )
        state = {f"0.{name}": value for name, value in first.items()}
        try:
            for ours, theirs in names.items():
                state |= {f"{ours}.{part}": weights[f"{theirs}.{part}"] for part in ("weight", "bias")}
            self.layers.load_state_dict(state)
        except (KeyError, RuntimeError):
            raise PoNAError(f"{path} has the names but not the shapes of VGG-19 weights: give the right file") from None
        if bad := not_finite(state):
            raise PoNAError(f"{path} is of no use: {len(bad)} of its tensors are not finite; get the file again")
        self.requires_grad_(False)

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """B x 3 x H x W images, -1..1 -> a scalar."""
        with torch.no_grad():
            target_features = self.features(target)
        return (self.features(generated) - target_features).abs().mean(dtype=torch.float32)

    def features(self, image: Tensor) -> Tensor:
        """B x 3 x H x W, -1..1 -> relu1_2 features, B x 64 x H x W."""
        return self.layers((image + 1) / 2)


def find_vgg_weights(path: Path | None = None) -> Path | None:
    """The given file, else that of torchvision in torch's cache, else None. Never downloads."""
    if path is not None:
        return path
    cached = Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE
    return cached if cached.is_file() else None


def _convolutions(padding_mode: Literal["zeros", "reflect"]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 3, 1),
        nn.Conv2d(3, 64, 3, padding=1, padding_mode=padding_mode),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 64, 3, padding=1, padding_mode=padding_mode),
        nn.ReLU(inplace=True),
    )


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise PoNAError(f"VGG weights {path} do not exist: give a file, or train without the perceptual loss")
    weights = read_torch(path, "file of VGG-19 weights")
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise PoNAError(f"VGG weights {path} hold no state dict: expected names and tensors")
    return weights
