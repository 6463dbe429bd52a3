"""Results of the commands as tables for people and as plain values for `--json`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Group, RenderableType

from reidaug.cli.doctor import Check, Found
from reidaug.datasets.inspection import Inspection
from reidaug.reports.drawing import DrawnTable, Words
from reidaug.synthesis.profile import Profile

SHOWN_PER_KIND = 5  # problems of one kind that are printed; `--json` has all


def inspection_table(inspection: Inspection) -> RenderableType:
    """Counts of each split, then the problems by kind."""
    header = ("split", "images", "identities", "junk", "distractors", "with keypoints", "usable poses", "cameras")
    rows = []
    for split in inspection.splits:
        counts = (split.images, split.identities, split.junk, split.distractors, split.annotated, split.poses)
        cameras = "  ".join(f"{camera}: {count:,}" for camera, count in sorted(split.images_of_camera.items()))
        rows.append([split.split, *(f"{count:,}" for count in counts), cameras])
    return Group(_inspected(inspection, header, rows), *_problem_lines(inspection))


def _inspected(inspection: Inspection, header: Sequence[str], rows: list[list[str]]) -> DrawnTable:
    lesser = ["distractors", "junk", "cameras", "with keypoints"]
    title = f"{inspection.layout}: {inspection.root}"
    return DrawnTable(title, header, rows, left=["cameras"], folded=["cameras"], lesser=lesser)


def _problem_lines(inspection: Inspection) -> list[Words]:
    shown: Counter[str] = Counter()
    lines = []
    for problem in sorted(inspection.problems, key=lambda problem: (problem.level, problem.kind)):
        shown[problem.kind] += 1
        if shown[problem.kind] <= SHOWN_PER_KIND:
            lines.append(Words(f"{problem.level}: {problem.where}: {problem.message}"))
        elif shown[problem.kind] == SHOWN_PER_KIND + 1:
            more = sum(other.kind == problem.kind for other in inspection.problems) - SHOWN_PER_KIND
            lines.append(Words(f"{problem.level}: ... and {more:,} more of {problem.kind} (--json lists all)"))
    errors = len(inspection.errors)
    verdict = _counted(errors, "error") if errors else "no errors"
    lines.append(Words(f"{verdict}, {_counted(len(inspection.problems) - errors, 'note')}"))
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def inspection_values(inspection: Inspection) -> dict[str, object]:
    return {
        "data": str(inspection.root),
        "layout": inspection.layout,
        "splits": {split.split: asdict(split) for split in inspection.splits},
        "errors": len(inspection.errors),
        "problems": [asdict(problem) for problem in inspection.problems],
    }


def doctor_table(checks: Sequence[Check]) -> RenderableType:
    """A line for each check."""
    lines = []
    for check in checks:
        text = f"{check.name}: {check.detail}" + (f"; {check.fix}" if check.fix else "")
        lines.append(Words(f"ok   {text}") if check.ok else Words(f"FIX  {text}", "bold red"))
    return Group(*lines)


def doctor_values(checks: Sequence[Check]) -> dict[str, object]:
    rows = [{"name": check.name, "ok": check.ok, "detail": check.detail, "mend": check.fix} for check in checks]
    return {"ok": all(check.ok for check in checks), "checks": rows}


def left_overs_table(found: Sequence[Found], study: Path) -> RenderableType:
    """A line for each, and what to do."""
    lines = []
    for left in found:
        state = "removed, " if left.removed else "a process is at work on it, " if left.held else ""
        lines.append(Words(f"left {left.path}: {state}{_bytes(left.size)}"))
    free = [left for left in found if not left.held and not left.removed]
    if free:
        total = _bytes(sum(left.size for left in free))
        fix = f"reidaug doctor --study {study} --clean"
        lines.append(Words(f"     {len(free)} left by killed runs, {total}: run them again, or `{fix}` removes them"))
    return Group(*lines)


def left_overs_values(found: Sequence[Found]) -> list[dict[str, object]]:
    """For `--json`."""
    return [asdict(left) | {"path": str(left.path)} for left in found]


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} bytes"


def profile_tables(profiles: Sequence[Profile]) -> RenderableType:
    """A table for each generator."""
    return Group(*map(_profile_table, profiles))


def _profile_table(profile: Profile) -> RenderableType:
    """A row for each size, batch and way; `times` is the speed relative to fp32 eager."""
    printed = f" (as the paper prints: {profile.printed})" if profile.printed else ""
    title = f"{profile.label}: {profile.parameters / 1e6:,.2f} M parameters{printed}; {profile.device}"
    header = ("size", "GMACs", "batch", "way", "ms/image", "images/s", "times", "memory MiB")
    rows = []
    for cost in profile.costs:
        same = [other for other in profile.costs if (other.size, other.batch_size) == (cost.size, cost.batch_size)]
        cells = [
            f"{cost.size[0]} x {cost.size[1]}",
            f"{profile.macs[cost.size] / 1e9:.2f}",
            str(cost.batch_size),
            cost.way,
            f"{cost.milliseconds:.2f}",
            f"{cost.images_per_second:.1f}",
            f"{same[0].milliseconds / cost.milliseconds:.2f}",
            "-" if cost.memory is None else f"{cost.memory / 2**20:.0f}",
        ]
        rows.append(cells)
    return DrawnTable(title, header, rows, left=["way"])


def profile_values(profiles: Sequence[Profile]) -> dict[str, object]:
    """For `--json`."""
    return {"generators": [_profile_values(profile) for profile in profiles]}


def _profile_values(profile: Profile) -> dict[str, object]:
    rows = [
        {**asdict(cost), "macs": profile.macs[cost.size], "images_per_second": cost.images_per_second}
        for cost in profile.costs
    ]
    counts = {"parameters": profile.parameters, "printed_parameters": profile.printed}
    whole = {"generator": profile.label, **counts, "device": profile.device}
    return {**whole, "rows": rows}
