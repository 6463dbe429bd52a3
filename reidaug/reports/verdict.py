"""The verdict of a table in a sentence, and the figures that it stands on."""

from collections.abc import Sequence
from dataclasses import dataclass

from reidaug.evaluation.results import Result
from reidaug.reports.statistics import Comparison, by_set, mean_percent
from reidaug.reports.table import Table
from reidaug.study.controls import is_control
from reidaug.study.folder import PLAIN_SET

CLEAR = {"higher": "clearly above", "lower": "clearly below"}  # verdicts; all others are not clear
NO_CLAIM = ": no claim"  # how the verdicts end that rest on too little

Key = tuple[str, float]  # label of a set, and portion


@dataclass(frozen=True)
class Verdict:
    """What the results of one table say."""

    sentence: str
    figures: tuple[str, ...] = ()  # a sentence for each generated set and portion
    caveats: tuple[str, ...] = ()  # what a reader must not overlook


def judge(table: Table) -> Verdict:
    """The verdict on the generated sets of a table: of each portion, that on the set with the highest mAP."""
    means = {key: mean_percent(results) for key, results in by_set(table.results).items()}
    sets: dict[Key, list[Comparison]] = {}
    for pair in sorted(table.comparisons, key=lambda pair: (pair.portion, -means[pair.name, pair.portion])):
        if not is_control(pair.name):
            sets.setdefault((pair.name, pair.portion), []).append(pair)
    if not sets:
        return Verdict("No set with generated images is compared with the kept images alone yet.")
    best: dict[float, list[Comparison]] = {}
    for (_, portion), pairs in sets.items():
        best.setdefault(portion, pairs)
    portions: dict[str, list[str]] = {}
    for portion, pairs in best.items():
        portions.setdefault(_outcome(pairs), []).append(f"{portion:.2f}")
    sentence = "; ".join(f"at p = {' and '.join(group)}, {outcome}" for outcome, group in portions.items())
    figures = tuple(_figures(pairs, means) for pairs in sets.values())
    return Verdict(f"A{sentence[1:]}.", figures, tuple(_caveats(sets, table.results)))


def _outcome(pairs: Sequence[Comparison]) -> str:
    """What the comparisons of one set say together."""
    name, verdicts = pairs[0].name, [pair.verdict for pair in pairs]
    if reason := next((verdict for verdict in verdicts if verdict.endswith(NO_CLAIM)), None):
        where = f"{abs(pairs[0].gain):.1f} points of mAP {'below' if pairs[0].gain < 0 else 'above'}"
        return f"{name} is {where} {_named(pairs[0])}, which is no claim yet ({reason.removesuffix(NO_CLAIM)})"
    if set(verdicts) == {"higher"}:
        return f"{name} raises mAP"
    if set(verdicts) == {"lower"}:
        return f"{name} lowers mAP"
    if not set(verdicts) & CLEAR.keys():
        return f"{name} makes no clear difference"
    texts = [f"{CLEAR.get(pair.verdict, 'not clearly different from')} {_named(pair)}" for pair in pairs]
    return f"{name} is {', but '.join(texts)}"


def _figures(pairs: Sequence[Comparison], means: dict[Key, float]) -> str:
    name, portion = pairs[0].name, pairs[0].portion
    texts = [
        f"{pair.gain:+.1f} points against {_named(pair)} ({means[pair.reference, portion]:.1f} %; {pair.verdict})"
        for pair in pairs
    ]
    return f"{name}, p = {portion:.2f}: mAP {means[name, portion]:.1f} %, {', '.join(texts)}."


def _named(pair: Comparison) -> str:
    return "the kept images alone" if pair.reference == PLAIN_SET else f"the best control, {pair.reference}"


def _caveats(sets: dict[Key, list[Comparison]], results: Sequence[Result]) -> list[str]:
    """Gains without a control beside them, and generators that have seen what they generate."""
    alone = [f"{portion:.2f}" for (_, portion), pairs in sets.items() if len(pairs) == 1]
    caveats = []
    if alone:
        caveats.append(
            f"No control was trained at p = {' and '.join(dict.fromkeys(alone))}: longer training alone may explain a "
            "gain (reidaug evaluate --controls all)."
        )
    seen = {
        (result.label, result.portion): origin
        for result in results
        if (origin := result.provenance) and (result.label, result.portion) in sets
    }
    for (name, portion), origin in sorted(seen.items()):
        if origin.seen_missing:
            caveats.append(
                f"The generator of {name} was trained on {origin.seen_missing:,} of the {origin.missing:,} images that "
                f"are missing at p = {portion:.2f}: it saw what it generates."
            )
    return caveats
