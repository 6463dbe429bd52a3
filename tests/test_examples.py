"""The examples run."""

import runpy
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_one_person_in_many_poses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "one_person_many_poses.py"), run_name="__main__")
    with Image.open("poses.png") as picture:
        colours = picture.convert("RGB").getcolors(1 << 20)
        assert picture.width > 6 * 64 and colours is not None and len(colours) > 1000
