"""study.toml as anybody may have written it: a command starts with the values, or ends with one line of error."""

import json
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from reidaug.cli.app import app
from reidaug.cli.settings import MAY_HOLD
from tests.cli.commands import runner

HOSTILE = settings.get_profile("hostile")
NUMBERS = st.one_of(st.integers(), st.integers(2**62, 2**70), st.floats()).map(str)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(
    lambda text: json.dumps(text, ensure_ascii=False)
)
ODD = st.sampled_from(["1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "true", "0x" + "f" * 5000, "9" * 4000, "-0.0"])
VALUES = st.recursive(
    st.one_of(NUMBERS, TEXTS, ODD),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]"),
        inner.map(lambda value: "{a = " + value + "}"),
    ),
    max_leaves=6,
)
KEYS = st.one_of(st.sampled_from([*sorted(MAY_HOLD), "out", "force", "device", "study"]), TEXTS)
TABLES = st.sampled_from(["", "", "[shrink]", "[evaluate]", "[[shrink]]", "[nothing]", "[shrink.seed]"])
LINES = st.tuples(TABLES, KEYS, VALUES).map(lambda parts: f"{parts[0]}\n{parts[1]} = {parts[2]}\n")
OTHERS = st.one_of(
    st.lists(LINES, max_size=4).map(lambda lines: "".join(lines).encode()),
    st.binary(max_size=300),
    st.text(max_size=200).map(lambda text: text.encode(errors="replace")),
    st.tuples(st.sampled_from(["seed = [", "seed = {a = ", "a.", "[[", '"""']), st.integers(1, 5000)).map(
        lambda parts: (parts[0] * parts[1]).encode()
    ),
)


def files(command: str) -> st.SearchStrategy[bytes]:
    """Half of them set one option of the command."""
    options = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    keys = st.sampled_from([flag[2:] for option in options for flag in option.opts if flag.startswith("--")])
    line = st.tuples(keys, VALUES).map(lambda pair: f"[{command}]\n{pair[0]} = {pair[1]}\n".encode())
    return st.one_of(line, OTHERS)


@pytest.mark.parametrize("command", ["shrink", "evaluate", "ranks", "train"])
def test_any_file_is_taken_or_refused_in_one_line(command: str, own_folder: Path) -> None:
    path = Path("study/study.toml")
    path.parent.mkdir()
    needed = {"evaluate": [], "train": ["--data", "nowhere", "--out", "x.pt"]}.get(command, ["--data", "nowhere"])

    @HOSTILE
    @given(files(command))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        result = runner.invoke(app, [command, *needed])
        assert result.exit_code in (1, 2) and isinstance(result.exception, SystemExit), result.exception
        assert "error: unexpected" not in result.stderr and "Traceback" not in result.output
        if result.exit_code == 1:
            errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
            assert len(errors) == 1 and len(errors[0]) < 1000
        assert [*Path().iterdir()] == [path.parent] and path.read_bytes() == content

    check()
