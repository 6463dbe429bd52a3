"""`results.jsonl`: one line per trained and scored baseline; append-only, safe with several writers."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import fingerprint, refuse_pipe
from reidaug.core.locks import lock_file
from reidaug.core.options import LAST_SEED
from reidaug.core.records import Count, FileName, Fraction, Like, Seconds, Within, record_of
from reidaug.study.training_sets import Provenance

_LOG = logging.getLogger("reidaug")

# Key, set, portion and asked weights: two sets of equal images share a key, but not a row of a table.
RowKey = tuple[str, str, float, str]
# Of a training set; that of a control may have blanks: "duplicate for augmented".
SetName = Annotated[str, Like(r"[\w.-]+( [\w.-]+)*", "words of letters, digits, '.', '_' and '-'")]
Epochs = Annotated[int, Within(1, 10**6)]
# Equal in one table.
TABLE_FIELDS = ("recipe", "arch", "weights", "epochs", "asked_precision", "same_camera", "test_fingerprint")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One trained and scored baseline. Scores are fractions."""

    key: FileName  # what the result depends on, see `result_key`
    set: SetName
    portion: Annotated[float, Within(0.01, 1)]  # 1 for the full set
    epochs: Epochs  # of the recipe that was asked for
    synthetic: Count  # number of generated or copied images
    reduced_fingerprint: str | None = None  # of the kept images that the set completes; None for the full set
    provenance: Provenance | None = None  # of generated images; in JSON its fields stand beside the others
    recipe: str
    arch: str
    weights: str  # that were asked for: none, imagenet, or a file's name and digest
    trained_weights: str | None = None  # what the training started from if not these: a control may have others
    trained_epochs: Epochs  # of the training; a control may have others
    care: Mapping[str, float]  # how generated images are treated differently from real ones
    seed: Annotated[int, Within(0, LAST_SEED)]
    images: Count  # in the training set
    identities: Count
    training_fingerprint: str
    configuration: Mapping[str, object]  # the whole recipe, network and weights
    mean_ap: Fraction  # plain
    mean_ap_trapezoid: Fraction
    mean_inp: Fraction
    rank1: Fraction
    rank5: Fraction
    rank10: Fraction
    queries: Count  # that count
    queries_without_match: Count
    test_fingerprint: str  # of query and gallery
    versions: Mapping[str, str]
    device: str
    precision: str  # of the computation
    processor: str
    threads: Count
    time: str
    command: str
    asked_precision: str | None = None  # None = auto
    same_camera: str | None = None  # count: gallery images of a query's own camera do; None = they are ignored
    seconds: Seconds
    rerank_mean_ap: Fraction | None = None
    rerank_mean_ap_trapezoid: Fraction | None = None
    rerank_rank1: Fraction | None = None
    reranking: Mapping[str, float] | None = None  # its settings

    @property
    def row_key(self) -> RowKey:
        """Identifies the row: of the results with equal ones only the newest counts."""
        return self.key, self.set, self.portion, self.weights

    @property
    def table(self) -> tuple[object, ...]:
        """What results must have in common to be in one table: the values of `TABLE_FIELDS`."""
        return tuple(getattr(self, name) for name in TABLE_FIELDS)

    @property
    def label(self) -> str:
        """The set, and how its generated images were treated if not as real ones."""
        care = ", ".join(f"{name} {value:g}" for name, value in self.care.items())
        care = care.replace("synthetic_", "").replace("_", " ")
        return f"{self.set} ({care})" if care else self.set

    @property
    def length(self) -> str:
        """The requested epochs in words."""
        return f"{self.epochs} epoch{'s' * (self.epochs > 1)}"

    def values(self) -> dict[str, object]:
        """As a JSON object, without the fields that are None."""
        values: dict[str, object] = {}
        for name, value in asdict(self).items():
            if name == "provenance":
                values |= value or {}
            elif value is not None or name == "reduced_fingerprint":
                values[name] = value
        return values


def result_of(values: object, where: str) -> Result:
    """The result in a JSON object.

    Args:
        values: the parsed line.
        where: file and line, for messages.

    Raises:
        ReidAugError: a field that is missing, of another type or out of range; the message names it.
    """
    advice = "remove the line, or name another --study"
    result = record_of(Result, values, where, advice)
    if isinstance(values, dict) and "missing" in values:
        origin = record_of(Provenance, values, where, advice)
        result = replace(result, provenance=origin)
        for name, count in (("copied", origin.copied), ("seen_missing", origin.seen_missing or 0)):
            if count > origin.missing:
                raise ReidAugError(f"{where}: {name} is {count}, expected at most missing, {origin.missing}: {advice}")
    if result.portion != round(result.portion, 2):
        raise ReidAugError(f"{where}: portion is {result.portion}, expected at most two decimals: {advice}")
    scores = (result.rerank_mean_ap, result.rerank_mean_ap_trapezoid, result.rerank_rank1)
    if result.reranking is not None and None in scores:
        raise ReidAugError(f"{where}: reranking is given, expected its three scores too: {advice}")
    return result


def result_key(training_fingerprint: str, test_fingerprint: str, configuration: dict[str, object], seed: int) -> str:
    """16 hexadecimal digits of all that a result depends on: equal keys are the same experiment."""
    return fingerprint(json.dumps([training_fingerprint, test_fingerprint, configuration, seed], sort_keys=True))


def append_result(path: Path, result: Result) -> None:
    """Appends a line in one locked write; first ends a line that a crash left unfinished."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        lock_file(file.fileno(), path)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        start = b"" if file.read() in (b"", b"\n") else b"\n"
        try:
            file.write(start + json.dumps(result.values()).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, size)
            raise


def read_results(path: Path) -> list[Result]:
    """The newest result of each row key, in the order of writing.

    A line that is not JSON, as a crash leaves it, is passed over, and logged with its number.

    Raises:
        ReidAugError: a JSON line that is no result; the message names line and field.
    """
    if not path.exists():
        return []
    refuse_pipe(path)
    results: dict[RowKey, Result] = {}
    broken: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").split("\n"), 1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            broken += [str(number)] if line.strip() else []
            continue
        result = result_of(values, f"{path} line {number}")
        results.pop(result.row_key, None)  # a result that is written again moves to the end
        results[result.row_key] = result
    if broken:
        _LOG.warning("%s line %s: no JSON, passed over; mend or remove it", path, ", ".join(broken))
    return list(results.values())


def current_results(results: Sequence[Result]) -> list[Result]:
    """The results of the newest images: without those of sets that were made again since.

    Of each table and portion these are the sets that complete the kept images of the newest result, of each set the
    results of its newest images, and of each seed the newest result.

    Args:
        results: in the order of writing.
    """
    newest = {_set_of(result): result.training_fingerprint for result in results}
    completing = [result for result in results if result.reduced_fingerprint]
    newest_reduced = {(result.table, result.portion): result.reduced_fingerprint for result in completing}
    current: dict[tuple[object, ...], Result] = {}
    for result in results:
        reduced = result.reduced_fingerprint
        is_reduced_newest = not reduced or reduced == newest_reduced[result.table, result.portion]
        if is_reduced_newest and result.training_fingerprint == newest[_set_of(result)]:
            current[_set_of(result), json.dumps(dict(result.care), sort_keys=True), result.seed] = result
    return list(current.values())


def _set_of(result: Result) -> tuple[object, ...]:
    return result.table, result.set, result.portion
