"""Whether a saved state or checkpoint belongs to the run that is asked for."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pona.errors import PoNAError
from pona.train_config import TrainConfig

# Fields that may differ: reports and validations do not change the weights, and VGG-19 weights are compared by digest.
IGNORED = ("log_every", "validate_every", "perceptual")
MOST_NAMED = 8  # settings in a message
# What a message says of an input whose digest differs.
INPUTS = {
    "initial": "another generator to start from",
    "vgg": "other VGG-19 weights",
    "identity": "another re-ID network",
    "keypoints": "other keypoints",
    "validation": "other validation images or keypoints",
}


def differences(
    config: TrainConfig, origin: Mapping[str, str | None], fingerprint: str | None, recorded: Mapping[str, Any]
) -> list[str]:
    """Lists in words how a recorded run differs from this one; empty if it is the same run.

    Args:
        config: of this run.
        origin: digests of the inputs of this run, by name.
        fingerprint: of the training images of this run.
        recorded: "config", "origin" and "fingerprint" of the other run, as a checkpoint or a state holds them.
    """
    theirs, ours = recorded.get("config", {}), asdict(config)
    changed = [name for name in ours if name not in IGNORED and theirs.get(name) != ours[name]]
    # Cut short, as a damaged file may hold anything.
    lines = [f"{name} {' '.join(str(theirs.get(name)).split())[:50]} -> {ours[name]}" for name in changed[:MOST_NAMED]]
    if more := len(changed) - len(lines):
        lines.append(f"and {more} other settings")
    if recorded.get("fingerprint") != fingerprint:
        lines.append("other training images")
    inputs = recorded.get("origin", {})
    return lines + [INPUTS[name] for name in origin if inputs.get(name) != origin[name]]


def file_digest(path: Path | None) -> str | None:
    """SHA-256 of an input file."""
    try:
        return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise PoNAError(f"cannot read {path}: {error.strerror}; give another file") from None
