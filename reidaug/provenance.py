"""What a generator was trained on, and how many of the images that it is to paint it has seen."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reidaug.market1501 import images_fingerprint, in_threads

DIGEST_BYTES = 6  # of SHA-256: 48 bits, no chance collision among millions of images


def describe_training_images(folder: Path, names: Sequence[str], portion: float | None) -> dict[str, Any]:
    """What a checkpoint records of its training images.

    Args:
        folder: where they lie.
        names: their file names.
        portion: of the study whose kept images they are; None for a whole training set.

    Returns:
        fingerprint, names, portion, and ``digests``: the digest of each file, joined and in base64.
    """
    return {
        "fingerprint": images_fingerprint(folder, names),
        "names": list(names),
        "digests": base64.b64encode(b"".join(_digests(folder, names))).decode(),
        "portion": portion,
    }


def count_seen(folder: Path, names: Sequence[str], training: Mapping[str, Any]) -> int | None:
    """How many of these images a generator was trained on; None where its checkpoint does not say.

    An image is known again by its bytes, under any name and in any copy of its data set.

    Args:
        folder: where the images lie.
        names: their file names.
        training: the ``training`` record of the checkpoint.
    """
    joined = base64.b64decode(training.get("trained_on", {}).get("digests", ""))
    seen = {joined[i : i + DIGEST_BYTES] for i in range(0, len(joined), DIGEST_BYTES)}
    return sum(digest in seen for digest in _digests(folder, names)) if seen else None


def _digests(folder: Path, names: Sequence[str]) -> list[bytes]:
    return in_threads(lambda name: hashlib.sha256((folder / name).read_bytes()).digest()[:DIGEST_BYTES], names)
