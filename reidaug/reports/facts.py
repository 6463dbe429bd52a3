"""The last section of the report: settings, versions, commands and fingerprints."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reidaug.evaluation.results import Result
from reidaug.reports.grids import row_order
from reidaug.reports.notes import versions_text
from reidaug.study.folder import Study
from reidaug.study.records import SynthesisRecord


@dataclass(frozen=True)
class Listing:
    """Lines of text below a header."""

    title: str
    header: list[str]
    lines: list[list[str]]


@dataclass(frozen=True)
class Facts:
    """By what the results can be checked and computed again."""

    grids: list[Listing] = field(default_factory=list)  # portions, generated sets, baselines
    commands: list[str] = field(default_factory=list)  # that computed the results
    configurations: list[str] = field(default_factory=list)  # of the baselines, in JSON


def gather_facts(
    study: Study, results: Sequence[Result], records: Mapping[tuple[float, str], SynthesisRecord]
) -> Facts:
    """What a study and its results record of themselves.

    Args:
        study: its folder.
        results: of its baselines.
        records: of its generated sets, by portion and name.
    """
    grids: list[Listing] = []
    ordered = sorted(results, key=row_order)
    if shrinks := study.shrink_records():
        header = ["p", "keep", "source", "seed", "kept", "missing", "people", "images", "keypoints", "data set"]
        lines = []
        for portion, record in shrinks.items():
            counts = [str(record.report.get(name, "-")) for name in ("kept", "missing", "identities")]
            settings = [f"{portion:.2f}", record.keep, record.source, str(record.seed)]
            lines.append([*settings, *counts, record.images, record.keypoints, record.data])
        grids.append(Listing("portions", header, lines))
    if records:
        header = ["set", "p", "generator", "SHA-256", "missing images seen", "precision", "JPEG", "training"]
        lines = []
        for (portion, name), made in records.items():
            seen = "unknown" if made.seen_missing is None else str(made.seen_missing)
            training = ", ".join(f"{key} {value}" for key, value in made.training.items() if value is not None)
            values = [made.checkpoint, made.sha256[:16], seen, made.precision, str(made.jpeg), training]
            lines.append([name, f"{portion:.2f}", *values])
        grids.append(Listing("generated sets", header, lines))
    if ordered:
        header = ["set", "p", "seed", "training images", "test images", "key", "device", "seconds", "time", "versions"]
        lines = [
            [
                *(result.label, f"{result.portion:.2f}", str(result.seed)),
                *(result.training_fingerprint, result.test_fingerprint, result.key),
                f"{result.processor if result.device == 'cpu' else result.device} {result.precision}",
                *(f"{result.seconds:.0f}", result.time, versions_text(result)),
            ]
            for result in ordered
        ]
        grids.append(Listing("baselines", header, lines))
    configurations = [json.dumps(dict(result.configuration)) for result in results]
    commands = [result.command for result in results]
    return Facts(grids, list(dict.fromkeys(commands)), list(dict.fromkeys(configurations)))
