"""The notes below the mAP table."""

from collections.abc import Mapping, Sequence

from reidaug.core.progress import duration
from reidaug.evaluation.results import Result
from reidaug.evaluation.start import RENDERED
from reidaug.reports.grids import seen_text
from reidaug.reports.statistics import mean_percent, spread_over_seeds, summarise
from reidaug.study.controls import CONTROLS, MATCHED, RENDERED_FIRST, control_of, made_for
from reidaug.study.folder import PLAIN_SET
from reidaug.study.training_sets import FULL_SET

CONVENTIONS = (
    "trapezoid: the AP of the official Market-1501 code and of the paper; plain: torchreid, fast-reid, scikit-learn"
)

COMPARED = (
    "these generators were trained with this program, those of the paper's Table VI by their authors: compare rows "
    "of one table only"
)


def notes(results: Sequence[Result]) -> list[str]:
    """What a reader must know to judge the table of some results."""
    lines = [
        CONVENTIONS,
        *_origins(results),
        *_methods(results),
        *_other_people(results),
        *_copies(results),
        *_lost_people(results),
        *_unclear_gaps(results),
        *_no_gaps(results),
    ]
    names = {control_of(result.set) for result in results}
    if PLAIN_SET in names and MATCHED not in names:
        lines.append(
            "equal epochs, not equal iterations: none takes fewer steps than the completed and full sets "
            f"(--controls {MATCHED} gives it as many)"
        )
    if controls := [f"{name}: {control.description}" for name, control in CONTROLS.items() if name in names]:
        lines.append(f"controls, which cost nothing: {'; '.join(controls)}")
    if sized := sorted({name for result in results if (name := made_for(result.set))}):
        lines.append(f"controls for {', '.join(sized)} have as many images, or iterations, as that set, not as full")
    if without := max(result.queries_without_match for result in results):
        lines.append(f"{without} queries have no right gallery image and do not count")
    if any(result.same_camera for result in results):
        lines.append(
            "gallery images of a query's person by its own camera count: not Market-1501's protocol, so never compare "
            "these scores with others"
        )
    machines = sorted(set(map(_machine, results)))
    if len(machines) > 1:
        lines.append(f"computed in several ways ({'; '.join(machines)}); the same seed differs by rounding")
    versions = sorted(set(map(versions_text, results)))
    if len(versions) > 1:
        lines.append(f"computed by several versions ({'; '.join(versions)}): another --study keeps them apart")
    if len({result.seed for result in results}) == 1:
        lines.append("one seed: small differences may be chance; --seeds 3 shows the spread")
    else:
        lines.append("seeds vary the training of the baseline only: kept images and generators are the same for all")
    return lines


def _origins(results: Sequence[Result]) -> list[str]:
    """How many of the missing images the generator of each set was trained on."""
    stated, unknown = [], []
    sets = {(result.label, result.portion): result for result in reversed(results)}
    for (label, portion), result in sorted(sets.items()):
        name, origin = f"{label}, p = {portion:.2f}", result.provenance
        if origin is not None and origin.seen_missing is not None:
            seen = f"{origin.seen_missing:,} of them: its training saw what it generates"
            stated.append(
                f"{name}: of {origin.missing:,} missing images the generator was trained on "
                f"{seen if origin.seen_missing else 'none of them'} "
                f"(protocol {origin.protocol or 'unknown'}{_training(origin.generator)})"
            )
        elif origin is not None and origin.generator.get("adopted"):
            unknown.append(
                f"{name}: images of another program; whether it was trained on the missing images is not known, and if "
                "it was, its row says too much"
            )
        elif seen_text(result) == "unknown":
            unknown.append(f"{name}: the generator's checkpoint does not say what it was trained on")
    return stated + unknown


