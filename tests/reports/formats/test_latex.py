"""The mAP table in LaTeX."""

from pathlib import Path

from reidaug.reports.formats.latex import write
from reidaug.reports.table import make_tables
from tests.factories import TABLE_VI, make_result


def test_latex_holds_the_verdicts_and_no_line_for_each_baseline() -> None:
    text = write(make_tables(TABLE_VI, Path()))
    for part in ("begin{table}", "toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{part}") == 2
    assert r"\label{tab:reidaug-1-summary}" in text and r"\label{tab:reidaug-1-differences}" in text
    comments = [line for line in text.splitlines() if line.startswith("% ")]
    (table,) = make_tables(TABLE_VI, Path())
    assert comments == [r"% needs \usepackage{booktabs}", *(f"% {note}" for note in table.notes[1:])]
    assert not any(note in line for note in table.notes for line in text.splitlines() if "caption" in line)
    assert text.count(r"\begin{table}") == 2 and "one seed: no claim" in text and "rank-1" not in text


def test_latex_escapes_and_closes() -> None:
    rows = [make_result("my_gan", 0.4, 0.5), make_result("none", 0.4, 0.4), make_result("full", 1.0, 0.7)]
    text = write(make_tables(rows, Path()))
    assert r"my\_gan & 50.0 & 70.0 \\" in text and r"\end{table}" in text
    assert not any("%" in line.replace(r"\%", "") for line in text.splitlines() if not line.startswith("% "))
    assert "plain:" not in text  # only for the details in the other formats
    text = write(make_tables([make_result("none", 0.4, 0.4, weights="a&b#_$~{^}.pth")], Path()))
    assert r"weights a\&b\#\_\$\textasciitilde{}\{\textasciicircum{}\}.pth" in text
