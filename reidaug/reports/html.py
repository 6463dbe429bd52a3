"""The report of a study: one HTML file that needs nothing else, whatever the study lacks."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, check_file, check_out
from reidaug.core.fingerprint import file_digest
from reidaug.evaluation.identity import load_identity
from reidaug.evaluation.results import Result, current_results, read_results
from reidaug.evaluation.start import RENDERED
from reidaug.reports.chart import Chart
from reidaug.reports.curves import colours_of_sets, map_chart, training_charts
from reidaug.reports.examples import MEASURED, Examples, Features, draw_examples, find_generated
from reidaug.reports.facts import Facts, gather_facts
from reidaug.reports.grids import Grid, detail_grid, setting_name
from reidaug.reports.page import render
from reidaug.reports.request import ReportRequest
from reidaug.reports.side_by_side import SideBySide, choose_results, compare_lists
from reidaug.reports.table import Table, make_tables
from reidaug.reports.verdict import Verdict, judge
from reidaug.study.folder import PLAIN_SET, Study
from reidaug.study.records import SynthesisRecord
from reidaug.study.training_sets import FULL_SET
from reidaug.synthesis.painter import checkpoint_file, shipped_checkpoint

LARGEST = 5_000_000  # bytes of the file
QUALITIES = (80, 60, 40, 20)  # of the images; the first at which the file is small enough
QUERIES = 8  # one query is shown for so many images


@dataclass(frozen=True)
class Missing:
    """What the study lacks, and the command that makes it."""

    what: str
    command: str = ""


@dataclass(frozen=True)
class Judged:
    """A table with its verdict and chart."""

    setting: str
    table: Table
    verdict: Verdict
    chart: Chart
    details: Grid  # each baseline


@dataclass
class Report:
    """All that the page shows."""

    study: str  # its name
    photos: bool
    results: str = ""  # how many there are, and of which day
    tables: list[Judged] = field(default_factory=list)
    examples: list[Examples] = field(default_factory=list)
    judge: str = ""  # the network that measures identity
    lists: SideBySide | None = None
    trainings: dict[str, list[Chart]] = field(default_factory=dict)  # of each generator, by name
    facts: Facts = field(default_factory=Facts)
    missing: dict[str, list[Missing]] = field(default_factory=dict)  # by section

    def lacks(self, section: str, what: str, command: str = "") -> None:
        self.missing.setdefault(section, []).append(Missing(what, command))


def write_report(study: Study, request: ReportRequest, out: Path) -> Report:
    """Writes the report of a study as one HTML file, whole or not at all.

    Args:
        study: its folder; what it lacks is said on the page.
        request: what is shown.
        out: the file.

    Returns:
        What the page shows.

    Raises:
        ReidAugError: nowhere to write, no study, or results, manifests, records or a named network that cannot be read.
    """
    check_out(out)
    request = replace(request, checkpoints=tuple(map(checkpoint_file, request.checkpoints)))
    if request.reid is not None:
        check_file(request.reid, "--reid")
    results = current_results(read_results(study.results_path))
    if not results and not study.portions():
        raise ReidAugError(f"no study at {study.path}: run `reidaug shrink --portion 0.4` first, or name its folder")
    report = Report(study.path.resolve().name, not request.no_photos)
    records = {
        (portion, name): record
        for portion in study.portions()
        for name, record in study.synthesis_records(portion).items()
    }
    _add_results(report, study, results)
    _add_examples(report, study, results, request)
    _add_lists(report, study, results, request)
    _add_trainings(report, study, records, request)
    report.facts = gather_facts(study, results, records)
    for quality in QUALITIES:
        page = render(report, quality)
        if len(page) <= LARGEST:
            break
    else:
        raise ReidAugError(f"the report has {len(page):,} bytes: show fewer images (--images)")
    atomic_write(out, page)
    return report


def _command(study: Study, text: str) -> str:
    return f"reidaug {text} --study {shlex.quote(str(study.path))}"


def _save_models(study: Study, results: Sequence[Result]) -> str:
    """The command that keeps networks and features, with the settings of the newest result."""
    if not results:
        return _command(study, "evaluate --save-models")
    newest, kind = results[-1], results[-1].weights.split(":")[0]
    weights = kind if kind in ("none", "imagenet", RENDERED) else "FILE"
    setting = f"--recipe {newest.recipe} --arch {newest.arch} --weights {weights} --epochs {newest.epochs}"
    return _command(study, f"evaluate {setting} --save-models")


def _add_results(report: Report, study: Study, results: Sequence[Result]) -> None:
    if not results:
        report.lacks("results", "There are no results yet.", _command(study, "evaluate"))
        return
    newest = max(result.time for result in results)
    report.results = f"{len(results)} baseline{'s' * (len(results) > 1)}, the newest of {newest[:10]}"
    colours = colours_of_sets(results)
    for table in make_tables(results, study.queries_path):
        drawn, details = map_chart(table.results, colours), detail_grid(table.results)
        report.tables.append(Judged(setting_name(table.results[0]), table, judge(table), drawn, details))
    if FULL_SET not in {result.set for result in results}:
        report.lacks("results", "The full set has not been evaluated.", _command(study, "evaluate"))


def _add_examples(report: Report, study: Study, results: Sequence[Result], request: ReportRequest) -> None:
    for portion in study.portions():
        for name in study.unfinished_sets(portion):
            what = f"The set {name} at p = {portion:.2f} is not complete."
            report.lacks("examples", what, _command(study, "synthesize --ckpt FILE"))
    generated = find_generated(study)
    if not generated:
        if "examples" not in report.missing:
            what = "There are no generated images yet."
            report.lacks("examples", what, _command(study, "synthesize --ckpt shipped"))
        return
    features = _judge_of_identity(report, study, results, request)
    count, measured = (max(1, total // len(generated)) for total in (request.images, MEASURED))
    for (portion, name), manifest in generated.items():
        try:
            report.examples.append(
                draw_examples(
                    study,
                    portion,
                    name,
                    manifest,
                    count=count,
                    measured=measured,
                    features=features,
                    photos=report.photos,
                    seed=request.seed,
                )
            )
        except ReidAugError as error:
            report.lacks("examples", f"{name}, p = {portion:.2f}: {error}.")


def _judge_of_identity(
    report: Report, study: Study, results: Sequence[Result], request: ReportRequest
) -> Features | None:
    """The named network, else one of the study: that of the full set before that of the kept images and the others."""
    if request.reid is not None:
        report.judge = request.reid.name
        return load_identity(request.reid, request.device)
    order = [FULL_SET, PLAIN_SET]
    saved = [result for result in results if study.model_path(result.key).is_file()]
    if not saved:
        what = "Identity similarity needs a trained re-ID network, and the study keeps none."
        report.lacks("examples", what, _save_models(study, results))
        return None
    of = min(saved, key=lambda one: (order.index(one.set) if one.set in order else len(order), one.seed))
    try:
        features = load_identity(study.model_path(of.key), request.device)
    except ReidAugError as error:
        report.lacks("examples", f"{error}.", _save_models(study, results))
        return None
    report.judge = f"that was trained on {of.set}, p = {of.portion:.2f}, seed {of.seed}"
    return features


def _add_lists(report: Report, study: Study, results: Sequence[Result], request: ReportRequest) -> None:
    command = _save_models(study, results)
    chosen = choose_results(results, study)
    if chosen is None:
        what = "Ranked lists need the features of the kept images alone and of another set, and the study keeps none."
        report.lacks("lists", what, command)
        return
    try:
        count = max(3, request.images // QUERIES)
        report.lists = compare_lists(study, *chosen, count=count, photos=report.photos, seed=request.seed)
    except ReidAugError as error:
        report.lacks("lists", f"{error}.", command)


def _add_trainings(
    report: Report, study: Study, records: Mapping[tuple[float, str], SynthesisRecord], request: ReportRequest
) -> None:
    generators = dict[str, tuple[str, list[Path]]]()  # by digest: name, and where it may lie
    for (portion, _), record in records.items():
        adapted, file = study.adapted_path(portion), record.checkpoint
        name = f"{file}, p = {portion:.2f}" if file == adapted.name else file
        generators[record.sha256] = (
            name,
            [folder / file for folder in (Path(), study.path, study.path.parent, adapted.parent)],
        )
    given = {_digest(path): path for path in request.checkpoints}
    for digest, path in given.items():
        if digest not in generators:
            report.lacks("training", f"{path} generated none of the sets of this study.")
    for digest, (name, places) in generators.items():
        here = given.get(digest) or next((path for path in places if path.is_file() and _digest(path) == digest), None)
        logs = [] if here is None else [here.with_name(f"{run}.jsonl") for run in _run_names(here.name)]
        if log := next((log for log in logs if log.is_file()), None):
            try:
                report.trainings[name] = training_charts(log)
            except ReidAugError as error:
                report.lacks("training", f"{error}.")
        elif digest == _digest(shipped_checkpoint()):
            report.lacks("training", f"{name} is the generator of the package, which comes without its log.")
        elif here is not None:
            report.lacks("training", f"{here} has no log beside it: {logs[0].name}, as reidaug train writes it.")
        else:
            what = f"{name} (SHA-256 {digest[:12]}) is not here: say where it is, with its log beside it."
            report.lacks("training", what, _command(study, f"report --ckpt {shlex.quote(places[0].name)}"))
    if not generators:
        portion = next(iter(study.portions()), 0.4)
        command = _command(study, f"train --portion {portion:g} --out pona.pt")
        report.lacks("training", "No generator has been used yet.", command)


def _digest(path: Path) -> str:
    return file_digest(path).hex()


def _run_names(name: str) -> list[str]:
    """The names of a training's output for which the log may be called: ``pona.best.pt`` is of ``pona.pt``."""
    return list(dict.fromkeys([name, name.replace(".best.", ".")]))
