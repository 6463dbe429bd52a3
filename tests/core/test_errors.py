"""Errors as one line."""

import errno
import os
import re
from pathlib import Path

import pytest

import pona.errors
from reidaug.core.errors import OUT_OF_MEMORY, ReidAugError, is_expected, one_line


@pytest.mark.parametrize("words", pona.errors.OUT_OF_MEMORY)
def test_running_out_of_memory_is_recognised_as_in_pona(words: str) -> None:
    error = RuntimeError(f"oneDNN: {words} of 3 GiB")
    assert is_expected(error) and pona.errors.is_out_of_memory(error)
    assert one_line(error).startswith("out of memory: give a smaller --batch-size")
    assert OUT_OF_MEMORY == pona.errors.OUT_OF_MEMORY


def test_errors_of_the_project_are_foreseen_and_others_are_unexpected() -> None:
    assert one_line(ReidAugError("two\n  lines")) == "two lines" and is_expected(ReidAugError(""))
    assert not is_expected(ValueError("out of range"))
    assert "unexpected ValueError: first (run again with --debug" in one_line(ValueError("first\nsecond"))


@pytest.mark.parametrize(("number", "advice"), [(errno.ENOSPC, "free some"), (errno.EACCES, "permissions")])
def test_an_error_of_the_system_names_the_file_and_what_to_do(number: int, advice: str) -> None:
    line = one_line(OSError(number, "why", "a/file"))
    assert re.match(r"(cannot write )?a/file: why[:;] ", line) and advice in line


def test_a_full_disk_that_names_no_file_is_that_of_what_is_printed() -> None:
    line = one_line(OSError(errno.ENOSPC, "No space left on device"))
    assert line.startswith("cannot write what is printed: No space left on device; free some space and run again")


def test_a_renaming_that_fails_names_its_target(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="too long") as caught:
        os.replace(tmp_path / "a", tmp_path / ("n" * 256))
    assert one_line(caught.value).startswith(f"{tmp_path}/nnn")
