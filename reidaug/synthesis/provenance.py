"""What a generator was trained on, and how many of the images that it is to generate it has seen."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reidaug.core.fingerprint import DIGITS, file_digest, fingerprint
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import Image, images_fingerprint
from reidaug.datasets.pairs import Pair

DIGEST_BYTES = 6  # of SHA-256: 48 bits, no chance collision among millions of images


def describe_training_images(
    images: Sequence[Image], portion: float | None, pairs: Sequence[Pair] | None = None
) -> dict[str, Any]:
    """What a checkpoint records of its training images.

    Args:
        images: all of them.
        portion: of the study whose kept images they are; None for a whole training set.
        pairs: (condition, target) names where they were read from a file; None where they are all pairs.

    Returns:
        fingerprint, names, portion, and ``digests``: the digest of each file, joined and in base64. With pairs also
        ``pairs``, their own fingerprint; that of the whole covers it, so that other pairs are another training.
    """
    record = {
        "fingerprint": images_fingerprint(images),
        "names": [image.name for image in images],
        "digests": _encode(_digests(images)),
        "portion": portion,
    }
    if pairs is not None:
        own = hashlib.sha256("".join(f"{condition},{target}\n" for condition, target in pairs).encode()).hexdigest()
        record |= {"fingerprint": fingerprint(f"{record['fingerprint']}\0{own}"), "pairs": own[:DIGITS]}
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


def count_seen(images: Sequence[Image], training: Mapping[str, Any]) -> int | None:
    """How many of these images a generator was trained on; None where its checkpoint does not say.

    An image is known again by its bytes, under any name and in any copy of its data set.

    Args:
        images: those to be generated.
        training: the ``training`` record of the checkpoint.
    """
    record = training.get("trained_on")
    seen = _decode(record.get("digests")) if isinstance(record, Mapping) else set()
    return sum(digest in seen for digest in _digests(images)) if seen else None


def _encode(digests: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(sorted(digests))).decode()


def _decode(text: object) -> set[bytes]:
    """The digests in a record; none in one that is broken."""
    try:
        joined = base64.b64decode(text) if isinstance(text, str) else b""
    except ValueError:
        joined = b""
    return {joined[i : i + DIGEST_BYTES] for i in range(0, len(joined), DIGEST_BYTES)}


def _digests(images: Sequence[Image]) -> list[bytes]:
    return in_threads(lambda image: file_digest(image.path)[:DIGEST_BYTES], images)
