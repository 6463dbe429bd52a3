"""The notes below the mAP table: what a reader must know to judge it."""

from collections.abc import Mapping, Sequence
from typing import Any

from reidaug.evaluation.results import Result
from reidaug.reports.grids import seen_text
from reidaug.reports.statistics import mean_percent, spread_over_seeds
from reidaug.study.controls import CONTROLS, MATCHED
from reidaug.study.folder import PLAIN_SET
from reidaug.study.training_sets import FULL_SET

CONVENTIONS = (
    "trapezoid: the AP of the official Market-1501 code and of the paper; plain: torchreid, fast-reid, scikit-learn"
)


def notes(results: Sequence[Result]) -> list[str]:
    """What a reader must know to judge the table of some results."""
    lines = [CONVENTIONS]
    lines += _origins(results) + _copies(results) + _lost_people(results) + _gaps_of_chance(results)
    names = {result.set for result in results}
    if PLAIN_SET in names and MATCHED not in names:
        lines.append(
            "equal epochs, not equal iterations: none takes fewer steps than the completed and full sets "
            f"(--controls {MATCHED} gives it as many)"
        )
    if controls := [f"{name}: {control.description}" for name, control in CONTROLS.items() if name in names]:
        lines.append(f"controls, which cost nothing: {'; '.join(controls)}")
    if without := max(result.queries_without_match for result in results):
        lines.append(f"{without} queries have no right gallery image and do not count")
    machines = sorted({_machine(result) for result in results})
    if len(machines) > 1:
        lines.append(f"computed in several ways ({'; '.join(machines)}); the same seed differs by rounding")
    versions = sorted({versions_text(result) for result in results})
    if len(versions) > 1:
        lines.append(f"computed by several versions ({'; '.join(versions)}): another --study keeps them apart")
    if len({result.seed for result in results}) == 1:
        lines.append("one seed: small differences may be chance; --seeds 3 shows the spread")
    else:
        lines.append(
            "seeds vary the training of the baseline only: all share one draw of kept images and one generator each"
        )
    return lines


def _origins(results: Sequence[Result]) -> list[str]:
    """What the generators of the sets have seen of the missing images."""
    known, unknown = [], []
    for (label, portion), result in sorted({(each.label, each.portion): each for each in reversed(results)}.items()):
        origin = result.provenance
        if origin is not None and origin.seen_missing is not None:
            seen = origin.seen_missing
            verdict = "none of them" if seen == 0 else f"{seen:,} of them: its training saw what it paints"
            known.append(
                f"{label}, p = {portion:.2f}: of {origin.missing:,} missing images the generator was trained on "
                f"{verdict} (protocol {origin.protocol or 'unknown'}{_training(origin.generator)})"
            )
        elif seen_text(result) == "unknown":
            unknown.append(
                f"{label}, p = {portion:.2f}: the generator's checkpoint does not say what it was trained on"
            )
    return known + unknown


def _training(generator: Mapping[str, Any]) -> str:
    start = f", its training started from {generator['started_from']}" if generator.get("started_from") else ""
    return start + (", selected by L1 on people of the test split" if generator.get("selected_on") else "")


def _copies(results: Sequence[Result]) -> list[str]:
    """Of the images that count as synthetic, those that nobody generated."""
    counts = {
        (result.label, result.portion): (result.provenance.copied, result.synthetic)
        for result in results
        if result.provenance and result.provenance.copied
    }
    return [
        f"{label}, p = {portion:.2f}: {copied:,} of {synthetic:,} synthetic images are copies, for lack of a pose"
        for (label, portion), (copied, synthetic) in sorted(counts.items())
    ]


def _lost_people(results: Sequence[Result]) -> list[str]:
    """The portions at which nobody has kept an image of some people, so that no set there has one of them."""
    everyone = max((result.identities for result in results if result.set == FULL_SET), default=0)
    left = {result.portion: result.identities for result in results if result.set == PLAIN_SET}
    return [
        f"p = {portion:.2f}: {everyone - people} of {everyone} people have no image left and are in no set but full"
        for portion, people in sorted(left.items())
        if people < everyone
    ]


def _gaps_of_chance(results: Sequence[Result]) -> list[str]:
    """The portions at which the gap that is to be recovered may itself be chance."""
    full = [result for result in results if result.set == FULL_SET]
    lines = []
    for portion in sorted({result.portion for result in results if result.set == PLAIN_SET}):
        none = [result for result in results if (result.set, result.portion) == (PLAIN_SET, portion)]
        spread = spread_over_seeds(full, none)
        if spread is not None and mean_percent(full) - mean_percent(none) <= spread:
            lines.append(
                f"p = {portion:.2f}: full is not above none by more than the spread of seeds (± {spread:.1f}), so a "
                "gap recovered says nothing there"
            )
    return lines


def _machine(result: Result) -> str:
    """On what a result was computed."""
    if result.device != "cpu":
        return f"{result.device} {result.precision}"
    return f"{result.processor} {result.precision}, {result.threads} threads"


def versions_text(result: Result) -> str:
    """By what a result was computed."""
    return ", ".join(f"{name} {version}" for name, version in sorted(result.versions.items()))
