"""Whether a file is of the very run that is asked for."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pona.presets import TrainConfig

# What changes neither the weights nor what the record means: the best weights are the best of those looked at, and
# whether VGG-19 was in use tells its file's digest.
FREE = ("log_every", "validate_every", "perceptual")
# What an input is called that is another.
INPUTS = {
    "initial": "another generator to start from",
    "vgg": "other VGG-19 weights",
    "keypoints": "other keypoints",
    "validation": "other validation images or keypoints",
}


def differences(
    config: TrainConfig, origin: Mapping[str, str | None], fingerprint: str | None, recorded: Mapping[str, Any]
) -> list[str]:
    """What makes a recorded run another one than this; empty where it is this very run.

    Args:
        config: of this run.
        origin: digests of the inputs of this run, by name.
        fingerprint: of the training images of this run.
        recorded: "config", "origin" and "fingerprint" of the other run. A field younger than the record had its default
            then, and an input whose digest the record lacks is taken for the same.
    """
    theirs, own = asdict(TrainConfig()) | recorded.get("config", {}), asdict(config)
    changed = [name for name in own if name not in FREE and theirs[name] != own[name]]
    inputs = dict(origin) | recorded.get("origin", {})
    found = [f"{name} {theirs[name]} -> {own[name]}" for name in changed]
    if recorded.get("fingerprint") != fingerprint:
        found.append("other training images")
    return found + [INPUTS[name] for name in origin if inputs[name] != origin[name]]
