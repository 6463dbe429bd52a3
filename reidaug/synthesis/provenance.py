"""The training images of a generator, and how many of the images to generate are among them."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from reidaug.core.fingerprint import DIGITS, file_digest, fingerprint
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import Image, images_fingerprint
from reidaug.datasets.pairs import Pair

DIGEST_BYTES = 6  # of SHA-256: 48 bits, no chance collision among millions of images


def describe_training_images(
    images: Sequence[Image], portion: float | None, pairs: Sequence[Pair] | None = None
) -> dict[str, object]:
    """What a checkpoint records of its training images.

    Args:
        portion: of the study whose kept images they are; None = a whole training set.
        pairs: (condition, target) names if they were read from a file; None = all pairs.

    Returns:
        fingerprint, names, portion, and ``digests``: the digests of the files, joined and in base64. With pairs also
        ``pairs``, their fingerprint, which ``fingerprint`` then covers: other pairs are another training.
    """
    record: dict[str, object] = {
        "fingerprint": images_fingerprint(images),
        "names": [image.name for image in images],
        "digests": _encode(_digests(images)),
        "portion": portion,
    }
    if pairs is not None:
        digest = hashlib.sha256("".join(f"{condition},{target}\n" for condition, target in pairs).encode()).hexdigest()
        record |= {"fingerprint": fingerprint(f"{record['fingerprint']}\0{digest}"), "pairs": digest[:DIGITS]}
    return record


def add_training_images(record: dict[str, object], earlier: Mapping[str, object]) -> dict[str, object]:
    """The record of a run that started from another run's weights: its images count as seen.

    Args:
        record: of this run, by `describe_training_images`.
        earlier: of the run whose weights it started from.

    Returns:
        This run's record with the digests of both (``pona.train`` joins the names), or with None if the earlier run
        recorded none, as the images that it saw are then unknown.
    """
    inherited = _decode(earlier.get("digests"))
    return {**record, "digests": _encode(_decode(record["digests"]) | inherited) if inherited else None}


def count_seen(images: Sequence[Image], training: Mapping[str, object]) -> int | None:
    """How many of some images a generator was trained on; None = its checkpoint does not say.

    Images are compared by their bytes, whatever their names and the copy of the data set. `training` is the record of
    that name in the checkpoint.
    """
    seen = _decode(trained_on(training).get("digests"))
    return sum(digest in seen for digest in _digests(images)) if seen else None


def count_known(
    digests: Mapping[str, bytes], missing: Iterable[str], training: Mapping[str, object]
) -> tuple[int | None, int | None]:
    """How many missing images a generator was trained on, as `count_seen`, and how many besides all: no file is read.

    Args:
        digests: the SHA-256 of all images, by name.
        missing: names of some.
        training: as in `count_seen`.
    """
    seen = _decode(trained_on(training).get("digests"))
    if not seen:
        return None, None
    short = {name: digest[:DIGEST_BYTES] for name, digest in digests.items()}
    return sum(short[name] in seen for name in missing), len(seen - set(short.values()))


def trained_on(training: Mapping[str, object]) -> Mapping[str, object]:
    """The record of the training images in that of a training; empty if there is none."""
    record = training.get("trained_on")
    return record if isinstance(record, Mapping) else {}


def _encode(digests: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(sorted(digests))).decode()


def _decode(text: object) -> set[bytes]:
    """The digests in a record; none if it is broken."""
    try:
        joined = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        joined = b""
    if len(joined) % DIGEST_BYTES:
        return set()
    return {joined[i : i + DIGEST_BYTES] for i in range(0, len(joined), DIGEST_BYTES)}


def _digests(images: Sequence[Image]) -> list[bytes]:
    return in_threads(lambda image: file_digest(image.path)[:DIGEST_BYTES], images)