def _training(generator: Mapping[str, object]) -> str:
    words = [str(generator["method"])] if generator.get("method") else []
    if isinstance(iteration := generator.get("iteration"), int) and iteration:
        seconds = generator.get("seconds")
        took = f" in {duration(seconds)}" if isinstance(seconds, int | float) else ""
        length = f"{iteration:,} iterations of {generator.get('batch_size')}{took}"
        words.append(f"preset {generator.get('preset')}, {length}")
    if generator.get("started_from"):
        words.append(f"its training started from {generator['started_from']}")
    if generator.get("selected_on"):
        words.append("selected by L1 on people of the test split")
    return "".join(f", {word}" for word in words)


def _methods(results: Sequence[Result]) -> list[str]:
    """That generators of several methods are compared, and how the paper's comparison differs."""
    methods = {result.provenance.generator.get("method") for result in results if result.provenance}
    return [COMPARED] if len(methods - {None}) > 1 else []


def _other_people(results: Sequence[Result]) -> list[str]:
    """The sets whose generator learnt from images that are not of the study, if no control learnt from any."""
    if any(control_of(result.set) == RENDERED_FIRST or result.weights.startswith(f"{RENDERED}:") for result in results):
        return []
    counts = {
        result.label: count
        for result in results
        if result.provenance and isinstance(count := result.provenance.generator.get("other_images"), int) and count > 0
    }
    return [
        f"{label}: the generator learnt from {count:,} images of other people, and no control here has them; "
        f"--controls {RENDERED_FIRST} has those of the shipped generator"
        for label, count in sorted(counts.items())
    ]


def _copies(results: Sequence[Result]) -> list[str]:
    """How many of the images that count as synthetic are copies."""
    counts = {
        (result.label, result.portion): f"{result.provenance.copied:,} of {result.synthetic:,}"
        for result in results
        if result.provenance and result.provenance.copied
    }
    return [
        f"{label}, p = {portion:.2f}: {count} synthetic images are copies, for lack of a pose"
        for (label, portion), count in sorted(counts.items())
    ]


def _lost_people(results: Sequence[Result]) -> list[str]:
    """The portions at which some people have no kept image, so that they are in no set but the full one."""
    everyone = max((result.identities for result in results if result.set == FULL_SET), default=0)
    left = {result.portion: result.identities for result in results if result.set == PLAIN_SET}
    return [
        f"p = {portion:.2f}: {everyone - people} of {everyone} people have no image left and are in no set but full"
        for portion, people in sorted(left.items())
        if people < everyone
    ]


def _unclear_gaps(results: Sequence[Result]) -> list[str]:
    """The portions at which the difference between full and none may be chance."""
    full = [result for result in results if result.set == FULL_SET]
    lines = []
    for portion in sorted({result.portion for result in results if result.set == PLAIN_SET}):
        none = [result for result in results if (result.set, result.portion) == (PLAIN_SET, portion)]
        spread = spread_over_seeds(full, none)
        if spread is not None and mean_percent(full) - mean_percent(none) <= spread:
            lines.append(
                f"p = {portion:.2f}: full is not above none by more than the spread of seeds (± {spread:.1f}), so a "
                "gap recovered means nothing there"
            )
    return lines


def _no_gaps(results: Sequence[Result]) -> list[str]:
    """Why sets have no row of a gap recovered."""
    summaries = [summary for summary in summarise(results) if summary.name not in (PLAIN_SET, FULL_SET)]
    known = {summary.name for summary in summaries if summary.gap_recovered is not None}
    names = dict.fromkeys(summary.name for summary in summaries if summary.name not in known)
    if not names:
        return []
    missing = [name for name in (PLAIN_SET, FULL_SET) if name not in {result.set for result in results}]
    reason = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in this table"
    if not missing:
        reason = "full is not above none at these portions, or by less than it can be told"
    return [f"no gap recovered by {', '.join(names)}: {reason}"]


def _machine(result: Result) -> str:
    if result.device != "cpu":
        return f"{result.device} {result.precision}"
    return f"{result.processor} {result.precision}, {result.threads} threads"


def versions_text(result: Result) -> str:
    """The versions of the packages that a result was computed with."""
    return ", ".join(f"{name} {version}" for name, version in sorted(result.versions.items()))
