"""The notes below the mAP table: what a reader must know to judge it."""

from reidaug.reports.grids import Row, seen_text
from reidaug.reports.statistics import mean_percent, spread_over_seeds
from reidaug.study.controls import CONTROLS, MATCHED, set_of

CONVENTIONS = (
    "trapezoid: the AP of the official Market-1501 code and of the paper; plain: torchreid, fast-reid, scikit-learn"
)


def notes(rows: list[Row]) -> list[str]:
    """What a reader must know to judge the table."""
    lines = [CONVENTIONS]
    for name, portion in sorted({(row["set"], row["portion"]) for row in rows if row.get("seen_missing") is not None}):
        row = next(row for row in rows if (row["set"], row["portion"]) == (name, portion))
        seen = row["seen_missing"]
        verdict = "none of them" if seen == 0 else f"{seen:,} of them: its training saw what it paints"
        lines.append(
            f"{name}, p = {portion:.2f}: of {row['missing']:,} missing images the generator was trained on {verdict}"
            f" (protocol {row.get('protocol') or 'unknown'}{_start(row)})"
        )
    for name, portion in sorted({(r["set"], r["portion"]) for r in rows if seen_text(r) == "unknown"}):
        lines.append(f"{name}, p = {portion:.2f}: the generator's checkpoint does not say what it was trained on")
    lines += _copies(rows) + _lost_people(rows) + _gaps_of_chance(rows)
    names = {set_of(row["set"]) for row in rows}
    if "none" in names and MATCHED not in names:
        lines.append(
            "equal epochs, not equal iterations: none takes fewer steps than the completed and full sets "
            f"(--controls {MATCHED} gives it as many)"
        )
    if controls := [f"{name}: {CONTROLS[name]}" for name in CONTROLS if name in names]:
        lines.append(f"controls, which cost nothing: {'; '.join(controls)}")
    without = max(row.get("queries_without_match", 0) for row in rows)
    if without:
        lines.append(f"{without} queries have no right gallery image and do not count")
    machines = sorted({_machine(row) for row in rows if row.get("device")})
    if len(machines) > 1:
        lines.append(f"computed in several ways ({'; '.join(machines)}); the same seed differs by rounding")
    versions = sorted({versions_text(row) for row in rows if row.get("versions")})
    if len(versions) > 1:
        lines.append(f"computed by several versions ({'; '.join(versions)}): another --study keeps them apart")
    if len({row["seed"] for row in rows}) == 1:
        lines.append("one seed: small differences may be chance; --seeds 3 shows the spread")
    else:
        lines.append(
            "seeds vary the training of the baseline only: all share one draw of kept images and one generator each"
        )
    return lines


def _copies(rows: list[Row]) -> list[str]:
    """Of the images that count as synthetic, those that nobody painted."""
    counts = {(row["set"], row["portion"]): (row["copied"], row["synthetic"]) for row in rows if row.get("copied")}
    return [
        f"{name}, p = {portion:.2f}: {copied:,} of {synthetic:,} synthetic images are copies, for want of a pose"
        for (name, portion), (copied, synthetic) in sorted(counts.items())
    ]


def _lost_people(rows: list[Row]) -> list[str]:
    """The portions at which nobody has kept an image of some people, so that no set there has one of them."""
    everyone = max((row.get("identities", 0) for row in rows if row["set"] == "full"), default=0)
    left = {row["portion"]: row["identities"] for row in rows if row["set"] == "none" and "identities" in row}
    return [
        f"p = {portion:.2f}: {everyone - people} of {everyone} people have no image left and are in no set but full"
        for portion, people in sorted(left.items())
        if people < everyone
    ]


def _gaps_of_chance(rows: list[Row]) -> list[str]:
    """The portions at which the gap that is to be recovered may itself be chance."""
    full = [row for row in rows if row["set"] == "full"]
    lines = []
    for portion in sorted({row["portion"] for row in rows if row["set"] == "none"}):
        none = [row for row in rows if (row["set"], row["portion"]) == ("none", portion)]
        spread = spread_over_seeds(full, none)
        if spread is not None and mean_percent(full) - mean_percent(none) <= spread:
            lines.append(
                f"p = {portion:.2f}: full is not above none by more than the spread of seeds (± {spread:.1f}), so a "
                "gap recovered says nothing there"
            )
    return lines


def _machine(row: Row) -> str:
    """On what a row was computed; rows of before threads were kept have none."""
    where = row.get("processor", "cpu") if row["device"] == "cpu" else row["device"]
    threads = f", {row['threads']} threads" if row["device"] == "cpu" and "threads" in row else ""
    return f"{where} {row.get('precision') or ''}".strip() + threads


def versions_text(row: Row) -> str:
    """By what a row was computed."""
    return ", ".join(f"{name} {version}" for name, version in sorted(row["versions"].items()))


def _start(row: Row) -> str:
    generator = row.get("generator") or {}
    start = f", its training started from {generator['started_from']}" if generator.get("started_from") else ""
    return start + (", selected by L1 on people of the test split" if generator.get("selected_on") else "")
