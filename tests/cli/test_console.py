"""Messages and progress on a terminal."""

import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from reidaug.cli.app import app
from reidaug.cli.console import progress, say
from reidaug.evaluation.results import append_result
from tests.cli.commands import runner, values_of
from tests.factories import make_result, seeds_of


def test_eighty_columns_show_progress_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()

    def narrow(**options: Any) -> Console:
        return Console(file=shown, width=80, force_terminal=True, soft_wrap=True, highlight=False)

    monkeypatch.setattr("reidaug.cli.console.Console", narrow)
    note = "epoch 12 of 20, loss 2.93, accuracy 38 %, 174 images/s, 13 min left"
    with progress("training on none-matched, p = 0.40, seed 0") as advance:
        advance(1234, 2420, note)
    assert "training on none-matched, p = 0.40, seed 0" in shown.getvalue()
    assert "1234/2420" in shown.getvalue() and note in shown.getvalue()
    losses = "l1 0.250  gan 2.000  discriminator_appearance 0.123  discriminator_pose 0.456  12.3 images/s, 10 min left"
    with progress(f"training on {'s' * 60}, p = 0.40") as advance:
        advance(1, 2, losses)
    assert "s" * 60 in shown.getvalue() and all(word in shown.getvalue() for word in losses.split())
    with progress("generating") as advance:
        advance(0, 10)
        time.sleep(0.6)
        advance(4, 10)
    assert re.search(r"  [1-6]\.\d/s, \d s left", shown.getvalue())


def test_a_message_is_printed_verbatim(capsys: pytest.CaptureFixture[str]) -> None:
    say("error: no folder a:dog:b [red]")
    assert capsys.readouterr().err == "error: no folder a:dog:b [red]\n"


def reidaug(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Runs a command in a process of its own."""
    command = [sys.executable, "-m", "reidaug", *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, check=True)


def test_a_console_that_is_not_utf8_shows_the_table(tmp_path: Path) -> None:
    for result in seeds_of("none", 0.4, 0.5, 0.6) + seeds_of("full", 1.0, 0.7, 0.8):
        append_result(tmp_path / "results.jsonl", result)
    shown = reidaug("table", "--study", str(tmp_path), PYTHONIOENCODING="ascii").stdout.decode("ascii")
    assert re.search(r"\| none +\| 55.0 \? 7.1 \| 75.0 \? 7.1 \|", shown), shown


def test_a_path_that_is_no_text_is_shown_and_given_back(own_folder: Path, tiny_root: Path) -> None:
    typed = ["shrink", "--portion", "0.4", "--data", str(tiny_root.rename("data\udcff")), "--study", "study\udcff"]
    assert b"plan written: study?/p0.40/plan.csv" in reidaug(*typed).stdout
    values = json.loads(reidaug(*typed, "--json").stdout)
    assert values == values_of(*typed) and Path(values["plan"]).is_file()
    assert sorted(os.listdir(b"study\xff")) == [b"p0.40"]


@pytest.mark.parametrize("columns", ["60", "80"])
def test_a_narrow_terminal_cuts_nothing(tiny_root: Path, tmp_path: Path, columns: str) -> None:
    name = "s" * 60
    for result in seeds_of(name, 0.4, 0.5123, 0.6234) + seeds_of("none", 0.4, 0.3) + seeds_of("full", 1.0, 0.7, 0.8):
        append_result(tmp_path / "study" / "results.jsonl", result)
    narrow = {"FORCE_COLOR": "1", "COLUMNS": columns, "TERM": "xterm"}
    typed = (["table", "--study", str(tmp_path / "study")], ["inspect", str(tiny_root)], ["doctor"])
    table, inspected, doctor = (
        re.sub("\x1b\\[[0-9;]*m", "", runner.invoke(app, arguments, env=narrow).stdout) for arguments in typed
    )
    for shown, wanted in (
        (table, (name, "56.8 ± 7.9", "mAP trapezoid 62.3")),
        (inspected, (str(tiny_root), "36")),
    ):
        assert all(word in shown for word in wanted), shown
    for line in (table + inspected + doctor).splitlines():
        assert "…" not in line
        assert len(line) <= int(columns) or max(map(len, line.split())) > int(columns) - 10, line


def test_a_file_takes_a_table_of_any_width(tmp_path: Path) -> None:
    for portion in range(1, 20):
        append_result(tmp_path / "results.jsonl", make_result("p" * 60, portion / 20))
    lines = runner.invoke(app, ["table", "--study", str(tmp_path)]).stdout.splitlines()
    assert max(map(len, lines)) > 160 and not any("…" in line for line in lines)
