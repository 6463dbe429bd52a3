"""Files of tensors: whole or not at all, and in our own words."""

from pathlib import Path
from typing import IO

import pytest

from pona.errors import PoNAError
from pona.torch_file import write_whole


def test_torchs_words_for_a_full_disk_are_not_shown(tmp_path: Path) -> None:
    def write(file: IO[bytes]) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")

    with pytest.raises(PoNAError, match=r"cannot write .*a\.pt: is the disk full\?") as caught:
        write_whole(tmp_path / "a.pt", write)
    assert "enforce" not in str(caught.value) and not list(tmp_path.iterdir())


def test_a_full_disk_below_torchs_words_is_called_so(tmp_path: Path) -> None:
    def write(file: IO[bytes]) -> None:
        try:
            raise OSError(28, "No space left on device")
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")

    with pytest.raises(PoNAError) as caught:
        write_whole(tmp_path / "a.pt", write)
    expected = "No space left on device; free some space and run again: it goes on where it stopped"
    assert str(caught.value) == f"cannot write {tmp_path}/a.pt: {expected}"
