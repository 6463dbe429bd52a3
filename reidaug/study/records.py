"""What lies beside a set and tells how it was made: `shrink.json` of a portion, `synthesis.json` of a completed set."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reidaug.core.files import atomic_write
from reidaug.core.records import read_record


@dataclass(frozen=True)
class ShrinkRecord:
    """How a portion was made."""

    portion: float
    keep: str  # per-identity or uniform
    source: str  # nearest or random
    seed: int
    data: str  # path of the data set
    images: str  # fingerprint of its training images
    keypoints: str  # fingerprint of theirs
    copy: bool  # query and gallery are copies
    made: str = ""  # date and time
    report: Mapping[str, Any] = field(default_factory=dict)  # what `reidaug shrink` found

    def settings(self) -> dict[str, Any]:
        """What another shrink must have in common to be the same."""
        return {name: value for name, value in asdict(self).items() if name not in ("made", "report")}


@dataclass(frozen=True)
class SynthesisRecord:
    """How the images of a set were generated; the last two are there once the set is complete."""

    checkpoint: str  # file name
    sha256: str  # of the file
    precision: str  # as asked for
    jpeg: int  # quality
    seen_missing: int | None = None  # missing images that the generator was trained on; None = nobody knows
    training: Mapping[str, Any] = field(default_factory=dict)  # of the generator, for the table

    def conflict(self, other: "SynthesisRecord") -> str:
        """In words, how images made by the other record differ from those of this one; empty where they do not."""
        if self.sha256 != other.sha256:
            ours, theirs = (f"{each.checkpoint} ({each.sha256[:12]})" for each in (self, other))
        elif (self.precision, self.jpeg) != (other.precision, other.jpeg):
            ours, theirs = (f"precision {each.precision}, JPEG quality {each.jpeg}" for each in (self, other))
        else:
            return ""
        return f"made with {ours}, not with {theirs}"


def read_shrink_record(path: Path) -> ShrinkRecord:
    """Reads a `shrink.json`.

    Raises:
        ReidAugError: there is none, or it is broken.
    """
    advice = "run `reidaug shrink`, with --force where the portion is broken"
    return read_record(path, ShrinkRecord, advice)


def read_synthesis_record(path: Path) -> SynthesisRecord:
    """Reads a `synthesis.json`.

    Raises:
        ReidAugError: there is none, or it is broken.
    """
    return read_record(path, SynthesisRecord, "run `reidaug synthesize --force` for this set")


def write_record(path: Path, record: ShrinkRecord | SynthesisRecord) -> None:
    """Writes one, whole or not at all."""
    atomic_write(path, json.dumps(asdict(record), indent=2) + "\n")
