"""How long an evaluation will take, estimated from a few timed steps before hours of work."""

from collections.abc import Sequence

from reidaug.core.progress import Say
from reidaug.datasets.dataset import Dataset
from reidaug.evaluation.setting import Setting

HOURS_TO_WARN = 3.0  # of a whole evaluation on a CPU, before `quick` is recommended


def training_seconds(setting: Setting, images: Sequence[float], num_classes: int, data: Dataset) -> float:
    """Seconds that training and testing some baselines takes.

    Args:
        setting: what they have in common.
        images: for each baseline its number of training images, times its epochs over those of the recipe.
        num_classes: training identities.
        data: the data set with the query and gallery images.
    """
    from reid_baseline import estimate_seconds

    if not images:
        return 0.0
    return estimate_seconds(
        setting.recipe,
        images=int(sum(images)),
        num_classes=num_classes,
        test_images=len(images) * sum(len(data.images(split)) for split in ("query", "gallery")),
        arch=setting.arch,
        device=setting.device,
        precision=setting.precision,
    )


def advise(setting: Setting, seconds: float, say: Say) -> None:
    """Recommends the recipe `quick` where another one takes long on a CPU."""
    if setting.recipe.name != "quick" and setting.device.type == "cpu" and seconds > HOURS_TO_WARN * 3600:
        say("that is long on a CPU: `--recipe quick` trains from scratch at 128 x 64 in far less")
