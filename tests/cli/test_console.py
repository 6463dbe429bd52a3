"""Messages and progress on a terminal."""

import io
import re
import time
from typing import Any

import pytest
from rich.console import Console

from reidaug.cli.console import progress, say


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
    with progress("generating") as advance:
        advance(0, 10)
        time.sleep(0.6)
        advance(4, 10)
    assert re.search(r"  [1-6]\.\d/s, \d s left", shown.getvalue())


def test_a_message_is_printed_verbatim(capsys: pytest.CaptureFixture[str]) -> None:
    say("error: no folder a:dog:b [red]")
    assert capsys.readouterr().err == "error: no folder a:dog:b [red]\n"
