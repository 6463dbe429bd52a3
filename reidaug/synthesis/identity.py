"""A trained re-ID network as the judge of identity while a generator is trained."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from pona.identity import IdentityLoss


def load_identity_loss(path: Path) -> "IdentityLoss":
    """The identity loss by a network that `reidaug pretrain` or `reidaug evaluate --save-models` wrote.

    Its people are among those that the generator knows: a network that was trained on images which the generator must
    not see tells it of them.

    Raises:
        ReIDError: the file is no such network.
    """
    import torch.nn.functional as F
    from torch import nn

    from pona.identity import IdentityLoss
    from reid_baseline import load_model
    from reid_baseline.augmentation import normalise

    model, recipe = load_model(path)

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: "Tensor") -> "Tensor":
            pixels = (images + 1) * 127.5
            if tuple(images.shape[2:]) != recipe.size:
                pixels = F.interpolate(pixels, recipe.size, mode="bicubic", antialias=True)
            return self.model(normalise(pixels, model.colours))

    return IdentityLoss(Features(), path)
