"""The records of sets: there and back, and what tells two of them apart."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.study.records import (
    ShrinkRecord,
    SynthesisRecord,
    read_shrink_record,
    read_synthesis_record,
    write_record,
)

SHRINK = ShrinkRecord(0.4, "per-identity", "nearest", 3, "/data", "abc", "def", False, "now", {"kept": 14})
SYNTHESIS = SynthesisRecord("pona.pt", "0123456789abcdef", "bf16", 95, None, {"protocol": "paper"})


@pytest.mark.parametrize(
    ("record", "read", "command"),
    [(SHRINK, read_shrink_record, "reidaug shrink"), (SYNTHESIS, read_synthesis_record, "reidaug synthesize --force")],
)
def test_a_record_goes_there_and_back(tmp_path: Path, record: Any, read: Callable[[Path], Any], command: str) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(ReidAugError, match=command):
        read(path)
    write_record(path, record)
    assert read(path) == record
    path.write_text(path.read_text()[:40])
    with pytest.raises(ReidAugError, match=rf"record\.json.*{command}"):
        read(path)


def test_equal_shrinks_agree_in_their_settings() -> None:
    assert replace(SHRINK, made="later", report={}, data="moved").settings() == SHRINK.settings()
    assert {"portion", "seed", "images", "keypoints", "copy"} <= SHRINK.settings().keys()


@pytest.mark.parametrize(
    ("change", "conflict"),
    [
        ({"seen_missing": 3, "training": {}, "checkpoint": "renamed.pt"}, ""),
        ({"sha256": "fedcba9876543210"}, r"pona.pt \(0123456789ab\), not with pona.pt \(fedcba987654\)"),
        ({"precision": "fp32"}, "precision bf16, .*not with precision fp32"),
        ({"augmentation": {"seed": 3}}, "made with the plan of the portion, not with seed 3"),
        ({"jpeg": 90}, "JPEG quality 95, not with .*JPEG quality 90"),
    ],
)
def test_a_conflict_is_said_in_words(change: dict[str, Any], conflict: str) -> None:
    said = SYNTHESIS.conflict(replace(SYNTHESIS, **change))
    assert re.search(conflict, said) and bool(said) == bool(conflict)
