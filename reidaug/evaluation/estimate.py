"""How long an evaluation will take, from a few timed steps: for the line that is said before hours of work."""

from collections.abc import Sequence

from reidaug.evaluation.setting import Setting

HOURS_TO_WARN = 3.0  # of a whole evaluation on a CPU, before `quick` is named


def training_seconds(setting: Setting, images: Sequence[float], num_classes: int, test_images: int) -> float:
    """Seconds of training and testing some baselines.

    Args:
        setting: what all of them have in common.
        images: of each baseline the training images, times its epochs over those of the recipe.
        num_classes: training identities.
        test_images: query and gallery images together.
    """
    from reid_baseline import estimate_seconds

    if not images:
        return 0.0
    return estimate_seconds(
        setting.recipe,
        images=int(sum(images)),
        num_classes=num_classes,
        test_images=test_images * len(images),
        arch=setting.arch,
        device=setting.device,
        precision=setting.precision,
    )


def advice_on(setting: Setting, seconds: float) -> str | None:
    """A line for those who will wait long on a CPU; None where there is nothing to advise."""
    if setting.recipe.name != "quick" and setting.device.type == "cpu" and seconds > HOURS_TO_WARN * 3600:
        return "that is long on a CPU: `--recipe quick` trains from scratch at 128 x 64 in far less"
    return None
