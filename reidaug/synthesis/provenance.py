"""What a generator was trained on, and how many of the images that it is to paint it has seen."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import images_fingerprint, in_threads

DIGEST_BYTES = 6  # of SHA-256: 48 bits, no chance collision among millions of images


def describe_training_images(
    folder: Path, names: Sequence[str], portion: float | None, pairs: Sequence[tuple[str, str]] | None = None
) -> dict[str, Any]:
    """What a checkpoint records of its training images.

    Args:
        folder: where they lie.
        names: their file names.
        portion: of the study whose kept images they are; None for a whole training set.
        pairs: (condition, target) names where they were read from a file; None where they are all pairs.

    Returns:
        fingerprint, names, portion, and ``digests``: the digest of each file, joined and in base64. With pairs also
        ``pairs``, their own fingerprint; that of the whole covers it, so that other pairs are another training.
    """
    record = {
        "fingerprint": images_fingerprint(folder, names),
        "names": list(names),
        "digests": _encode(_digests(folder, names)),
        "portion": portion,
    }
    if pairs is not None:
        own = hashlib.sha256("".join(f"{condition},{target}\n" for condition, target in pairs).encode())
        both = hashlib.sha256(f"{record['fingerprint']}\0{own.hexdigest()}".encode())
        record |= {"fingerprint": both.hexdigest()[:16], "pairs": own.hexdigest()[:16]}
    return record


def add_training_images(record: dict[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run that started from another run's weights: what that one saw counts as seen.

    Args:
        record: of this run, by `describe_training_images`.
        earlier: of the run whose weights it started from.

    Returns:
        This run's record with the digests of both (``pona.train`` joins the names); without any where the earlier run
        did not record its own, as nobody knows then what has been seen.
    """
    inherited = _decode(earlier.get("digests"))
    return {**record, "digests": _encode(_decode(record["digests"]) | inherited) if inherited else None}


def check_trained_size(training: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Refuses images of a size on which a generator was not trained: limbs and clothes would have another scale.

    Args:
        training: of its checkpoint; one that does not say takes any size.
        size: (height, width) in pixels.
    """
    trained = training.get("image_size")
    if trained not in (None, list(size)):
        raise ReidAugError(
            f"the generator was trained on images of {trained} pixels (height, width), these have {list(size)}: "
            "bring them to that size, or train a generator on theirs"
        )


def count_seen(folder: Path, names: Sequence[str], training: Mapping[str, Any]) -> int | None:
    """How many of these images a generator was trained on; None where its checkpoint does not say.

    An image is known again by its bytes, under any name and in any copy of its data set.

    Args:
        folder: where the images lie.
        names: their file names.
        training: the ``training`` record of the checkpoint.
    """
    record = training.get("trained_on")
    seen = _decode(record.get("digests")) if isinstance(record, Mapping) else set()
    return sum(digest in seen for digest in _digests(folder, names)) if seen else None


def _encode(digests: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(sorted(digests))).decode()


def _decode(text: object) -> set[bytes]:
    """The digests in a record; none in one that is broken."""
    try:
        joined = base64.b64decode(text) if isinstance(text, str) else b""
    except ValueError:
        joined = b""
    return {joined[i : i + DIGEST_BYTES] for i in range(0, len(joined), DIGEST_BYTES)}


def _digests(folder: Path, names: Sequence[str]) -> list[bytes]:
    return in_threads(lambda name: hashlib.sha256((folder / name).read_bytes()).digest()[:DIGEST_BYTES], names)
