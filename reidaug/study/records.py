"""The records of how sets were made: `shrink.json` of a portion, `synthesis.json` of a completed set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from reidaug.core.files import atomic_write
from reidaug.core.options import LAST_SEED
from reidaug.core.records import Count, Scalar, Within, read_record
from reidaug.study.request import Keep, Source

SYNTHESIS = "synthesis.json"  # in the folder of a completed set


@dataclass(frozen=True)
class ShrinkRecord:
    """How a portion was made."""

    portion: Annotated[float, Within(0.01, 0.99)]
    keep: Keep
    source: Source
    seed: Annotated[int, Within(0, LAST_SEED)]
    data: str  # absolute path of the data set, which is known by its images: it may move
    images: str  # fingerprint of its training images
    keypoints: str  # fingerprint of the keypoints of these images
    copy: bool  # query and gallery are copies
    made: str = ""  # date and time
    report: Mapping[str, Scalar] = field(default_factory=dict)  # of `reidaug shrink`
    beside: str = ""  # path of the data set from the study folder, for both moved together; empty = on another drive
    plan: str = ""  # fingerprint of the plan, see `plan_fingerprint`; empty = made before it was recorded

    def settings(self) -> dict[str, object]:
        """The values in which two equal shrinks agree."""
        others = ("data", "beside", "made", "report", "plan")
        return {name: value for name, value in asdict(self).items() if name not in others}


@dataclass(frozen=True)
class SynthesisRecord:
    """How the images of a set were generated; `seen_missing` and `training` are set once it is complete."""

    checkpoint: str  # file name
    sha256: str  # of the file
    precision: str  # as asked for
    jpeg: Annotated[int, Within(1, 100)]  # quality
    seen_missing: Count | None = None  # missing images that the generator was trained on; None = unknown
    training: Mapping[str, Scalar] = field(default_factory=dict)  # of the generator, for the table
    augmentation: Mapping[str, Scalar] = field(default_factory=dict)  # of `augment`: its settings; else empty

    def conflict(self, other: "SynthesisRecord") -> str:
        """In words, how the settings of this record differ from those of another; empty if they are the same."""
        if self.sha256 != other.sha256:
            ours, theirs = (f"{record.checkpoint} ({record.sha256[:12]})" for record in (self, other))
        elif (self.precision, self.jpeg) != (other.precision, other.jpeg):
            ours, theirs = (f"precision {record.precision}, JPEG quality {record.jpeg}" for record in (self, other))
        elif self.augmentation != other.augmentation:
            both = {**self.augmentation, **other.augmentation}
            names = [name for name in both if self.augmentation.get(name) != other.augmentation.get(name)]
            ours, theirs = (record._settings(names) for record in (self, other))
        else:
            return ""
        return f"made with {ours}, not with {theirs}"

    def _settings(self, names: Sequence[str]) -> str:
        """Some settings of `augment` in words, or that the set follows the plan of its portion."""
        values = {name.replace("_", " "): self.augmentation.get(name) for name in names}
        given = [f"{name} {value}" for name, value in values.items() if value is not None]
        return ", ".join(given) or "the plan of the portion"


def read_shrink_record(path: Path) -> ShrinkRecord:
    """Read a `shrink.json`.

    Raises:
        ReidAugError: there is none, or it is broken.
    """
    return read_record(path, ShrinkRecord, "run `reidaug shrink`, with --force if the portion is broken")


def read_synthesis_record(path: Path) -> SynthesisRecord:
    """Read a `synthesis.json`.

    Raises:
        ReidAugError: there is none, or it is broken.
    """
    return read_record(path, SynthesisRecord, "run `reidaug synthesize --force` for this set")


def write_record(path: Path, record: ShrinkRecord | SynthesisRecord) -> None:
    """Write a record, whole or not at all."""
    atomic_write(path, json.dumps(asdict(record), indent=2) + "\n")
