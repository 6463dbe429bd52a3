"""Two processes of one command at once: one does the work, the other waits, or is refused in one line."""

import shutil
from pathlib import Path

import pytest

from tests.hostile.processes import COMMANDS, hidden, make_workplace, run, snapshot, start
from tests.hostile.test_kills import same_files

REFUSED = ("is being made by", "there already", "not done")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workplace(tmp_path_factory.mktemp("two") / "workplace")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "sweep"])
def test_two_at_once_do_no_harm(name: str, workplace: Path, tmp_path: Path) -> None:
    whole, place = (Path(shutil.copytree(workplace, tmp_path / each, symlinks=True)) for each in ("whole", "two"))
    assert run(whole, COMMANDS[name]).code == 0
    first, second = (wait() for wait in [start(place, COMMANDS[name]), start(place, COMMANDS[name])])
    ended = sorted([first, second], key=lambda one: one.code)
    assert ended[0].code == 0 and ended[1].code in (0, 1), ended[0].output + ended[1].output
    errors = [line for line in ended[1].output.splitlines() if line.startswith("error: ")]
    if ended[1].code:
        assert len(errors) == 1 and any(words in errors[0] for words in REFUSED), ended[1].output
    assert not any(words in one.output for one in ended for words in ("Traceback", "unexpected")), ended
    assert same_files(snapshot(place), snapshot(whole))
    assert not hidden(place)
